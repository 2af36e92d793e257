import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../../fault.ts";
import { DATA_ROLE } from "../../../images/apfs/container.ts";
import { apfsFirstBoot } from "../../../images/apfs/first-boot.ts";
import { checksumOf } from "../../../images/apfs/object.ts";
import { putFirstBootJob } from "../../../images/apfs/put-first-boot-job.ts";
import type { BlockSource } from "../../../images/block.ts";
import { readDiskLayout } from "../../../images/partition-table.ts";
import { StagedBlocks } from "../../../images/staged-blocks.ts";
import { MemoryDisk } from "../memory.ts";
import { madeContainer } from "./made-container.ts";
import { complaintsOf, contentOf, emptyContainer, NOW, save, WatchedSource, wholeOf, withFiles } from "./mkapfs.ts";

const BLOCK = 4096;
/** Too much for the room that a node has left. */
const content = Buffer.from(
  Array.from({ length: 100 }, (_, line) => createHash("sha256").update(`${line}`).digest("hex")).join("\n"),
);
const version = { path: "System/Library/CoreServices/SystemVersion.plist", content: Buffer.from("<plist/>") };
const others = Array.from({ length: 40 }, (_, index) => ({
  path: `Library/LaunchDaemons/com.example.${index}.plist`,
  content: Buffer.from("<plist/>".repeat(index)),
}));

async function put(source: BlockSource, volumeName?: string) {
  return putFirstBootJob(source, await readDiskLayout(source), { content, volumeName, now: NOW });
}

test("the job is put in once; the disk that it came from stays as it is", async (t) => {
  const disk = emptyContainer(t, "-L", "Macintosh HD");
  await save(disk, await withFiles(disk, [version, ...others]));
  const nothing = async () => assert.fail("the source is not written to");
  const locked: BlockSource & { write: unknown } = {
    sizeBytes: disk.sizeBytes,
    read: (offset, length) => disk.read(offset, length),
    write: nothing,
  };
  assert.deepEqual(await apfsFirstBoot(wholeOf(locked)), { has: "no job" });
  const { source, changed, volumeName } = await put(locked);
  assert.equal(volumeName, "Macintosh HD");
  assert.deepEqual(await apfsFirstBoot(wholeOf(source)), { has: "job" });
  assert.deepEqual(await apfsFirstBoot(wholeOf(locked)), { has: "no job" });
  assert(changed.length > 0 && changed.length < 16, `${changed.length}`);
  // By what it says that it changed, and by nothing else.
  for (const { startBytes, endBytes } of changed)
    await disk.write(startBytes, await source.read(startBytes, endBytes - startBytes));
  assert.equal(complaintsOf(disk), "");
  assert.equal(contentOf(disk, "org.bootcast.first-boot.plist"), content.toString());
  assert.deepEqual((await put(disk, "Macintosh HD")).changed, []);
  await assert.rejects(put(disk, "Other"), {
    code: "APFS_JOB_NO_SYSTEM",
    why: /"Other"; there is "Macintosh HD"/,
    fix: /--first-boot-job "Macintosh HD"/,
  });
});

const other = [{ path: "Pictures/one.jpeg", content }];
test("without a macOS on APFS there is no place for it; with two somebody says which", async (t) => {
  const disk = emptyContainer(t);
  await save(disk, await withFiles(disk, other));
  await assert.rejects(put(disk), { code: "APFS_JOB_NO_SYSTEM", why: /^No macOS was found in APFS on this disk\.$/ });
  await assert.rejects(put(new MemoryDisk(new Uint8Array(1 << 20))), { code: "APFS_JOB_NO_SYSTEM" });
  const two = madeContainer([
    { paths: [], role: 1 },
    { paths: ["Library"], role: 0x40 },
    { paths: ["Library"], role: 0x40 },
  ]);
  await assert.rejects(put(new MemoryDisk(two)), { code: "APFS_JOB_CHOICE", fix: /--first-boot-job "Macintosh HD"/ });
});

test("beside a sealed system the job lies on the volume of what changes", async (t) => {
  const disk = emptyContainer(t, "-L", "Mac - Data");
  await save(disk, await withFiles(disk, other));
  const read = new WatchedSource(disk);
  await assert.rejects(put(read), { code: "APFS_JOB_NO_SYSTEM" });
  for (const startBytes of new Set(read.looks.map((range) => range.startBytes))) {
    const block = Buffer.from(await disk.read(startBytes, BLOCK));
    if (!magics.volume(block)) continue;
    block.writeUInt16LE(DATA_ROLE, 964);
    block.writeBigUInt64LE(checksumOf(block), 0);
    await disk.write(startBytes, block);
  }
  assert.equal(complaintsOf(disk), "");
  const { source, changed, volumeName } = await put(disk);
  assert.equal(volumeName, "Mac - Data");
  for (const { startBytes, endBytes } of changed)
    await disk.write(startBytes, await source.read(startBytes, endBytes - startBytes));
  assert.equal(complaintsOf(disk), "");
  assert.deepEqual(await apfsFirstBoot(wholeOf(disk)), { has: "job" });
});

