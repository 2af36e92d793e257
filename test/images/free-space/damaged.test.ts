import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { CELL_BYTES } from "../../../images/cell.ts";
import { FILE_SYSTEM_PROBE_BYTES, fileSystemOf } from "../../../images/file-system.ts";
import { findPageFiles, readFreeSpace } from "../../../images/free-space/read.ts";
import { Implausible, Volume } from "../../../images/free-space/volume.ts";
import type { DiskLayout } from "../../../images/partition-table.ts";
import { findUnusedCells } from "../../../images/unused-cells.ts";
import { hfsPlusVolume } from "../../../scripts/golden/hfsplus.ts";
import { MemoryDisk } from "../memory.ts";
import { btrfs, makeVolume, volumeKinds } from "./made-volumes.ts";

function layoutOf(fileSystem: string, sizeBytes: number): DiskLayout {
  const partitions = [{ number: 1, startBytes: 0, sizeBytes, type: "83", label: "", fileSystem }];
  return { scheme: "mbr", sectorBytes: 512, partitions, tableRanges: [], warnings: [] };
}

const names = ["ext4", "vfat", "exfat", "ntfs", "hfsplus", "xfs", "btrfs", "swap", "apfs", ""];

test("any bytes as any file system: kept, or free inside of the disk", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...names),
      fc.uint8Array({ maxLength: 5000 }),
      fc.nat(300),
      async (name, bytes, cells) => {
        const disk = new MemoryDisk(new Uint8Array(Math.max(1, bytes.length + cells * 1000)));
        disk.bytes.set(bytes);
        const { count } = await findUnusedCells(disk, layoutOf(name, disk.sizeBytes), { skipPageFiles: true });
        assert(count * CELL_BYTES <= disk.sizeBytes);
      },
    ),
    { numRuns: 300 },
  );
});

test("nothing at all is a file system of any kind", async () => {
  for (const name of names) {
    const disk = new MemoryDisk(new Uint8Array(1));
    assert.equal((await findUnusedCells(disk, layoutOf(name, 1))).count, 0);
  }
});

const hfs = {
  name: "HFS Plus",
  skip: false as const,
  bytes: () =>
    Buffer.from(
      hfsPlusVolume({
        sizeBytes: 8 << 20,
        name: "Mac",
        dateSeconds: 1_100_000_000,
        volumeId: new Uint8Array(8),
        blessed: "",
        entries: [
          { path: "/private/var/vm/sleepimage", content: "z".repeat(500_000) },
          { path: "/a", content: "a" },
        ],
      }),
    ),
};
const made = [...volumeKinds, btrfs].map((kind) => ({
  name: kind.name,
  skip: kind.skip,
  bytes: () => {
    const directory = mkdtempSync(join(tmpdir(), "bootcast-"));
    try {
      makeVolume(kind, join(directory, "volume"), 1 << 20, 1 << 20);
      return readFileSync(join(directory, "volume"));
    } finally {
      rmSync(directory, { recursive: true });
    }
  },
}));

/** One of each family is enough: the others differ in numbers only. */
const families = [
  hfs,
  ...["ext4", "FAT12", "FAT32", "NTFS (-c 4096", "exFAT", "XFS (-b size=4096", "btrfs"].map(
    (name) => made.find((one) => one.name.startsWith(name))!,
  ),
];

for (const { name, skip, bytes } of families) {
  test(`${name}: cut anywhere or changed anywhere it is kept, or read inside of itself`, { skip }, async () => {
    const original = bytes();
    const fileSystem = fileSystemOf(original.subarray(0, FILE_SYSTEM_PROBE_BYTES));
    const touched = await bytesRead(fileSystem, original);
    const attempt = async (volume: Uint8Array) => {
      const disk = new MemoryDisk(volume);
      const { count } = await findUnusedCells(disk, layoutOf(fileSystem, disk.sizeBytes), { skipPageFiles: true });
      assert(count * CELL_BYTES <= disk.sizeBytes);
    };
    for (const { at, length } of touched)
      for (const cut of [at, at + 1, at + length - 1, at + length])
        if (cut > 0 && cut < original.length) await attempt(original.subarray(0, cut));
    const change = fc.record({ read: fc.nat(), at: fc.nat(), byte: fc.constantFrom(0, 1, 2, 0x7f, 0x80, 0xfe, 0xff) });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
        const places = changes.map(({ read, at, byte }) => {
          const place = touched[read % touched.length]!;
          // Headers matter most: they are at the front of what is read.
          const offset = place.at + (at % Math.min(place.length, 512));
          return { offset, before: original[offset]!, byte };
        });
        for (const { offset, byte } of places) original[offset] = byte;
        await attempt(original);
        for (const { offset, before } of places.reverse()) original[offset] = before;
      }),
      { numRuns: 150 },
    );
  });
}

/** Where the readers look. */
async function bytesRead(fileSystem: string, bytes: Uint8Array): Promise<{ at: number; length: number }[]> {
  const touched: { at: number; length: number }[] = [];
  const disk = new MemoryDisk(bytes);
  const source = {
    sizeBytes: disk.sizeBytes,
    read: (at: number, length: number) => {
      if (length > 0 && touched.length < 64) touched.push({ at, length });
      return disk.read(at, length);
    },
  };
  const volume = new Volume(source, 0, source.sizeBytes);
  try {
    const free = await readFreeSpace(fileSystem, volume);
    if (free.state === "known") for await (const _ of free.ranges);
    await findPageFiles(fileSystem, volume);
  } catch (error) {
    if (!(error instanceof Implausible)) throw error;
  }
  return touched;
}

test("a small file that claims to be enormous costs nothing", async () => {
  // A disk of 16 EiB on paper, of which only the first 100 bytes hold anything.
  const huge = {
    sizeBytes: Number.MAX_SAFE_INTEGER - 65536,
    read: async (_: number, length: number) => new Uint8Array(length).fill(0xff),
  };
  const before = process.memoryUsage().arrayBuffers;
  for (const name of names) {
    const volume = new Volume(huge, 0, huge.sizeBytes);
    try {
      const free = await readFreeSpace(name, volume);
      assert(free.state !== "known" || name === "swap");
    } catch (error) {
      assert(error instanceof Implausible);
    }
  }
  assert(process.memoryUsage().arrayBuffers - before < 64 << 20);
});
