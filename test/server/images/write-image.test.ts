import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { openImage } from "../../../server/images/open-image.ts";
import { WRITTEN_FORMATS, writeImage } from "../../../server/images/write-image.ts";
import { refuseSameFile } from "../../../server/images/write-output.ts";
import { MemoryDisk } from "../../images/memory.ts";
import { readSample, samplePath, samplesMissing } from "../../images/shared-data.ts";

const directory = mkdtempSync(join(tmpdir(), "bootcast-write-"));
after(() => rmSync(directory, { recursive: true }));
const main = join(import.meta.dirname, "../../../cli/main.ts");

/** For `skip`: why a program of Debian's packages cannot be used, or false. */
function missing(program: string): string | false {
  return spawnSync("which", [program]).status === 0 ? false : `${program} is not installed`;
}

let folders = 0;
function newFolder(): string {
  folders += 1;
  const path = join(directory, String(folders));
  mkdirSync(path);
  return path;
}

/** A volume with text, noise, single blocks and nothing, and a length that is no whole number of blocks. */
function mixedVolume(): Buffer {
  const bytes = Buffer.alloc((5 << 20) + 512 * 3);
  bytes.fill("The quick brown fox. ", 4096, 1 << 20);
  randomBytes(700_000).copy(bytes, (1 << 20) + 100_000);
  bytes[(3 << 20) + 5] = 1;
  bytes[bytes.length - 1] = 2;
  return bytes;
}

async function contentOf(path: string): Promise<Buffer> {
  const image = await openImage(path);
  try {
    await image.verify();
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < image.source.sizeBytes; at += 1 << 20)
      pieces.push(await image.source.read(at, Math.min(1 << 20, image.source.sizeBytes - at)));
    return Buffer.concat(pieces);
  } finally {
    await image.close();
  }
}

test("every format becomes every format, and the disk stays the same", async () => {
  const folder = newFolder();
  const disk = mixedVolume();
  for (const first of WRITTEN_FORMATS) {
    const path = join(folder, first);
    await writeImage({ source: new MemoryDisk(disk) }, path, { format: first });
    assert((await contentOf(path)).equals(disk), first);
    for (const second of WRITTEN_FORMATS) {
      const copy = join(folder, `${first}-${second}`);
      const image = await openImage(path);
      await writeImage(image, copy, { format: second });
      await image.close();
      assert((await contentOf(copy)).equals(disk), `${first} to ${second}`);
    }
  }
  assert.deepEqual(readFileSync(join(folder, "ulmo-sparse.bmap")), readFileSync(join(folder, "sparse.bmap")));
  assert(statSync(join(folder, "raw")).blocks * 512 < 3 << 20, "what is zero is a hole");
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.endsWith(".part")),
    [],
  );
});

const tools = { skip: missing("7zz") || missing("qemu-img") || missing("bmaptool") };

test("7zz, qemu-img and bmaptool read the same from what is written", tools, async () => {
  const folder = newFolder();
  const disk = mixedVolume();
  const disks = [disk];
  if (samplesMissing === false) disks.push(gunzipSync(readSample("hfs/gpt-disk.raw.gz")));
  for (const [number, bytes] of disks.entries()) {
    const path = (format: string) => join(folder, `${number}.${format}`);
    for (const format of ["sparse", "udzo", "ulmo"] as const)
      await writeImage({ source: new MemoryDisk(bytes) }, path(format), { format });
    for (const format of ["udzo", "ulmo"]) {
      const out = join(folder, `${number}-${format}`);
      assert.match(execFileSync("7zz", ["t", "-tdmg", path(format)], { encoding: "utf8" }), /Everything is Ok/);
      execFileSync("7zz", ["x", "-tdmg", `-o${out}`, path(format)], { stdio: "ignore" });
      const byTable = (a: string, b: string) => Number.parseInt(a, 10) - Number.parseInt(b, 10);
      const parts = readdirSync(out)
        .sort(byTable)
        .map((name) => readFileSync(join(out, name)));
      assert(Buffer.concat(parts).equals(bytes), `7zz ${format}`);
    }
    execFileSync("qemu-img", ["convert", "-f", "dmg", "-O", "raw", path("udzo"), path("qemu")], { stdio: "ignore" });
    assert(readFileSync(path("qemu")).equals(bytes), "qemu-img");
    execFileSync("bmaptool", ["copy", path("sparse"), path("bmaptool")], { stdio: "ignore" });
    assert(readFileSync(path("bmaptool")).equals(bytes), "bmaptool");
  }
});