test("a Mac that was not shut down has a newer state than its first block says: that one gets the job", async (t) => {
  const disk = emptyContainer(t);
  await save(disk, await withFiles(disk, [version, ...others]));
  const current = Buffer.from(await disk.read(0, BLOCK));
  const first = Buffer.from(current);
  first.writeBigUInt64LE(0n, 16);
  // What it had of the disk is not known to anybody any more.
  first.fill(0xff, 120, 1248);
  first.writeBigUInt64LE(checksumOf(first), 0);
  await disk.write(0, first);
  assert(current.readBigUInt64LE(16) > 0n);
  const { source, changed } = await put(disk);
  assert(changed.length > 2 && changed[0]!.startBytes > 0);
  assert.deepEqual(await apfsFirstBoot(wholeOf(source)), { has: "job" });
});

type Place = "container" | "first block" | "volume" | "map" | "space" | "free";
const magics: Readonly<Record<Exclude<Place, "first block">, (block: Buffer) => boolean>> = {
  container: (block) => block.toString("latin1", 32, 36) === "NXSB",
  volume: (block) => block.toString("latin1", 32, 36) === "APSB",
  map: (block) => block.readUInt32LE(24) === 0x4000_000b && block.readUInt32LE(32) === 0,
  free: (block) => block.readUInt32LE(24) === 0x4000_0007,
  space: (block) => block.readUInt32LE(24) === 0x8000_0005,
};

/** What is changed in which block, with the checksum made right again. */
const refusals: readonly (readonly [string, Place, number, number, RegExp])[] = [
  ["FileVault", "volume", 264, 0, /^It is encrypted\.$/],
  ["being encrypted", "volume", 976, 7, /^It is encrypted\.$/],
  ["a sealed system", "volume", 56, 0x21, /^It is sealed\.$/],
  ["snapshots that are not there", "volume", 216, 1, /^Its snapshots are damaged\.$/],
  ["snapshots that nobody knows", "map", 36, 1, /^Its snapshots are damaged\.$/],
  ["going back to a snapshot", "volume", 160, 5, /put back/],
  ["a feature of tomorrow", "volume", 56, 0x401, /newer than what is known/],
  ["names as no Mac has them", "volume", 56, 0, /newer than what is known/],
  ["read-only features", "volume", 48, 1, /newer than what is known/],
  ["a full quota", "volume", 80, 1, /may not become larger/],
  ["a Fusion Drive", "container", 64, 0x102, /Fusion/],
  ["a lost state", "first block", 16, 99, /newest state is damaged/],
  ["a full disk", "space", 72, 0, /no free space/],
  ["no map of free space", "space", 64, 0, /^No part of it/],
  ["a wrong count of free blocks", "free", 60, 5, /count of free blocks is wrong/],
];
test("what cannot be changed for sure is refused, with the reason and what to do", async (t) => {
  const disk = emptyContainer(t);
  await save(disk, await withFiles(disk, [version, ...others]));
  const read = new WatchedSource(disk);
  await put(read);
  for (const [name, place, at, value, why] of refusals) {
    const changed = new StagedBlocks(disk);
    let count = 0;
    for (const startBytes of new Set(read.looks.map((range) => range.startBytes))) {
      const block = Buffer.from(await disk.read(startBytes, BLOCK));
      if (place === "first block" ? startBytes !== 0 : !magics[place](block)) continue;
      block.writeUInt32LE(value, at);
      block.writeBigUInt64LE(checksumOf(block), 0);
      await changed.write(startBytes, block);
      count += 1;
    }
    assert(count > 0, name);
    await assert.rejects(put(changed), (error) => {
      assert(error instanceof Fault, name);
      assert.match(error.why, why, name);
      assert.deepEqual([error.code, /--out FOLDER/.test(error.fix)], ["APFS_JOB_REFUSED", true], name);
      return true;
    });
  }
});

test("of a damaged disk there is a Fault, and nothing else", async (t) => {
  const disk = emptyContainer(t);
  await save(disk, await withFiles(disk, [version, ...others]));
  const read = new WatchedSource(disk);
  await put(read);
  const starts = [...new Set(read.looks.map(({ startBytes }) => startBytes))];
  const attempt = async (source: BlockSource) => {
    try {
      await put(source);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      assert.match(error.code, /^APFS_JOB_/);
    }
  };
  const damage = fc.record({
    block: fc.constantFrom(...starts),
    // Most of what means something is at the beginning.
    at: fc.oneof(fc.integer({ min: 8, max: 200 }), fc.integer({ min: 0, max: BLOCK - 1 })),
    byte: fc.integer({ min: 0, max: 255 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(damage, { minLength: 1, maxLength: 3 }), fc.boolean(), async (all, isSealed) => {
      const changed = new StagedBlocks(disk);
      for (const { block, at, byte } of all) {
        const bytes = Buffer.from(await changed.read(block, BLOCK));
        bytes[at] = byte;
        if (isSealed) bytes.writeBigUInt64LE(checksumOf(bytes), 0);
        await changed.write(block, bytes);
      }
      await attempt(changed);
    }),
    { numRuns: 100 },
  );
  for (const end of starts)
    await attempt({ sizeBytes: end + 512, read: (offset, length) => disk.read(offset, length) });
});
