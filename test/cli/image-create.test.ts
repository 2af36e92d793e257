import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { env, hasProgram, kernelHas, run } from "../images/free-space/made-volumes.ts";
import { sampleDisk } from "../images/sample-disk.ts";
import { bootcast } from "./program.ts";

const directory = fs.mkdtempSync(join(tmpdir(), "bootcast-create-test-"));
after(() => fs.rmSync(directory, { recursive: true }));
const work = join(directory, "work");
fs.mkdirSync(work);

const create = (...words: string[]) =>
  bootcast(["image", "create", ...words, "--data-dir", join(directory, "data")], { TMPDIR: work, PATH: env.PATH });

const needsExt4 = ["mke2fs", "resize2fs", "e2fsck", "debugfs"].every(hasProgram) ? false : "e2fsprogs is not installed";
const SECRET = "secret-of-this-machine";

function write(root: string, files: Readonly<Record<string, string | Uint8Array>>): void {
  for (const [path, content] of Object.entries(files)) {
    fs.mkdirSync(dirname(join(root, path)), { recursive: true });
    fs.writeFileSync(join(root, path), content);
  }
}

/** Every path with what it is, its rights, times and content: a source must have the same before and after. */
function stateOf(root: string): string {
  const hash = createHash("sha256");
  for (const path of (fs.readdirSync(root, { recursive: true }) as string[]).sort()) {
    const { mode, uid, gid, size, mtimeMs, ino, nlink } = fs.lstatSync(join(root, path));
    hash.update(JSON.stringify([path, mode, uid, gid, size, mtimeMs, ino, nlink]));
    if (fs.lstatSync(join(root, path)).isFile()) hash.update(fs.readFileSync(join(root, path)));
  }
  return hash.digest("hex");
}

/** A file in an ext4 volume that nobody mounts. */
function inVolume(volume: string, path: string): string {
  return execFileSync("debugfs", ["-R", `cat /${path}`, volume], {
    env,
    encoding: "utf8",
    stdio: "pipe",
    maxBuffer: 64 << 20,
  });
}

async function exported(name: string): Promise<string> {
  const to = join(directory, `${name.replace(":", "-")}.raw`);
  const { code, stderr } = await bootcast(["image", "export", name, to, "--data-dir", join(directory, "data")]);
  assert.equal(code, 0, stderr);
  return to;
}

test("a folder becomes a clean ext4 volume as small as its content, cleaned up; the folder does not change", {
  skip: needsExt4,
}, async () => {
  const folder = join(directory, "golden");
  const big = Buffer.alloc(9_000_000, "all files are kept ");
  write(folder, {
    "etc/machine-id": `${SECRET}\n`,
    "etc/ssh/ssh_host_ed25519_key": SECRET,
    "etc/ssh/sshd_config": "Port 22\n",
    "var/log/syslog": "now\n",
    "var/log/syslog.1": "before\n",
    "var/cache/apt/archives/a.deb": "deb",
    "home/ann/.local/share/Trash/files/a/b": "thrown away",
    'home/ann/a "name"\nof two lines': "kept",
    "usr/lib/big": big,
  });
  fs.linkSync(join(folder, "usr/lib/big"), join(folder, "usr/lib/again"));
  // It leads out of the copy: neither the clean-up nor the tag file may follow it.
  fs.symlinkSync(join(folder, "var"), join(folder, "Library"));
  fs.chmodSync(folder, 0o711);
  const before = stateOf(folder);
  const { code, stdout, stderr } = await create(folder, "--name", "lab", "--notes", "first", "--json");
  assert.equal(code, 0, stderr);
  assert.equal(stateOf(folder), before);
  const made = JSON.parse(stdout);
  assert.deepEqual([made.version, made.tagFile, made.warnings], [1, "var/log/bootcast-image.txt", []]);
  assert.deepEqual(
    made.changes.map(({ step, path }: { step: string; path: string }) => `${step} ${path}`),
    [
      "machine-id etc/machine-id",
      "ssh-host-keys etc/ssh/ssh_host_ed25519_key",
      "trash home/ann/.local/share/Trash/files/a",
      "caches var/cache/apt/archives/a.deb",
      "rotated-logs var/log/syslog.1",
    ],
  );
  // The content, 4 MiB of journal, and few blocks besides.
  assert(made.diskBytes < big.length + (6 << 20), `${made.diskBytes}`);
  const volume = await exported("lab:1");
  assert.equal(fs.statSync(volume).size, made.diskBytes);
  run("e2fsck", "-f", "-n", volume);
  assert.equal(fs.readFileSync(volume).includes(SECRET), false);
  assert.match(
    inVolume(volume, "var/log/bootcast-image.txt"),
    /^Image: {2}lab\nMade: .*\nFrom: .*golden\nNotes: {2}first\n$/s,
  );
  assert.equal(inVolume(volume, "etc/machine-id"), "");
  assert.equal(inVolume(volume, "var/log/syslog"), "now\n");
  assert(inVolume(volume, "usr/lib/again") === big.toString());
  assert.match(run("debugfs", "-R", "stat <2>", volume), /Mode: +0711/);
  assert.match(run("debugfs", "-R", "stat usr/lib/big", volume), /Links: 2/);
  assert.deepEqual(fs.readdirSync(work), []);
});

