import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { sampleDisk } from "../../images/sample-disk.ts";
import { bootcast, clean, ended, root } from "../program.ts";

const directory = mkdtempSync(join(tmpdir(), "bootcast-access-"));
after(() => rmSync(directory, { recursive: true }));
const path = (name: string) => join(directory, name);
const data = ["--data-dir", path("data")];
const golden = Buffer.from(sampleDisk("?ab0ab?".repeat(10)).bytes);
writeFileSync(path("golden.raw"), golden);
const imported = await bootcast(["image", "import", path("golden.raw"), "--name", "lab", ...data]);
assert.equal(imported.code, 0, imported.stderr);
const main = join(root, "cli/main.ts");

function start(words: readonly string[], env: NodeJS.ProcessEnv = {}) {
  return spawn(process.execPath, [main, "image", ...words, ...data], { env: clean(env) });
}

/** The bytes of stdout, which are no text. */
async function cat(...words: string[]): Promise<Buffer> {
  const child = start(["cat", ...words]);
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  const { code, stderr } = await ended(child);
  assert.equal(code, 0, stderr);
  return Buffer.concat(chunks);
}

test("cat gives the bytes of the store's image and of a file, all or a part", async () => {
  assert((await cat("lab")).equals(golden));
  assert((await cat(path("golden.raw"))).equals(golden));
  assert.deepEqual(await cat("lab:1", "--offset", "65000", "--length", "1000"), golden.subarray(65000, 66000));
  assert.deepEqual(await cat("lab", "--offset", String(golden.length - 5)), golden.subarray(-5));
  assert.equal((await cat("lab", "--offset", String(golden.length))).length, 0);
});

test("cat into a file, into a reader that leaves early, beyond the end, onto a terminal", async () => {
  const bash = (line: string) =>
    execFileSync("bash", ["-o", "pipefail", "-c", line], {
      env: { ...clean(), MAIN: main, NODE: process.execPath, DATA: path("data") },
      encoding: "utf8",
    });
  const command = '"$NODE" "$MAIN" image cat lab --data-dir "$DATA"';
  bash(`${command} > '${path("out.raw")}'`);
  assert(readFileSync(path("out.raw")).equals(golden));
  assert.equal(
    bash(`${command} | head -c 1000 | sha256sum`).slice(0, 64),
    createHash("sha256").update(golden.subarray(0, 1000)).digest("hex"),
  );
  const beyond = await bootcast(["image", "cat", "lab", "--offset", "1", "--length", String(golden.length), ...data]);
  assert.deepEqual([beyond.code, beyond.stdout, /USAGE/.test(beyond.stderr)], [2, "", true]);
  const terminal = spawn(
    "script",
    ["-qec", `'${process.execPath}' '${main}' image cat lab --data-dir '${path("data")}'`, "/dev/null"],
    { env: clean() },
  );
  const { code, stdout } = await ended(terminal);
  assert.deepEqual([code, /not written to the terminal/.test(stdout)], [2, true]);
});

test("cat ends at once when it is told to, though nobody reads its pipe", async () => {
  const child = start(["cat", path("endless.raw")]);
  const end = new Promise<number | null>((resolve) => child.once("exit", resolve));
  await new Promise((resolve) => child.stdout.once("readable", resolve));
  child.kill("SIGTERM");
  assert.equal(await end, 130);
  child.stdout.destroy();
});
execFileSync("truncate", ["-s", "1T", path("endless.raw")]);

test("mount shows a disk that qemu-img reads, and leaves nothing when it ends", async () => {
  mkdirSync(path("tmp"));
  const child = start(["mount", "lab", "--json"], { TMPDIR: path("tmp") });
  const end = ended(child);
  const line = await new Promise<string>((resolve) => child.stdout.once("data", (chunk) => resolve(String(chunk))));
  const { image, diskBytes, uri } = JSON.parse(line) as { image: string; diskBytes: number; uri: string };
  assert.deepEqual([image, diskBytes], ["lab:1", golden.length]);
  execFileSync("qemu-img", ["convert", "-f", "raw", "-O", "raw", uri, path("mounted.raw")]);
  assert(readFileSync(path("mounted.raw")).equals(golden));
  child.kill("SIGINT");
  const { code, stderr } = await end;
  assert.deepEqual([code, stderr], [0, ""]);
  assert.deepEqual(readdirSync(path("tmp")), []);
});

test("mount on a socket of that name says how to connect, and a taken one is refused", async () => {
  const socket = path("my disk");
  const child = start(["mount", path("golden.raw"), "--listen", socket]);
  const end = ended(child);
  const text = await new Promise<string>((resolve) => child.stdout.once("data", (chunk) => resolve(String(chunk))));
  assert.match(text, /nbd-client -unix '.*\/my disk' \/dev\/nbd0\n/);
  const uri = /qemu-img info (\S+)/.exec(text)![1]!;
  assert.match(
    execFileSync("qemu-img", ["info", uri.replaceAll("'", "")], { encoding: "utf8" }),
    /virtual size: 4\.38 MiB/,
  );
  const second = await bootcast(["image", "mount", "lab", "--listen", socket, ...data]);
  assert.deepEqual([second.code, /NBD_PLACE_TAKEN/.test(second.stderr)], [1, true]);
  child.kill("SIGTERM");
  assert.equal((await end).code, 0);
  assert.equal(existsSync(socket), false);
});
