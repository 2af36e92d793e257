import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { sealed } from "../../images/encrypted/sealed.ts";
import { hasProgram } from "../../images/free-space/made-volumes.ts";
import { readSample, samplePath, samplesMissing } from "../../images/shared-data.ts";
import { bootcast, clean, ended, root } from "../program.ts";

const directory = mkdtempSync(join(tmpdir(), "bootcast-image-file-"));
after(() => rmSync(directory, { recursive: true }));
const path = (name: string) => join(directory, name);

const disk = Buffer.alloc(1 << 20);
disk.write("H+\0\x04", 1024, "latin1");
disk.write("some content", 100_000);
writeFileSync(path("right.txt"), "right\n");
writeFileSync(path("wrong.txt"), "wrong\r\n");
writeFileSync(path("sealed.dmg"), sealed(disk, { passphrase: "right", keyBits: 256 }));
writeFileSync(path("plain.img.gz"), gzipSync(disk));

test("info names what a file is, as text and as JSON", async () => {
  const text = await bootcast(["image", "info", path("sealed.dmg"), "--passphrase-file", path("right.txt")]);
  assert.match(text.stdout, /is {10}encrypted \(AES-256\) UDRW disk image, one volume, HFS\+\n/);
  const json = await bootcast(["image", "info", path("plain.img.gz"), "--json"]);
  const { summary, diskBytes, scheme, fileSystem, layers } = JSON.parse(json.stdout) as Record<string, unknown>;
  assert.equal(summary, "raw disk image in gzip, one volume, HFS+");
  assert.deepEqual(
    [diskBytes, scheme, fileSystem, layers],
    [1 << 20, "none", "hfsplus", [{ kind: "gzip", title: "gzip" }]],
  );
});

test("info of a real one", { skip: samplesMissing }, async () => {
  writeFileSync(path("password.txt"), "password");
  const sample = samplePath("dmg/encrypted-v2-udzo-apm-hfsplus.dmg");
  const { stdout } = await bootcast(["image", "info", sample, "--passphrase-file", path("password.txt"), "--json"]);
  const { summary, partitions } = JSON.parse(stdout) as { summary: string; partitions: { fileSystem: string }[] };
  assert.equal(summary, "encrypted (AES-128) UDZO disk image, whole disk, APM, HFS+");
  assert(partitions.some(({ fileSystem }) => fileSystem === "hfsplus"));
});

test("a wrong passphrase, none, an unreadable one: each is said", async () => {
  const info = (...words: string[]) => bootcast(["image", "info", path("sealed.dmg"), ...words]);
  assert.match((await info("--passphrase-file", path("wrong.txt"))).stderr, /PASSPHRASE_WRONG/);
  assert.match((await info()).stderr, /PASSPHRASE_MISSING[\s\S]*--passphrase-file/);
  assert.match((await info("--passphrase-file", path("none.txt"))).stderr, /PASSPHRASE_UNREADABLE/);
  writeFileSync(path("empty.txt"), "\nright\n");
  assert.match((await info("--passphrase-file", path("empty.txt"))).stderr, /PASSPHRASE_UNREADABLE/);
  const both = await info("--passphrase-file", path("right.txt"), "--passphrase-fd", "3");
  assert.deepEqual([both.code, /USAGE/.test(both.stderr)], [2, true]);
});

test("a passphrase from a descriptor", async () => {
  const descriptor = openSync(path("right.txt"), "r");
  const words = [join(root, "cli/main.ts"), "image", "info", path("sealed.dmg"), "--passphrase-fd", "3"];
  const child = spawn(process.execPath, words, { env: clean(), stdio: ["pipe", "pipe", "pipe", descriptor] });
  assert.equal((await ended(child)).code, 0);
});

