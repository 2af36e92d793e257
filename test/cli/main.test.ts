import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Command } from "commander";
import { commands } from "../../cli/commands.ts";
import { asFault, Exit, exitOf } from "../../cli/terminal/output.ts";
import { VERSION } from "../../cli/version.ts";
import { Fault } from "../../fault.ts";
import { bootcast, clean, ended, root } from "./program.ts";

for (const { name, load } of commands) {
  test(`bootcast ${name}: examples come first, and the common options are there`, async () => {
    const leaves = (command: Command): Command[] =>
      command.commands.length === 0 ? [command] : [command, ...command.commands.flatMap(leaves)];
    for (const command of leaves(await load())) {
      let help = "";
      command.configureOutput({ writeOut: (text) => (help += text), writeErr: (text) => (help += text) });
      command.outputHelp();
      assert.match(help, /^Examples:\n {2}\$ /, `${name} ${command.name()}`);
      if (command.commands.length === 0) {
        for (const option of ["--json", "--quiet", "--no-input"])
          assert(help.includes(option), `${command.name()} ${option}`);
      }
      assert(command.description().length > 10, `${command.name()} says what it does`);
    }
  });
}

test("no words: the list of commands, with examples first", async () => {
  const { code, stdout, stderr } = await bootcast([]);
  assert.deepEqual([code, stderr], [Exit.done, ""]);
  assert.match(stdout, /^Examples:\n/);
  for (const { name, summary } of commands)
    assert(stdout.includes(name) && stdout.includes(summary.slice(0, 15)), name);
});

test("a wrong word brings a suggestion and exit code 2", async () => {
  const command = await bootcast(["sesion", "list"]);
  assert.equal(command.code, Exit.usage);
  assert.match(command.stderr, /^error: .*'sesion'.*\[USAGE\]\n {2}why: .*\n {2}fix: Did you mean session\?/);
  assert.equal(command.stdout, "");
  const option = await bootcast(["version", "--jsno"]);
  assert.equal(option.code, Exit.usage);
  assert.match(option.stderr, /Did you mean --json\?/);
  const required = await bootcast(["image", "import", "golden.raw", "--nmae", "lab"]);
  assert.equal(required.code, Exit.usage);
  assert.match(required.stderr, /Did you mean --name\? "bootcast image import --help"/);
  // What is missing is seen in an example.
  const missing = await bootcast(["deploy", "lab-debian"]);
  assert.match(
    missing.stderr,
    /'--to <hosts\.\.\.>' not specified.*\n.*\n {2}fix: For example: bootcast deploy .* --to /,
  );
  // Only the verb that is asked for is loaded; one that does not exist is looked for among all.
  const verb = await bootcast(["image", "convrt", "a.raw", "b.dmg"]);
  assert.deepEqual([verb.code, /Did you mean convert\?/.test(verb.stderr)], [Exit.usage, true], verb.stderr);
  const argument = await bootcast(["host", "rename", "lab-01", "--json"]);
  assert.equal(argument.code, Exit.usage);
  assert.equal(JSON.parse(argument.stderr).error.code, "USAGE");
  assert.equal((await bootcast(["host"])).code, Exit.usage);
});

test("the list of a command's verbs is whole, however it is asked for", async () => {
  const all = (await bootcast(["image", "--help"])).stdout;
  for (const verb of ["import", "sweep", "keys"]) assert(all.includes(`\n  ${verb} `), verb);
  assert.equal((await bootcast(["help", "image"])).stdout, all);
});