test("every sample .dmg is converted to every format and back", { skip: samplesMissing }, async () => {
  const folder = newFolder();
  const samples = readdirSync(samplePath("dmg")).filter((name) => /^(udro|udco|udzo|udbz|ulmo)-.*\.dmg$/.test(name));
  assert(samples.length >= 8);
  for (const name of samples) {
    const disk = await contentOf(samplePath(`dmg/${name}`));
    for (const format of WRITTEN_FORMATS) {
      const image = await openImage(samplePath(`dmg/${name}`));
      await writeImage(image, join(folder, `${name}.${format}`), { format });
      await image.close();
      assert((await contentOf(join(folder, `${name}.${format}`))).equals(disk), `${name} ${format}`);
    }
  }
});

test("a name that is taken, no name, or no folder: refused, and nothing is left behind", async () => {
  const folder = newFolder();
  const source = new MemoryDisk(mixedVolume());
  const taken = join(folder, "taken.dmg");
  writeFileSync(taken, "somebody's");
  symlinkSync(join(folder, "absent"), join(folder, "link"));
  const before = readdirSync(folder);
  const refused = async (path: string, code: string, isForced = false) =>
    assert.rejects(writeImage({ source }, path, { format: "sparse", isForced }), { code }, path);
  await refused(taken, "FILE_EXISTS");
  await refused(join(folder, "link"), "FILE_EXISTS");
  await refused(join(folder, "link"), "FILE_KIND", true);
  await refused(folder, "FILE_KIND", true);
  await refused("/dev/null", "FILE_KIND", true);
  await refused(`${taken}/`, "FILE_NAME");
  await refused("", "FILE_NAME");
  await refused(join(folder, "a\0b"), "FILE_NAME");
  await refused(join(folder, "x".repeat(256)), "FILE_NAME");
  await refused(join(folder, "absent/lab.dmg"), "FOLDER_MISSING");
  await refused(join(taken, "lab.dmg"), "FOLDER_MISSING");
  assert.deepEqual(readdirSync(folder), before);
  await writeImage({ source }, taken, { format: "udzo", isForced: true });
  assert((await contentOf(taken)).equals(source.bytes));
  // The longest name that there is.
  await writeImage({ source }, join(folder, "x".repeat(255)), { format: "raw" });
});

test("a file that comes meanwhile is not replaced, and a failed reading replaces nothing", async () => {
  const folder = newFolder();
  const source = new MemoryDisk(mixedVolume());
  const path = join(folder, "lab.dmg");
  const onProgress = () => writeFileSync(path, "somebody's");
  await assert.rejects(writeImage({ source }, path, { format: "udzo", onProgress }), { code: "FILE_EXISTS" });
  const bad = { sizeBytes: source.sizeBytes, read: async () => Promise.reject(new Error("unreadable")) };
  for (const format of WRITTEN_FORMATS)
    await assert.rejects(writeImage({ source: bad }, path, { format, isForced: true }), /unreadable/);
  const signal = AbortSignal.abort(new Error("stopped"));
  await assert.rejects(writeImage({ source }, path, { format: "ulmo", isForced: true, signal }), /stopped/);
  assert.equal(readFileSync(path, "utf8"), "somebody's");
  assert.deepEqual(readdirSync(folder), ["lab.dmg"]);
});