test("a passphrase typed at the terminal is not shown, and may be mistyped", async () => {
  const command = `'${process.execPath}' '${join(root, "cli/main.ts")}' image info '${path("sealed.dmg")}'`;
  // util-linux' script gives the command a terminal.
  const child = spawn("script", ["-qec", command, "/dev/null"], { env: clean() });
  let shown = "";
  const answers = ["wrong\r", "rigth\x7f\x7fht\r"];
  child.stdout.on("data", (chunk: Buffer) => {
    shown += String(chunk);
    const asked = shown.split("Passphrase of").length - 1;
    if (answers.length > 0 && asked > 2 - answers.length) child.stdin.write(answers.shift()!);
  });
  const code = await new Promise((resolve) => child.once("close", resolve));
  assert.equal(code, 0, shown);
  assert.match(shown, /That was not it\.[\s\S]*encrypted \(AES-256\)/);
  assert.doesNotMatch(shown, /right|wrong|rigth/);
});

test("an encrypted image is imported and restored, decrypted", async () => {
  const passphrase = ["--passphrase-file", path("right.txt")];
  const data = ["--data-dir", path("data")];
  const imported = await bootcast(["image", "import", path("sealed.dmg"), "--name", "tiger", ...passphrase, ...data]);
  assert.equal(imported.code, 0, imported.stderr);
  const exported = await bootcast(["image", "export", "tiger", path("tiger.raw"), ...data]);
  assert.equal(exported.code, 0, exported.stderr);
  assert.deepEqual(readFileSync(path("tiger.raw")), disk);
  const words = ["restore", "--source", path("sealed.dmg"), "--target", path("restored.raw"), "--erase", "--noprompt"];
  const restored = await bootcast([...words, ...passphrase, ...data]);
  assert.equal(restored.code, 0, restored.stderr);
  assert.deepEqual(readFileSync(path("restored.raw")), disk);
});

test("a partclone image is restored to the volume it was made of", { skip: samplesMissing }, async () => {
  const source = samplePath("partclone/hfsplus-tiger.pcl.gz");
  const target = path("tiger-volume.raw");
  const { code, stderr } = await bootcast(["restore", "--source", source, "--target", target, "--erase", "--noprompt"]);
  assert.equal(code, 0, stderr);
  assert.deepEqual(readFileSync(target), gunzipSync(readSample("hfs/tiger.img.gz")));
});

test("nothing is left in the folder for temporary files, not even when the process is killed", async () => {
  execFileSync("mkdir", [path("tmp")]);
  const large = Buffer.alloc(64 << 20);
  for (let at = 0; at < large.length; at += 4096) large.writeUInt32LE((at * 2654435761) % 2 ** 32, at);
  writeFileSync(path("large.img.gz"), gzipSync(large, { level: 1 }));
  const words = [join(root, "cli/main.ts"), "image", "info", path("large.img.gz")];
  const child = spawn(process.execPath, words, { env: clean({ TMPDIR: path("tmp") }) });
  // It says so before it begins.
  await new Promise((resolve) => child.stderr.once("data", resolve));
  child.kill("SIGKILL");
  await ended(child);
  assert.deepEqual(execFileSync("ls", ["-A", path("tmp")], { encoding: "utf8" }), "");
});

test("a folder is no image, and no passphrase", async () => {
  const folder = await bootcast(["image", "info", directory, "--data-dir", path("data")]);
  assert.match(folder.stderr, /\[FILE_KIND\]\n {2}why: It is a folder, and no sparse bundle/);
  const passphrase = await bootcast(["image", "info", path("sealed.dmg"), "--passphrase-file", directory]);
  assert.match(passphrase.stderr, /\[PASSPHRASE_UNREADABLE\]\n {2}why: It is a folder\./);
});

test("a part of the image that is converted is not replaced", {
  skip: hasProgram("qemu-img") ? false : "qemu-utils is not installed",
}, async () => {
  const rawDisk = path("flat.raw");
  writeFileSync(rawDisk, disk);
  execFileSync("qemu-img", [
    "convert",
    "-f",
    "raw",
    "-O",
    "vmdk",
    "-o",
    "subformat=monolithicFlat",
    rawDisk,
    path("disk.vmdk"),
  ]);
  const extent = path("disk-flat.vmdk");
  const before = readFileSync(extent);
  const { stderr } = await bootcast(["image", "convert", path("disk.vmdk"), extent, "--format", "raw", "--force"]);
  assert.match(stderr, /\[SAME_FILE\]\n {2}why: .*disk\.vmdk is made of it/);
  assert(readFileSync(extent).equals(before));
});
