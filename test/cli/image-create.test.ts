import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { gzipSync } from "node:zlib";
import { env, hasProgram, kernelHas, run } from "../images/free-space/made-volumes.ts";
import { checkedVolume } from "../images/hfs-plus/checked-volume.ts";
import { madeVolume } from "../images/hfs-plus/made-volume.ts";
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
  assert.deepEqual([made.version, made.tagFiles, made.warnings], [1, ["var/log/bootcast-image.txt"], []]);
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
  assert.deepEqual([first.changes, first.tagFiles, second.version], [[], [], 2]);
  assert.equal(inVolume(await exported("twice:2"), "etc/machine-id"), "kept\n");
  assert(second.writtenBytes < first.writtenBytes / 2, `${second.writtenBytes} of ${first.writtenBytes}`);
});

test("a disk file becomes an image as it is, where nothing can be cleaned up or nothing shall be", async () => {
  const disk = join(directory, "disk.raw");
  fs.writeFileSync(disk, sampleDisk("?ab0ab?").bytes);
  for (const [version, words] of [[], ["--without", "caches"], ["--as-is"]].entries()) {
    const { code, stderr } = await create(disk, "--name", "disk", ...words);
    assert.equal(code, 0, stderr);
    assert(fs.readFileSync(await exported(`disk:${version + 1}`)).equals(fs.readFileSync(disk)));
  }
  const wrong = await create(disk, "--name", "disk", "--file-system", "hfsplus");
  assert.deepEqual([wrong.code, /\[USAGE\]/.test(wrong.stderr)], [2, true], wrong.stderr);
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

/** Puts volumes into one disk with an MBR, each at a MiB's edge. */
function diskOf(file: string, volumes: readonly { readonly image: string; readonly type: number }[]): number[] {
  const mbr = Buffer.alloc(512);
  mbr.writeUInt16LE(0xaa55, 510);
  const starts: number[] = [];
  let at = 1 << 20;
  for (const [index, { image, type }] of volumes.entries()) {
    const bytes = fs.readFileSync(image);
    mbr.writeUInt8(type, 446 + index * 16 + 4);
    mbr.writeUInt32LE(at / 512, 446 + index * 16 + 8);
    mbr.writeUInt32LE(bytes.length / 512, 446 + index * 16 + 12);
    const disk = fs.openSync(file, "a+");
    fs.closeSync(disk);
    const into = fs.openSync(file, "r+");
    fs.writeSync(into, bytes, 0, bytes.length, at);
    fs.closeSync(into);
    starts.push(at);
    at += Math.ceil(bytes.length / (1 << 20)) * (1 << 20);
  }
  fs.truncateSync(file, at);
  const into = fs.openSync(file, "r+");
  fs.writeSync(into, mbr, 0, 512, 0);
  fs.closeSync(into);
  return starts;
}

function partOf(disk: string, startBytes: number, lengthBytes: number): string {
  const to = `${disk}.part`;
  fs.writeFileSync(to, fs.readFileSync(disk).subarray(startBytes, startBytes + lengthBytes));
  return to;
}

test("a disk's ext4 and HFS+ volumes are cleaned up in the image only; what cannot be is told", {
  skip: needsExt4 || (!hasProgram("e2image") && "e2fsprogs is not installed"),
}, async () => {
  const folder = join(directory, "system");
  write(folder, {
    "etc/machine-id": `${SECRET}\n`,
    "etc/ssh/ssh_host_rsa_key": SECRET.repeat(500),
    "etc/hosts": "127.0.0.1\n",
    "var/log/syslog": "now\n",
    "var/log/bootcast-image.txt": "of the last time\n",
    'var/tmp/a "b" <c>/deep/<d>': SECRET,
    "home/ann/.cache/x": SECRET,
    "home/ann/keep": "kept\n",
  });
  for (let index = 0; index < 400; index += 1)
    write(folder, { [`var/cache/apt/archives/${index}.deb`]: `deb ${index} ${SECRET}` });
  const ext = join(directory, "ext.raw");
  fs.writeFileSync(ext, "");
  fs.truncateSync(ext, 16 << 20);
  // Blocks smaller than a page of the file that they are copied to.
  run("mke2fs", "-q", "-F", "-t", "ext4", "-b", "1024", "-d", folder, ext);
  const mac = join(directory, "mac.raw");
  fs.writeFileSync(
    mac,
    await madeVolume([
      {
        path: "System/Library/CoreServices/SystemVersion.plist",
        content: "<key>ProductVersion</key><string>10.4.11</string>",
      },
      { path: "Library/Caches/x", content: SECRET },
      { path: "private/var/log/system.log", content: "now" },
      { path: "etc", target: "private/etc" },
      { path: "Users/ann/keep", content: "kept\n" },
    ]),
  );
  const windows = join(directory, "windows.raw");
  const ntfs = Buffer.alloc(1 << 20);
  ntfs.write("NTFS    ", 3, "latin1");
  fs.writeFileSync(windows, ntfs);
  const disk = join(directory, "three.raw");
  const types = [0x83, 0xaf, 0x07];
  const starts = diskOf(
    disk,
    [ext, mac, windows].map((image, index) => ({ image, type: types[index]! })),
  );
  const before = fs.readFileSync(disk);
  const { code, stdout, stderr } = await create(disk, "--name", "three", "--notes", "all", "--dirty", "keep", "--json");
  assert.equal(code, 0, stderr);
  assert(before.equals(fs.readFileSync(disk)), "the source stays as it is");
  const made = JSON.parse(stdout);
  assert.deepEqual(made.tagFiles, [
    "partition 1 (ext4): var/log/bootcast-image.txt",
    "partition 2 (hfsplus): private/var/log/bootcast-image.txt",
  ]);
  assert.deepEqual(made.notPossible, ["Not possible on partition 3 (ntfs): NTFS is not written to here."]);
  const steps = Map.groupBy(made.changes as { step: string; path: string }[], ({ step }) => step);
  assert.deepEqual([...steps].map(([step, { length }]) => `${step} ${length}`).sort(), [
    "caches 402",
    "invisible-items 3",
    "machine-id 1",
    "ssh-host-keys 1",
    "temporary-files 1",
  ]);
  const image = await exported("three:1");
  assert.equal(fs.readFileSync(image).includes(SECRET), false, "nothing of what was removed is left in the image");
  const part = partOf(image, starts[0]!, 16 << 20);
  run("e2fsck", "-f", "-n", part);
  assert.deepEqual(
    [inVolume(part, "etc/machine-id"), inVolume(part, "etc/hosts"), inVolume(part, "home/ann/keep")],
    ["", "127.0.0.1\n", "kept\n"],
  );
  assert.match(inVolume(part, "var/log/bootcast-image.txt"), /^Image: {2}three\n.*Notes: {2}all\n$/s);
  assert.match(run("debugfs", "-R", "ls -l /var/tmp", part), /^[^a]*$/m);
  const entries = checkedVolume(fs.readFileSync(image).subarray(starts[1]!, starts[1]! + fs.statSync(mac).size));
  assert.equal(entries.get("/Users/ann/keep")?.content?.toString(), "kept\n");
  assert.deepEqual([entries.has("/Library/Caches/x"), entries.has("/.hidden")], [false, true]);
  // Where the image of the disk is packed, the programs of ext cannot read it.
  const packed = `${disk}.gz`;
  fs.writeFileSync(packed, gzipSync(before, { level: 1 }));
  const other = JSON.parse((await create(packed, "--name", "packed", "--dirty", "keep", "--json")).stdout);
  assert.match(other.notPossible[0], /partition 1 \(ext4\): its programs read raw disks only/);
  assert.equal(other.tagFiles.length, 1);
  assert.deepEqual(fs.readdirSync(work), []);
});

test("a folder becomes an HFS+ volume that other programs read, without a copy; the folder does not change", async () => {
  const folder = join(directory, "tiger");
  const big = randomBytes(3_000_001);
  write(folder, {
    "System/Library/CoreServices/SystemVersion.plist": "<key>ProductVersion</key><string>10.4.11</string>",
    "private/var/log/system.log": "now\n",
    "private/var/log/system.log.0.gz": "before\n",
    "private/etc/ssh_host_key": SECRET,
    "Applications/Über: groß.txt": "umlauts\n",
    "usr/lib/big": big,
    "usr/lib/shared": "one file, two names\n",
    "usr/empty": "",
  });
  fs.linkSync(join(folder, "usr/lib/shared"), join(folder, "usr/lib/again"));
  fs.symlinkSync("private/etc", join(folder, "etc"));
  fs.chmodSync(join(folder, "usr/empty"), 0o640);
  for (let index = 0; index < 300; index += 1) write(folder, { [`Users/ann/File ${index}`]: `${index}` });
  const before = stateOf(folder);
  const words = [folder, "--name", "tiger", "--file-system", "hfsplus", "--json"];
  const { code, stdout, stderr } = await create(...words);
  assert.equal(code, 0, stderr);
  assert.equal(stateOf(folder), before);
  const made = JSON.parse(stdout);
  assert.deepEqual(
    made.changes.map(({ step, path }: { step: string; path: string }) => `${step} ${path}`),
    [
      "invisible-items .hidden",
      "invisible-items etc",
      "invisible-items private",
      "ssh-host-keys private/etc/ssh_host_key",
      "rotated-logs private/var/log/system.log.0.gz",
      "invisible-items usr",
    ],
  );
  assert.deepEqual(made.tagFiles, ["private/var/log/bootcast-image.txt"]);
  // A block for each small file, the lists, and a MiB that is free.
  assert(made.diskBytes < big.length + 320 * 4096 + (2 << 20), `${made.diskBytes}`);
  const image = await exported("tiger:1");
  const entries = checkedVolume(fs.readFileSync(image));
  for (const name of ["shared", "again"])
    assert.equal(entries.get(`/usr/lib/${name}`)?.content?.toString(), "one file, two names\n");
  assert(entries.get("/usr/lib/big")?.content?.equals(big));
  assert.equal(entries.get("/Applications/U\u0308ber/ gro\u00df.txt")?.content?.toString(), "umlauts\n");
  assert.equal(entries.get("/etc")?.content?.toString(), "private/etc");
  assert.equal(entries.get("/usr/empty")?.record.readUInt16BE(42), 0o100640);
  assert.equal(entries.get("/etc")!.record.readUInt16BE(56) & 0x4000, 0x4000);
  if (hasProgram("7zz")) {
    const out = join(directory, "unpacked");
    run("7zz", "x", "-y", `-o${out}`, image);
    const unpacked = fs.readdirSync(out, { recursive: true }) as string[];
    const file = unpacked.find((path) => path.endsWith("usr/lib/big"));
    assert(file !== undefined && fs.readFileSync(join(out, file)).equals(big), unpacked.slice(0, 20).join("\n"));
    assert.equal(unpacked.filter((path) => /Users\/ann\/File \d+$/.test(path)).length, 300);
  }
  if (hasProgram("fshfsinfo")) assert.match(run("fshfsinfo", "-H", image), /Users.ann.File 299/);
  if (hasProgram("partclone.hfsp"))
    run("partclone.hfsp", "-c", "-s", image, "-o", "/dev/null", "-L", "/dev/null", "-F");
  const again = JSON.parse((await create(...words, "--without", "tag-file")).stdout);
  assert(again.writtenBytes < made.writtenBytes / 2, "contents lie where they lay");
  assert.deepEqual(fs.readdirSync(work), []);
});

test("what HFS+ cannot hold is refused with the names", async () => {
  const folder = join(directory, "twins");
  write(folder, { "a/Readme": "1", "a/README": "2" });
  const { code, stderr } = await create(folder, "--name", "twins", "--file-system", "hfsplus");
  assert.deepEqual(
    [code, /\[NAMES_COLLIDE\]/.test(stderr), /"a\/README" and "a\/Readme"/.test(stderr)],
    [1, true, true],
    stderr,
  );
  const other = join(directory, "latin");
  fs.mkdirSync(other);
  fs.writeFileSync(Buffer.concat([Buffer.from(`${other}/`), Buffer.from([0xe9])]), "");
  assert.match((await create(other, "--name", "latin", "--file-system", "hfsplus")).stderr, /\[NAME_REFUSED\]/);
});

test("--steps lists every step with what it does", async () => {
  const { code, stdout } = await create("--steps");
  assert.deepEqual([code, /^rotated-logs +Removes .*\n.*\ntag-file +Writes /s.test(stdout)], [0, true], stdout);
});