test("what is read is not written", async () => {
  const folder = newFolder();
  const path = join(folder, "a.raw");
  writeFileSync(path, "x");
  symlinkSync(path, join(folder, "link"));
  mkdirSync(join(folder, "lab.sparsebundle"));
  await assert.rejects(refuseSameFile(path, path), { code: "SAME_FILE" });
  await assert.rejects(refuseSameFile(path, join(folder, "link")), { code: "SAME_FILE" });
  const bundle = join(folder, "lab.sparsebundle");
  await assert.rejects(refuseSameFile(bundle, join(bundle, "out.raw")), { code: "SAME_FILE" });
  await refuseSameFile(path, join(folder, "b.raw"));
  await refuseSameFile(bundle, join(folder, "b.raw"));
});

test("Ctrl-C while it writes: exit code 130, no file, no part of one", async () => {
  const folder = newFolder();
  const input = join(directory, "noise.raw");
  writeFileSync(input, randomBytes(48 << 20));
  const child = spawn(
    process.execPath,
    [main, "image", "convert", input, join(folder, "out.dmg"), "--format", "ulmo"],
    {
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  const ended = once(child, "exit");
  const isWriting = () => readdirSync(folder).some((name) => statSync(join(folder, name)).size > 0);
  while (!isWriting() && child.exitCode === null) await sleep(10);
  child.kill("SIGINT");
  let said = "";
  for await (const piece of child.stderr) said += piece;
  assert.deepEqual(await ended, [130, null], said);
  assert.match(said, /no file was made\. \[INTERRUPTED\]/);
  assert.deepEqual(readdirSync(folder), []);
});

const cannotMount = process.getuid?.() === 0 ? missing("unshare") : "only root can make a small disk";

test("a full disk is said, and nothing is left on it", { skip: cannotMount }, async () => {
  const input = join(directory, "large.raw");
  writeFileSync(input, randomBytes(6 << 20));
  const small = newFolder();
  for (const format of WRITTEN_FORMATS) {
    // A disk of two MiB in a mount namespace of its own, which goes with the process.
    const script = `mount -t tmpfs -o size=2m none "$1" && "$2" "$3" image convert "$4" "$1/out" --format "$5"; echo "exit $?"; ls -A "$1"`;
    const words = ["-m", "sh", "-c", script, "sh", small, process.execPath, main, input, format];
    const { stdout, stderr } = spawnSync("unshare", words, { encoding: "utf8" });
    assert.match(stderr, /There is no room for .*removed\. \[DISK_FULL\]/);
    assert.equal(stdout, "exit 1\n", format);
  }
  assert(!existsSync(join(small, "out")));
});

test("the command says what it made, refuses the file itself, and needs --force to replace", () => {
  const folder = newFolder();
  const disk = mixedVolume();
  const input = join(folder, "in.raw");
  const output = join(folder, "out.dmg");
  writeFileSync(input, disk);
  const convert = (...words: string[]) =>
    spawnSync(process.execPath, [main, "image", "convert", ...words], { encoding: "utf8" });
  const made = convert(input, output, "--format", "udzo", "--json");
  assert.equal(made.status, 0, made.stderr);
  const { sourceFormat, format, diskBytes, file } = JSON.parse(made.stdout);
  assert.deepEqual([sourceFormat, format, diskBytes, file], ["raw", "udzo", disk.length, output]);
  assert.match(convert(input, output, "--format", "udzo").stderr, /\[FILE_EXISTS\]/);
  assert.match(convert(input, input, "--force").stderr, /\[SAME_FILE\]/);
  // The map that is written beside would replace the source.
  const named = join(folder, "copy.raw.bmap");
  writeFileSync(named, disk);
  assert.match(convert(named, join(folder, "copy.raw"), "--format", "sparse", "--force").stderr, /\[SAME_FILE\]/);
  assert(readFileSync(named).equals(disk));
  assert.equal(convert(output, join(folder, "back.raw"), "--force").status, 0);
  assert(readFileSync(join(folder, "back.raw")).equals(disk));
  assert.equal(convert(input, output, "--format", "udrw").status, 2);
});
