import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { commands } from "../../../cli/commands.ts";
import { bashCompletion } from "../../../cli/completion/bash.ts";
import { type CommandNode, commandTree } from "../../../cli/completion/command-tree.ts";
import { fishCompletion } from "../../../cli/completion/fish.ts";
import { zshCompletion } from "../../../cli/completion/zsh.ts";

const folder = mkdtempSync(join(tmpdir(), "bootcast-completion-"));
let nodes: CommandNode[];
let bash: string;

before(async () => {
  nodes = await commandTree(commands);
  bash = join(folder, "bootcast.bash");
  writeFileSync(bash, bashCompletion(nodes));
  writeFileSync(join(folder, "file.toml"), "");
});
after(() => rmSync(folder, { recursive: true, force: true }));

test("the tree has every command and every verb, and what options want", () => {
  const paths = nodes.map(({ path }) => path);
  for (const { name } of commands) assert(paths.includes(name), name);
  for (const path of ["host list", "image keys seal", "boot-image build"]) assert(paths.includes(path), path);
  const serve = nodes.find(({ path }) => path === "serve")!;
  const valueIn = (long: string) => serve.options.find((option) => option.long === long)?.value;
  assert.deepEqual(valueIn("--log-level"), ["trace", "debug", "info", "warn", "error", "silent"]);
  assert.equal(valueIn("--config"), "file");
  assert.equal(valueIn("--set"), "other");
  assert.equal(valueIn("--json"), "none");
});

/** What bash offers behind these words, the last of which is being typed. */
function offered(...words: string[]): string[] {
  const script = `source "$1"; shift; COMP_WORDS=(bootcast "$@"); COMP_CWORD=$#; _bootcast; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const stdout = execFileSync("bash", ["-c", script, "bash", bash, ...words], { cwd: folder, encoding: "utf8" });
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .sort();
}

test("bash completes commands, verbs, options and what they want", () => {
  assert.deepEqual(offered("doc"), ["doctor"]);
  assert(offered("").length >= commands.length);
  assert.deepEqual(offered("config", ""), ["check", "show"]);
  assert.deepEqual(offered("serve", "--log-level", "in"), ["info"]);
  assert.deepEqual(offered("serve", "--config", "fi"), ["file.toml"]);
  assert.deepEqual(offered("serve", "--set", ""), [], "nobody knows");
  assert.deepEqual(offered("config", "check", "fi"), ["file.toml"]);
  assert.deepEqual(offered("config", "show", "--orig"), ["--origin"]);
  assert.deepEqual(offered("--quiet", "config", "sh"), ["show"], "an option between the words");
  assert.deepEqual(offered("nothing", "like", "it"), []);
});

for (const [shell, script] of [
  ["zsh", zshCompletion],
  ["fish", fishCompletion],
] as const) {
  test(`${shell} reads its script, which has everything`, () => {
    const text = script(nodes);
    const file = join(folder, `bootcast.${shell}`);
    writeFileSync(file, text);
    execFileSync(shell, ["-n", file], { stdio: "pipe" });
    for (const { name } of commands) assert(text.includes(name), name);
  });
}

test("fish completes verbs where they stand, and options of their command", () => {
  const file = join(folder, "complete.fish");
  writeFileSync(file, fishCompletion(nodes));
  const offers = (line: string) =>
    execFileSync("fish", ["--no-config", "--command", `source ${file}; complete --do-complete '${line}'`], {
      encoding: "utf8",
      env: { ...process.env, HOME: folder },
    })
      .split("\n")
      .map((each) => each.split("\t")[0]);
  assert(offers("bootcast doc").includes("doctor"));
  assert.deepEqual(
    offers("bootcast config ").filter((word) => word !== ""),
    ["check", "show"],
  );
  assert(offers("bootcast serve --log-level ").includes("debug"));
});
