import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { commands } from "../../cli/commands.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "../..");
let home: string;
let launcher: string;

// As npm installs it, except that the packages it needs are linked and not downloaded.
before(async () => {
  home = await mkdtemp(join(tmpdir(), "bootcast-package-"));
  const { stdout } = await run(join(root, "scripts/package"), [home], { timeout: 120_000 });
  await run("tar", ["-xzf", join(home, stdout.trim()), "-C", home]);
  const modules = join(home, "node_modules");
  await mkdir(modules);
  for (const name of await readdir(join(root, "node_modules"))) {
    if (!name.startsWith(".")) await symlink(join(root, "node_modules", name), join(modules, name));
  }
  await run("mv", [join(home, "package"), join(modules, "bootcast")]);
  launcher = join(modules, "bootcast/cli/bootcast.cjs");
});
after(() => rm(home, { recursive: true, force: true }));

test("the package holds JavaScript, and nothing of the tests or the lab", async () => {
  const files = await readdir(join(home, "node_modules/bootcast"), { recursive: true });
  assert.deepEqual(
    files.filter((name) => name.endsWith(".ts") || /(^|\/)(test|lab|golden)(\/|$)/.test(name)),
    [],
  );
});

test("the package's launcher runs its JavaScript", async () => {
  const { stdout } = await run(process.execPath, [launcher, "version", "--json"]);
  const { version } = (await import(join(root, "package.json"), { with: { type: "json" } })).default;
  assert.equal(JSON.parse(stdout).bootcast, version);
});

test("the package has the agent in one file, which the boot image takes; outside of one it refuses to run", async () => {
  const file = join(home, "node_modules/bootcast/dist/agent.cjs");
  const bundle = await import(join(home, "node_modules/bootcast/dist/scripts/boot-image/bundle.js"));
  assert.deepEqual(await bundle.agentProgram(), await readFile(file));
  // Alone, as in the boot image: no packages beside it.
  const alone = await mkdtemp(join(tmpdir(), "bootcast-agent-"));
  try {
    await copyFile(file, join(alone, "agent.cjs"));
    await assert.rejects(run(process.execPath, [join(alone, "agent.cjs")]), {
      code: 1,
      stderr: /\[NOT_IN_BOOT_IMAGE\]/,
    });
  } finally {
    await rm(alone, { recursive: true });
  }
});

for (const { name } of commands) {
  test(`the package has bootcast ${name}`, async () => {
    const { stdout } = await run(process.execPath, [launcher, name, "--help"]);
    assert.match(stdout, new RegExp(`Usage: bootcast ${name}`));
  });
}