test("help says first what a command is about, then what many have; a verb has one sentence", async () => {
  const { stdout } = await bootcast(["deploy", "--help"]);
  const places = [
    "\nOptions:\n",
    "\n  --to ",
    "\n  --plan ",
    "\nCommon options:\n",
    "\n  --json ",
    "\n  --server ",
    "\n  -h, --help",
  ];
  const found = places.map((text) => stdout.indexOf(text));
  assert(!found.includes(-1), stdout);
  assert.deepEqual(
    found,
    found.toSorted((one, other) => one - other),
    stdout,
  );
  assert.doesNotMatch((await bootcast(["image", "create", "--help"])).stdout, /default: (\[|"")/);
  const verbs = (await bootcast(["image", "--help"])).stdout;
  assert.match(verbs, /\n {2}import \[options\] <file> +Copies a disk image or a disk into the store\.\n {2}scan /);
  const first = (await bootcast([])).stdout;
  const groups = [...first.matchAll(/^(\S.*):$/gm)].map(([, title]) => title);
  assert.deepEqual(groups, [
    "Examples",
    "Options",
    "The server",
    "Images",
    "Machines",
    "Without a server",
    "This program",
  ]);
});

test("version prints one line, or one object", async () => {
  assert.match(
    (await bootcast(["version"])).stdout,
    new RegExp(`^bootcast ${VERSION} \\(Node ${process.versions.node}`),
  );
  assert.equal(JSON.parse((await bootcast(["version", "--json"])).stdout).bootcast, VERSION);
  assert.equal((await bootcast(["--version"])).stdout, `${VERSION}\n`);
});

test("a reader that has seen enough is no error", () => {
  const main = join(root, "cli/main.ts");
  const { status, stderr } = spawnSync("sh", ["-c", `"$0" "$1" --help | head -c 1`, process.execPath, main], {
    env: clean(),
  });
  assert.deepEqual([status, String(stderr)], [0, ""]);
});

test("every error has the exit code that the manual promises", () => {
  const codes = {
    USAGE: 2,
    CONFIRM_MISSING: 5,
    SERVER_UNREACHABLE: 10,
    NOT_PERMITTED: 11,
    TFTP_NOT_PERMITTED: 11,
    UDP_NOT_PERMITTED: 11,
    CONFIG_UNKNOWN: 2,
    CONFIG_MISSING: 2,
    INTERRUPTED: 130,
    ANY_OTHER: 1,
  };
  for (const [code, exit] of Object.entries(codes)) {
    assert.equal(exitOf(new Fault(code, { what: "", why: "", fix: "" })), exit, code);
  }
  assert.equal(exitOf(Object.assign(new Error("no"), { code: "EACCES" })), Exit.notPermitted);
  assert.equal(asFault(new TypeError("x is undefined")).code, "UNEXPECTED");
  assert.equal(asFault(Object.assign(new Error("no space"), { code: "ENOSPC" })).code, "ENOSPC");
});

/** A Node that is too old for bootcast, when this machine has one. */
function olderNode(): string | undefined {
  const found = spawnSync(
    "sh",
    ["-c", "command -v -a node; type -ap node 2>/dev/null; ls /usr/bin/node /usr/local/bin/node"],
    {
      encoding: "utf8",
    },
  );
  return found.stdout
    .split("\n")
    .filter((path) => path.startsWith("/") && existsSync(path))
    .find((path) => {
      const { stdout } = spawnSync(path, ["--version"], { encoding: "utf8" });
      return Number(/^v(\d+)/.exec(stdout)?.[1] ?? 99) < 24;
    });
}

const old = olderNode();

test("the launcher runs with this Node as it is", async () => {
  const child = spawn(process.execPath, [join(root, "cli/bootcast.cjs"), "version"], { env: clean() });
  const { code, stdout } = await ended(child);
  assert.deepEqual([code, stdout.startsWith(`bootcast ${VERSION} `)], [0, true]);
});

test("scripts/bootcast runs from any directory and passes the exit code on", async () => {
  const child = spawn(join(root, "scripts/bootcast"), ["nonsense"], { cwd: "/", env: clean() });
  assert.equal((await ended(child)).code, Exit.usage);
});

test("the launcher replaces an old Node by the one that npm installed", {
  skip: old === undefined && "no old Node here",
}, async () => {
  const launcher = join(root, "cli/bootcast.cjs");
  const version = await ended(spawn(old!, [launcher, "version", "--json"], { env: clean() }));
  assert.equal(version.code, 0);
  assert(Number(JSON.parse(version.stdout).node.split(".")[0]) >= 24);
  assert.equal((await ended(spawn(old!, [launcher, "nonsense"], { env: clean() }))).code, Exit.usage);
});

test("an old Node without a newer one beside it gets a clear message", {
  skip: old === undefined && "no old Node here",
}, async () => {
  const directory = mkdtempSync(join(tmpdir(), "bootcast-launcher-"));
  try {
    copyFileSync(join(root, "cli/bootcast.cjs"), join(directory, "bootcast.cjs"));
    const { code, stderr } = await ended(spawn(old!, [join(directory, "bootcast.cjs")], { env: clean() }));
    assert.equal(code, 1);
    assert.match(stderr, /NODE_TOO_OLD.*why: It needs Node 24.*fix: Install/s);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("the launcher is written so that very old Nodes can read it", () => {
  const code = readFileSync(join(root, "cli/bootcast.cjs"), "utf8")
    .replace(/^\s*\/\/.*$/gm, "")
    .replace(/"[^"]*"/g, '""');
  assert.doesNotMatch(code, /=>|`|\?\.|\?\?|\b(const|let|async|await|import|class)\b|,\s*\)/);
});
