import assert from "node:assert/strict";
import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { Agent, request } from "undici";
import { commands } from "../../cli/commands.ts";
import { bundlePages } from "../../scripts/pages/bundle.ts";
import type { PageFile } from "../../server/web/routes.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "../..");
const off = ["network.dhcp=off", "network.interfaces=lo", "http.port=0", "https.port=0", "tftp.port=0"];
const onLoopback = off.flatMap((pair) => ["--set", pair]);
let home: string;
let launcher: string;
let tarball: string;
let deb: string;

// As npm installs it, except that the packages it needs are linked and not downloaded.
before(async () => {
  home = await mkdtemp(join(tmpdir(), "bootcast-package-"));
  const { stdout } = await run(join(root, "scripts/package"), ["--deb", home], { timeout: 120_000 });
  [tarball, deb] = stdout
    .trim()
    .split("\n")
    .map((name) => join(home, name)) as [string, string];
  await run("tar", ["-xzf", tarball, "-C", home]);
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

test("the package has the pages ready, as a checkout makes them", async () => {
  const dist = join(home, "node_modules/bootcast/dist");
  const { pageFiles } = await import(join(dist, "cli/serve/page-files.js"));
  const { files } = await bundlePages();
  const byPath = (one: PageFile, other: PageFile) => (one.path < other.path ? -1 : 1);
  const bytesOf = (pages: readonly PageFile[]) =>
    pages.toSorted(byPath).map(({ path, content }) => [path, Buffer.from(content)]);
  assert.deepEqual(bytesOf(await pageFiles()), bytesOf(files));
  assert(!existsSync(join(dist, "server/web/page")), "nor are their sources in it");
});

for (const { name } of commands) {
  test(`the package has bootcast ${name}`, async () => {
    const { stdout } = await run(process.execPath, [launcher, name, "--help"]);
    assert.match(stdout, new RegExp(`Usage: bootcast ${name}`));
  });
}

/** The system's own programs, without those of the checkout: there Node may be older. */
const systemPath = (process.env["PATH"] ?? "")
  .split(delimiter)
  .filter((folder) => !folder.includes("node_modules"))
  .join(delimiter);

/** Why "npm install -g" cannot be tried with an older Node here. */
function olderNodeProblem(): string | false {
  const node = systemPath.split(delimiter).find((folder) => existsSync(join(folder, "node")));
  if (node === undefined) return "There is no Node outside of the checkout.";
  const version = execFileSync(join(node, "node"), ["--version"], { encoding: "utf8" }).trim();
  const major = Number(/^v(\d+)/.exec(version)?.[1]);
  return major >= 20 && major < 24 ? false : `The system's Node is ${version}, and this is about Node 20 to 23.`;
}

test("npm install -g, with a Node of Debian's age: it runs, serves and examines itself", {
  skip: olderNodeProblem(),
}, async () => {
  const prefix = join(home, "prefix");
  const env = { PATH: `${join(prefix, "bin")}${delimiter}${systemPath}`, HOME: process.env["HOME"], NO_COLOR: "1" };
  const flags = ["--global", "--prefix", prefix, "--prefer-offline", "--no-audit", "--no-fund", "--ignore-scripts"];
  await run("npm", ["install", ...flags, tarball], { env, timeout: 300_000 });
  // What is installed is what was tested, not whatever is newest.
  const lock = JSON.parse(await readFile(join(root, "package-lock.json"), "utf8"));
  const installed = join(prefix, "lib/node_modules/bootcast/node_modules");
  for (const name of ["fastify", "ajv", "koffi"]) {
    const { version } = JSON.parse(await readFile(join(installed, name, "package.json"), "utf8"));
    assert.equal(version, lock.packages[`node_modules/${name}`].version, name);
  }
  const { stdout: said } = await run("bootcast", ["version", "--json"], { env });
  assert.match(JSON.parse(said).node, /^2[4-9]\./);

  const dataDir = join(home, "data");
  const words = ["--json", "--data-dir", dataDir, ...onLoopback];
  const server = spawn("bootcast", ["serve", ...words], { env, stdio: ["ignore", "pipe", "ignore"] });
  const ended = once(server, "exit");
  const agent = new Agent({ connect: { rejectUnauthorized: false } });
  try {
    const line = await Promise.race([once(server.stdout, "data"), ended]);
    const ready = JSON.parse(String(line[0])) as { ready: boolean; https: string[] };
    assert.equal(ready.ready, true);
    const help = await request(`${ready.https[0]}/help`, { dispatcher: agent });
    assert.equal(help.statusCode, 200);
    assert.match(await help.body.text(), /<title>bootcast/);
    // It fails because no boot image was built, and says so; everything else it can look at.
    const doctor = await run("bootcast", ["doctor", ...words.slice(0, 3)], { env }).catch((error) => error);
    const { probes } = JSON.parse(doctor.stdout) as { probes: { probe: string; status: string }[] };
    assert.equal(doctor.code, 1);
    assert.deepEqual(
      probes.filter(({ status }) => status === "fail").map(({ probe }) => probe),
      ["boot image"],
      doctor.stdout,
    );
  } finally {
    server.kill("SIGTERM");
    await agent.close();
  }
  assert.deepEqual(await ended, [0, null]);
});

test("the .deb has all that it needs in it, belongs to root, and its Node runs it", async () => {
  const { stdout: listed } = await run("dpkg-deb", ["--contents", deb], { maxBuffer: 64 * 1024 * 1024 });
  for (const line of listed.trim().split("\n")) assert.match(line, /^\S+ root\/root /);
  for (const path of [
    "./usr/bin/bootcast",
    "./usr/lib/bootcast/dist/help/index.html",
    "./usr/share/bash-completion/completions/bootcast",
    "./usr/share/man/man1/bootcast.1.gz",
  ]) {
    assert(listed.includes(` ${path}\n`), path);
  }
  assert.doesNotMatch(listed, /node_modules\/(typescript|esbuild|@biomejs)/);
  const empty = join(home, "empty-root");
  await run("dpkg-deb", ["--extract", deb, empty], { timeout: 120_000 });
  const [, node = "", program = ""] =
    /^exec (\S+) (\S+) /m.exec(await readFile(join(empty, "usr/bin/bootcast"), "utf8")) ?? [];
  const { stdout } = await run(join(empty, node), [join(empty, program), "version", "--json"], { env: {} });
  const { version, dependencies, optionalDependencies } = (
    await import(join(root, "package.json"), { with: { type: "json" } })
  ).default;
  assert.equal(JSON.parse(stdout).bootcast, version);
  // What was left out of the packages in it was not needed: each of them loads.
  const needed = Object.keys({ ...dependencies, ...optionalDependencies }).filter((name) => !/^node-linux-/.test(name));
  const loadAll = `await import("reflect-metadata"); for (const name of ${JSON.stringify(needed)}) await import(name); console.log("all");`;
  const inside = { cwd: join(empty, "usr/lib/bootcast"), env: {} };
  const { stdout: loaded } = await run(join(empty, node), ["--input-type=module", "--eval", loadAll], inside);
  assert.equal(loaded, "all\n");
  const words = ["serve", "--json", "--data-dir", join(home, "deb-data"), ...onLoopback];
  const server = spawn(join(empty, node), [join(empty, program), ...words], { stdio: ["ignore", "pipe", "ignore"] });
  const ended = once(server, "exit");
  const [line] = await Promise.race([once(server.stdout, "data"), ended]);
  assert.equal(JSON.parse(String(line)).ready, true);
  server.kill("SIGTERM");
  assert.deepEqual(await ended, [0, null]);
  const { stdout: field } = await run("dpkg-deb", ["--field", deb, "Version"]);
  assert.equal(field.trim(), version);
  for (const script of ["postinst", "prerm"]) {
    const { stdout: text } = await run("dpkg-deb", ["--info", deb, script]);
    await writeFile(join(home, script), text);
    await run("sh", ["-n", join(home, script)]);
  }
});
