import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { hasProgram, run } from "../../images/free-space/made-volumes.ts";
import { checkedVolume } from "../../images/hfs-plus/checked-volume.ts";
import { CreateRoom, inVolume, needsExt4, SECRET, write } from "./create-room.ts";

const room = new CreateRoom();

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

test("a folder becomes a clean ext4 volume as small as its content, cleaned up; the folder does not change", {
  skip: needsExt4,
}, async () => {
  const folder = room.path("golden");
  const big = Buffer.alloc(5_000_000, "all files are kept ");
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
  const { code, stdout, stderr } = await room.create(folder, "--name", "lab", "--notes", "first", "--json");
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
  const volume = await room.exported("lab", 1);
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
  assert.deepEqual(fs.readdirSync(room.work), []);
});

test("the next version of a folder shares what did not change; steps are left out by name", {
  skip: needsExt4,
}, async () => {
  const folder = room.path("twice");
  write(folder, { "etc/machine-id": "kept\n", "usr/lib/big": randomBytes(1_500_000) });
  const first = JSON.parse((await room.create(folder, "--name", "twice", "--without", "machine-id", "--json")).stdout);
  const second = JSON.parse((await room.create(folder, "--name", "twice", "--without", "machine-id", "--json")).stdout);
  assert.deepEqual([first.changes, first.tagFiles, second.version], [[], [], 2]);
  assert.equal(inVolume(await room.exported("twice", 2), "etc/machine-id"), "kept\n");
  assert(second.writtenBytes < first.writtenBytes / 2, `${second.writtenBytes} of ${first.writtenBytes}`);
});

test("a folder becomes an HFS+ volume that other programs read, without a copy; the folder does not change", async () => {
  const folder = room.path("tiger");
  const big = randomBytes(1_500_001);
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
  const { code, stdout, stderr } = await room.create(...words);
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
  const image = await room.exported("tiger", 1);
  const entries = checkedVolume(fs.readFileSync(image));
  for (const name of ["shared", "again"])
    assert.equal(entries.get(`/usr/lib/${name}`)?.content?.toString(), "one file, two names\n");
  assert(entries.get("/usr/lib/big")?.content?.equals(big));
  assert.equal(entries.get("/Applications/U\u0308ber/ gro\u00df.txt")?.content?.toString(), "umlauts\n");
  assert.equal(entries.get("/etc")?.content?.toString(), "private/etc");
  assert.equal(entries.get("/usr/empty")?.record.readUInt16BE(42), 0o100640);
  assert.equal(entries.get("/etc")!.record.readUInt16BE(56) & 0x4000, 0x4000);
  if (hasProgram("7zz")) {
    const out = room.path("unpacked");
    run("7zz", "x", "-y", `-o${out}`, image);
    const unpacked = fs.readdirSync(out, { recursive: true }) as string[];
    const file = unpacked.find((path) => path.endsWith("usr/lib/big"));
    assert(file !== undefined && fs.readFileSync(join(out, file)).equals(big), unpacked.slice(0, 20).join("\n"));
    assert.equal(unpacked.filter((path) => /Users\/ann\/File \d+$/.test(path)).length, 300);
  }
  if (hasProgram("fshfsinfo")) assert.match(run("fshfsinfo", "-H", image), /Users.ann.File 299/);
  if (hasProgram("partclone.hfsp"))
    run("partclone.hfsp", "-c", "-s", image, "-o", "/dev/null", "-L", "/dev/null", "-F");
  const again = JSON.parse((await room.create(...words, "--without", "tag-file")).stdout);
  assert(again.writtenBytes < made.writtenBytes / 2, "contents lie where they lay");
  assert.deepEqual(fs.readdirSync(room.work), []);
});

test("what HFS+ cannot hold is refused with the names", async () => {
  const folder = room.path("twins");
  write(folder, { "a/Readme": "1", "a/README": "2" });
  const { code, stderr } = await room.create(folder, "--name", "twins", "--file-system", "hfsplus");
  assert.deepEqual(
    [code, /\[NAMES_COLLIDE\]/.test(stderr), /"a\/README" and "a\/Readme"/.test(stderr)],
    [1, true, true],
    stderr,
  );
  const other = room.path("latin");
  fs.mkdirSync(other);
  fs.writeFileSync(Buffer.concat([Buffer.from(`${other}/`), Buffer.from([0xe9])]), "");
  assert.match((await room.create(other, "--name", "latin", "--file-system", "hfsplus")).stderr, /\[NAME_REFUSED\]/);
});
