import assert from "node:assert/strict";
import * as fs from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { hasProgram, run } from "../../images/free-space/made-volumes.ts";
import { checkedVolume } from "../../images/hfs-plus/checked-volume.ts";
import { madeVolume } from "../../images/hfs-plus/made-volume.ts";
import { CreateRoom, inVolume, needsExt4, SECRET, write } from "./create-room.ts";

const room = new CreateRoom();

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
  const folder = room.path("system");
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
  const ext = room.path("ext.raw");
  fs.writeFileSync(ext, "");
  fs.truncateSync(ext, 16 << 20);
  // Blocks smaller than a page of the file that they are copied to.
  run("mke2fs", "-q", "-F", "-t", "ext4", "-b", "1024", "-d", folder, ext);
  const mac = room.path("mac.raw");
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
  const windows = room.path("windows.raw");
  const ntfs = Buffer.alloc(1 << 20);
  ntfs.write("NTFS    ", 3, "latin1");
  fs.writeFileSync(windows, ntfs);
  const disk = room.path("three.raw");
  const types = [0x83, 0xaf, 0x07];
  const starts = diskOf(
    disk,
    [ext, mac, windows].map((image, index) => ({ image, type: types[index]! })),
  );
  const before = fs.readFileSync(disk);
  const { code, stdout, stderr } = await room.create(
    disk,
    "--name",
    "three",
    "--notes",
    "all",
    "--dirty",
    "keep",
    "--json",
  );
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
  const image = await room.exported("three", 1);
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
  const other = JSON.parse((await room.create(packed, "--name", "packed", "--dirty", "keep", "--json")).stdout);
  assert.match(other.notPossible[0], /partition 1 \(ext4\): its programs read raw disks only/);
  assert.equal(other.tagFiles.length, 1);
  assert.deepEqual(fs.readdirSync(room.work), []);
});