test("the next version of a folder shares what did not change; steps are left out by name", {
  skip: needsExt4,
}, async () => {
  const folder = join(directory, "twice");
  write(folder, { "etc/machine-id": "kept\n", "usr/lib/big": randomBytes(3_000_000) });
  const first = JSON.parse((await create(folder, "--name", "twice", "--without", "machine-id", "--json")).stdout);
  const second = JSON.parse((await create(folder, "--name", "twice", "--without", "machine-id", "--json")).stdout);
  assert.deepEqual([first.changes, first.tagFile, second.version], [[], undefined, 2]);
  assert.equal(inVolume(await exported("twice:2"), "etc/machine-id"), "kept\n");
  assert(second.writtenBytes < first.writtenBytes / 2, `${second.writtenBytes} of ${first.writtenBytes}`);
});

test("a disk file becomes an image as it is", async () => {
  const disk = join(directory, "disk.raw");
  fs.writeFileSync(disk, sampleDisk("?ab0ab?").bytes);
  const { code, stderr } = await create(disk, "--name", "disk");
  assert.equal(code, 0, stderr);
  assert(fs.readFileSync(await exported("disk:1")).equals(fs.readFileSync(disk)));
  const cleaned = await create(disk, "--name", "disk", "--without", "caches");
  assert.deepEqual([cleaned.code, /\[USAGE\]/.test(cleaned.stderr)], [2, true], cleaned.stderr);
});

test("a disk file that is mounted read-write is refused, with the place where", {
  skip:
    needsExt4 ||
    (process.getuid?.() !== 0 && "mounting needs root") ||
    (!kernelHas("ext4") && "this kernel has no ext4") ||
    (!fs.existsSync("/dev/loop-control") && "this machine has no loop devices"),
}, async () => {
  const volume = join(directory, "mounted.raw");
  const point = join(directory, "point");
  fs.mkdirSync(point);
  fs.writeFileSync(volume, "");
  fs.truncateSync(volume, 8 << 20);
  run("mke2fs", "-q", "-F", "-t", "ext4", volume);
  run("mount", "-o", "loop", volume, point);
  try {
    const { code, stderr } = await create(volume, "--name", "busy");
    assert.equal(code, 5, stderr);
    assert.match(stderr, /\[SOURCE_IN_USE\]\n {2}why: \/dev\/loop\d+ is mounted at .*\/point\.\n {2}fix: umount /);
  } finally {
    run("umount", point);
  }
  assert.equal((await create(volume, "--name", "busy")).code, 0);
});

test("what cannot be made an image is refused with the reason, and nothing is left behind", async () => {
  const system = await create("/", "--name", "all");
  assert.deepEqual([system.code, /\[FOLDER_REFUSED\].*running system/s.test(system.stderr)], [5, true], system.stderr);
  const around = await create(directory, "--name", "all");
  assert.match(around.stderr, /\[FOLDER_REFUSED\].*work, where its copy would be made, lies in it/s);
  assert.match((await create("/proc/self", "--name", "all")).stderr, /\[FOLDER_REFUSED\]/);
  assert.match((await create(join(directory, "none"), "--name", "all")).stderr, /\[FILE_MISSING\]/);
  assert.deepEqual([(await create(directory)).code, (await create()).code], [2, 2]);
  const wrong = await create(directory, "--name", "all", "--without", "cache");
  assert.deepEqual([wrong.code, /\[CLEAN_UP_UNKNOWN\]/.test(wrong.stderr)], [2, true]);
  assert.deepEqual(fs.readdirSync(work), []);
});

test("--steps lists every step with what it does", async () => {
  const { code, stdout } = await create("--steps");
  assert.deepEqual([code, /^rotated-logs +Removes .*\n.*\ntag-file +Writes /s.test(stdout)], [0, true], stdout);
});
