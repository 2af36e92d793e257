import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fatGrowth, growFat, mostFatBytes } from "../../../images/disk-fit/fat-growth.ts";
import { fatShapeOf } from "../../../images/free-space/fat-shape.ts";
import { FileDisk, MEBIBYTE } from "./file-disk.ts";

/** Files whose clusters lie between each other, a folder of many, and one file that is empty. */
function fill(t: TestContext, volume: FileDisk, mebibytes: number): string {
  const directory = mkdtempSync(join(tmpdir(), "bootcast-fat-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const mtools = (command: string, ...args: string[]) =>
    execFileSync(command, ["-i", volume.path, ...args], { stdio: ["ignore", "ignore", "pipe"] });
  mkdirSync(join(directory, "MANY"));
  for (let file = 0; file < 60; file += 1) {
    writeFileSync(join(directory, "MANY", `a file with a long name ${file}.txt`), `${file}`.repeat(file * 37));
  }
  const large = Buffer.alloc((Math.min(mebibytes, 32) * MEBIBYTE) / 4);
  for (let at = 0; at + 32 <= large.length; at += 32) createHash("sha256").update(`${at}`).digest().copy(large, at);
  for (const [name, from] of [
    ["one.bin", 0],
    ["two.bin", 1],
  ] as const) {
    writeFileSync(join(directory, name), large.subarray(from));
  }
  writeFileSync(join(directory, "empty"), "");
  writeFileSync(join(directory, "hole.tmp"), Buffer.alloc(100_000, 1));
  mtools("mcopy", join(directory, "hole.tmp"), "::/hole.tmp");
  mtools("mcopy", "-s", join(directory, "MANY"), join(directory, "empty"), join(directory, "one.bin"), "::/");
  // What comes now begins in a hole.
  mtools("mdel", "::/hole.tmp");
  rmSync(join(directory, "hole.tmp"));
  mtools("mcopy", join(directory, "two.bin"), "::/two.bin");
  return directory;
}

/** Every file of the volume, as it was put in. */
function assertHolds(volume: FileDisk, directory: string): void {
  const out = mkdtempSync(join(tmpdir(), "bootcast-fat-"));
  try {
    execFileSync("mcopy", ["-s", "-i", volume.path, "::/*", out], { stdio: ["ignore", "ignore", "pipe"] });
    const all = (root: string) => readdirSync(root, { recursive: true, encoding: "utf8" }).sort();
    assert.deepEqual(all(out), all(directory));
    for (const path of all(directory)) {
      if (path === "MANY") continue;
      assert(readFileSync(join(out, path)).equals(readFileSync(join(directory, path))), path);
    }
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}

for (const { name, args, mebibytes, grown } of [
  { name: "FAT12", args: ["-F", "12", "-s", "4"], mebibytes: 4, grown: 7 },
  { name: "FAT12 to all that it can count", args: ["-F", "12", "-s", "1"], mebibytes: 1, grown: 40 },
  { name: "FAT16", args: ["-F", "16", "-s", "2"], mebibytes: 16, grown: 60 },
  { name: "FAT16 with one table", args: ["-F", "16", "-s", "8", "-f", "1"], mebibytes: 40, grown: 200 },
  { name: "FAT32", args: ["-F", "32", "-s", "1"], mebibytes: 40, grown: 500 },
  { name: "FAT32, large clusters", args: ["-F", "32", "-s", "8"], mebibytes: 300, grown: 4000 },
  { name: "FAT32, sectors of 4096 bytes", args: ["-F", "32", "-s", "1", "-S", "4096"], mebibytes: 300, grown: 2000 },
]) {
  test(`${name}: grows with every file in it, judged by fsck.fat and mtools`, async (t) => {
    const volume = FileDisk.make(t, mebibytes);
    execFileSync("mkfs.fat", ["-n", "FILES", "-i", "1a2b3c4d", ...args, volume.path], { stdio: "ignore" });
    const directory = fill(t, volume, mebibytes);
    const before = fatShapeOf(Buffer.from(await volume.read(0, 512)), volume.sizeBytes);
    volume.grow(grown);
    // What was on the disk before is not zero.
    await volume.write(mebibytes * MEBIBYTE, Buffer.alloc(Math.min(16, grown - mebibytes) * MEBIBYTE, 0xa5));
    await growFat(volume, volume.sizeBytes);
    assert.match(volume.said("fsck.fat", "-n", "-v"), /clusters/);
    assertHolds(volume, directory);
    const after = fatShapeOf(Buffer.from(await volume.read(0, 512)), volume.sizeBytes);
    assert.equal(after.bits, before.bits);
    const limit = Math.min(volume.sizeBytes, mostFatBytes(before));
    assert(limit - after.sectors * after.sectorBytes < 2 * MEBIBYTE, "nearly all of it is used");
    assert.equal((after.dataAt - before.dataAt) % before.clusterBytes, 0, "clusters lie as they did");
    // Writing to it works: new clusters are found behind the old ones.
    execFileSync("mcopy", ["-i", volume.path, join(directory, "one.bin"), "::/three.bin"], { stdio: "ignore" });
    volume.said("fsck.fat", "-n");
    const again = fatGrowth(after, volume.sizeBytes);
    assert(again.sectors - after.sectors <= after.clusterSectors, "there is nothing more to gain");
  });
}

test("a power cut on the way leaves a sound volume, or none at all", async (t) => {
  const volume = FileDisk.make(t, 16);
  execFileSync("mkfs.fat", ["-F", "16", "-s", "2", volume.path], { stdio: "ignore" });
  const directory = fill(t, volume, 16);
  const image = readFileSync(volume.path);
  const cutAfter = async (count: number) => {
    writeFileSync(volume.path, image);
    volume.grow(60);
    let left = count;
    const cut = new Error("cut");
    const target = {
      sizeBytes: volume.sizeBytes,
      read: (at: number, length: number) => volume.read(at, length),
      flush: () => volume.flush(),
      async write(at: number, bytes: Uint8Array) {
        if (left === 0) throw cut;
        left -= 1;
        await volume.write(at, bytes);
      },
    };
    await growFat(target, volume.sizeBytes).catch((error: unknown) => assert.equal(error, cut));
    return left === 0;
  };
  let seen = { sound: 0, none: 0 };
  for (let count = 0; await cutAfter(count); count += 1) {
    const first = Buffer.from(await volume.read(0, 512));
    if (first.every((byte) => byte === 0)) {
      seen = { ...seen, none: seen.none + 1 };
      continue;
    }
    seen = { ...seen, sound: seen.sound + 1 };
    volume.said("fsck.fat", "-n");
    assertHolds(volume, directory);
  }
  assert(seen.sound >= 1 && seen.none >= 4, JSON.stringify(seen));
});
