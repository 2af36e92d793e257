import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import {
  forgetIdentity,
  identityPath,
  keepIdentity,
  readIdentity,
  sweepIdentities,
} from "../../../cli/stream/identity.ts";
import type { Manifest } from "../../../images/manifest.ts";
import { goldenDisk } from "../../agent/stream/local-stream.ts";
import { clean, ended, root } from "../program.ts";

const identity = { streamId: "00112233445566aa", group: "239.192.66.7", secret: new Uint8Array(32).fill(7) };
let directory: string;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "bootcast-identity-"));
});
after(() => rm(directory, { recursive: true, force: true }));

test("an identity is kept for its owner alone, read again, and forgotten", async () => {
  const path = join(directory, "made", "here", "one");
  assert.equal(await readIdentity(path), undefined);
  await keepIdentity(path, identity);
  assert.deepEqual(await readIdentity(path), identity);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.deepEqual(await readdir(join(directory, "made", "here")), ["one"]);
  for (const broken of ["", "00112233445566aa", "xyz 1.2.3.4 00", (await readFile(path, "utf8")).slice(0, -1)]) {
    await writeFile(path, broken);
    assert.equal(await readIdentity(path), undefined, broken);
  }
  await forgetIdentity(path);
  await forgetIdentity(path);
  assert.deepEqual(await readdir(join(directory, "made", "here")), []);
});

test("its place follows from what is sent, and to where; not from who signed it", () => {
  const manifest = { packs: [{ digest: "ab".repeat(32) }], root: new Uint8Array(32) } as unknown as Manifest;
  const other = { ...manifest, packs: [{ digest: "ac".repeat(32) }] } as unknown as Manifest;
  const path = identityPath("/data", manifest, "10.0.0.1-239.192.66.1-7800");
  assert.match(path, /^\/data\/streams\/[0-9a-f]{16}-10\.0\.0\.1-239\.192\.66\.1-7800$/);
  assert.equal(identityPath("/data", { ...manifest }, "10.0.0.1-239.192.66.1-7800"), path);
  assert.notEqual(identityPath("/data", other, "10.0.0.1-239.192.66.1-7800"), path);
});

test("those that nobody used for a week are removed, and nothing else", async () => {
  const streams = join(directory, "streams");
  const old = new Date(Date.now() - 8 * 86_400_000);
  await mkdir(join(streams, "directory"), { recursive: true });
  for (const name of ["old", "young"]) await writeFile(join(streams, name), "x");
  for (const name of ["old", "directory"]) await utimes(join(streams, name), old, old);
  await sweepIdentities(streams);
  assert.deepEqual((await readdir(streams)).sort(), ["directory", "young"]);
  await sweepIdentities(join(directory, "absent"));
});

test("a stream that is killed and started again: its receiver goes on, and its key is the same", async () => {
  const golden = join(directory, "golden.raw");
  const bytes = Buffer.from(goldenDisk().bytes);
  await writeFile(golden, bytes);
  const data = ["--data-dir", join(directory, "data")];
  const port = await freePort();
  const words = [
    "stream",
    "--source",
    golden,
    "--interface",
    "127.0.0.1",
    "--port",
    port,
    "--rate",
    "800kB/s",
    "--encrypt",
  ];
  const run = (...given: string[]) =>
    spawn(process.execPath, [join(root, "cli/main.ts"), ...given, ...data], { env: clean(), timeout: 60_000 });
  let stream = run(...words);
  await said(stream, "stdout", "Ready to start");
  const copy = join(directory, "copy.raw");
  const restore = run("restore", "--source", `asr://127.0.0.1:${port}`, "--file", copy);
  const restored = ended(restore);
  await said(restore, "stdout", ".20");
  stream.kill("SIGKILL");
  await once(stream, "close");
  stream = run(...words);
  await said(stream, "stdout", "Ready to start");
  const { code, stderr } = await restored;
  assert.equal(code, 0, stderr);
  assert.doesNotMatch(stderr, /PACK_DAMAGED/);
  assert.equal(Buffer.compare(await readFile(copy), bytes), 0);
  stream.kill("SIGINT");
  await once(stream, "close");
});

async function said(child: ChildProcess, where: "stdout" | "stderr", text: string): Promise<void> {
  let all = "";
  await new Promise<void>((resolve, reject) => {
    child[where]?.on("data", (chunk: Buffer) => {
      all += String(chunk);
      if (all.includes(text)) resolve();
    });
    child.once("close", () => reject(new Error(`it ended before it said "${text}": ${all}`)));
  });
}

async function freePort(): Promise<string> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert(address !== null && typeof address === "object");
  server.close();
  return String(address.port);
}
