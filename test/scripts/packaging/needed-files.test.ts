import assert from "node:assert/strict";
import { test } from "node:test";
import { commands } from "../../../cli/commands.ts";
import { changelogText, controlText, lintianOverrides } from "../../../scripts/packaging/deb-control.ts";
import { manualPage } from "../../../scripts/packaging/manual.ts";
import { isNeededFile, isProgram } from "../../../scripts/packaging/needed-files.ts";

const manifest = {
  name: "bootcast",
  version: "1.2.3",
  description: `It ${"boots machines ".repeat(9)}.`,
  license: "MIT",
};

test("of a package what runs is kept, and its licence", () => {
  const kept = [
    "index.js",
    "lib/core.mjs",
    "dist/index.cjs",
    "package.json",
    "LICENSE",
    "licence.md",
    "NOTICE.txt",
    "wasm/module.wasm",
    "prebuilds/linux-x64/node.napi.node",
    "linux_x64/koffi.node",
    // Words that only look like those that are left out.
    "lib/spec/openapi/index.js",
    "lib/test/index.js",
    "test.js",
    "lib/testing.js",
    "lib/latest/index.js",
    "lib/electronic.js",
  ];
  assert.deepEqual(
    kept.filter((path) => !isNeededFile(path, "x64")),
    [],
  );
});

test("its tests, its papers and what is for other machines are left out", () => {
  const left = [
    "README.md",
    "index.d.ts",
    "index.js.map",
    "index.html",
    ".eslintrc.cjs",
    ".github/workflows/ci.json",
    "test/index.js",
    "tests/a.js",
    "benchmarks/run.js",
    "prebuilds/linux-arm64/node.napi.node",
    "prebuilds/win32-x64/node.napi.node",
    "prebuilds/linux-x64/electron.napi.node",
    "musl_x64/koffi.node",
  ];
  assert.deepEqual(
    left.filter((path) => isNeededFile(path, "x64")),
    [],
  );
  assert(isProgram(Buffer.from("#!/usr/bin/env node\n")));
  assert(!isProgram(Buffer.from("# no program")));
  assert(!isProgram(Buffer.alloc(0)));
});

test("control, changelog and overrides have the form that Debian's tools read", () => {
  const control = controlText(manifest, "amd64", 1000);
  assert(
    control.split("\n").every((line) => line.length <= 80),
    control,
  );
  assert.match(control, /\nDescription: .*\n It boots machines[^\n]*\n boots[^\n]*machines \.\n It answers/s);
  assert.equal(
    changelogText(manifest, new Date(Date.UTC(2026, 10, 2, 3, 4, 5))),
    `bootcast (1.2.3) unstable; urgency=medium

  * See NEWS.md.gz in this folder.

 -- The bootcast authors <bootcast@bootcast.invalid>  Mon, 02 Nov 2026 03:04:05 +0000
`,
  );
  for (const line of lintianOverrides("x64").trim().split("\n")) assert.match(line, /^(# .*\.|bootcast: [a-z-]+ .*)$/);
});

test("the manual has every command once, in its group", () => {
  const page = manualPage(commands, "1.2.3");
  for (const { name, group } of commands) {
    const line = `\n.B bootcast ${name.replaceAll("-", "\\-")}\n`;
    assert.equal(page.split(line).length, 2, name);
    assert(page.indexOf(`.SS ${group}`) < page.indexOf(line), name);
  }
});
