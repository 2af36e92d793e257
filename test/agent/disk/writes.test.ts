import assert from "node:assert/strict";
import type { FileHandle } from "node:fs/promises";
import { test } from "node:test";
import { diskFault, firstBadSector, placeOnDisk } from "../../../agent/disk/fault.ts";
import { DiskReads } from "../../../agent/disk/reads.ts";
import { DiskWrites } from "../../../agent/disk/writes.ts";
import type { Partition } from "../../../images/manifest.ts";
import { randomOf } from "../../multicast/streams.ts";

const SECTOR = 512;
const MIB = 1024 * 1024;

/** A handle of a disk in memory that takes its time, fails at bad sectors, and refuses what is no whole sector. */
function slowHandle(sizeBytes: number, random: () => number, bad: ReadonlySet<number> = new Set()) {
  const bytes = new Uint8Array(sizeBytes);
  const seen = { atOnce: 0, most: 0, mostBytes: 0, underWayBytes: 0, syncs: 0, underWayAtSync: -1, writes: 0 };
  const go = async (at: number, length: number, work: () => void) => {
    assert(at % SECTOR === 0 && length % SECTOR === 0, `${length} bytes at ${at}`);
    seen.atOnce += 1;
    seen.underWayBytes += length;
    seen.most = Math.max(seen.most, seen.atOnce);
    seen.mostBytes = Math.max(seen.mostBytes, seen.underWayBytes);
    for (let turns = Math.floor(random() * 5); turns >= 0; turns -= 1) await new Promise(setImmediate);
    seen.atOnce -= 1;
    seen.underWayBytes -= length;
    for (let sector = at / SECTOR; sector < (at + length) / SECTOR; sector += 1) {
      if (bad.has(sector)) throw Object.assign(new Error("EIO: i/o error"), { code: "EIO" });
    }
    work();
  };
  const handle = {
    async write(from: Uint8Array, offset: number, length: number, at: number) {
      seen.writes += 1;
      // A part is written now and then, as the kernel may.
      const part = length > SECTOR && random() < 0.2 ? Math.ceil(length / 2 / SECTOR) * SECTOR : length;
      const copy = from.slice(offset, offset + part);
      await go(at, part, () => bytes.set(copy, at));
      return { bytesWritten: part };
    },
    async read(into: Uint8Array, offset: number, length: number, at: number) {
      await go(at, length, () => into.set(bytes.subarray(at, at + length), offset));
      return { bytesRead: length };
    },
    async datasync() {
      seen.syncs += 1;
      seen.underWayAtSync = seen.atOnce;
    },
  } as unknown as FileHandle;
  return { bytes, seen, handle };
}

const partitions: Partition[] = [
  { number: 1, startBytes: MIB, sizeBytes: 4 * MIB, type: "83", label: "root", fileSystem: "ext4" },
];
const layout = { sectorBytes: SECTOR, partitions };
const faultAt = (act: "write to" | "flush", offset: number | undefined, error: unknown) =>
  diskFault(act, "/dev/vda", offset === undefined ? "" : placeOnDisk(offset, layout), error);

test("places are named by byte, sector and partition", () => {
  assert.equal(placeOnDisk(0, layout), "byte 0 (sector 0, in no partition)");
  assert.equal(
    placeOnDisk(MIB + 8192, layout),
    'byte 1056768 (sector 2064, in partition 1, ext4 "root", 8.0 KiB behind its beginning)',
  );
  assert.equal(placeOnDisk(5 * MIB, layout), "byte 5242880 (sector 10240, in no partition)");
  assert.equal(placeOnDisk(8192, { sectorBytes: 4096 }), "byte 8192 (sector 2)");
});

test("the first bad sector of a range is found by halves", async () => {
  for (const bad of [[0], [17], [99], [40, 41, 90], [99, 3]]) {
    const tried: number[] = [];
    const at = await firstBadSector(1000 * SECTOR, 100 * SECTOR, SECTOR, async (from, length) => {
      tried.push(length);
      const isBad = bad.some((sector) => {
        const place = (1000 + sector) * SECTOR;
        return place >= from && place < from + length;
      });
      if (isBad) throw new Error("EIO");
    });
    assert.equal(at, (1000 + Math.min(...bad)) * SECTOR);
    assert(tried.length <= 7, `${tried.length} tries`);
  }
});

test("any writes, several callers at once: all is there, in its order, within bounded memory", async () => {
  for (let seed = 1; seed <= 6; seed += 1) {
    const random = randomOf(seed);
    const { bytes, seen, handle } = slowHandle(8 * MIB, random);
    const writes = new DiskWrites({ handle, isDirect: true, sectorBytes: SECTOR, faultAt });
    const expected = new Uint8Array(8 * MIB);
    // Each has its own part of the disk, and writes over what it wrote before.
    const caller = async (number: number) => {
      const from = number * 2 * MIB;
      for (let round = 1; round <= 12; round += 1) {
        const at = from + Math.floor(random() * MIB);
        const length = 1 + Math.floor(random() * (2 * MIB - (at - from) - 1));
        const content = new Uint8Array(length).fill(number * 16 + round);
        expected.set(content, at);
        await writes.write(at, content);
        content.fill(0xff);
        if (random() < 0.1) await writes.flush();
      }
    };
    await Promise.all([0, 1, 2, 3].map(caller));
    await writes.flush();
    assert.equal(Buffer.compare(bytes, expected), 0, `seed ${seed}`);
    assert(seen.most <= 4 && seen.mostBytes <= 4 * MIB, `${seen.most} at once, ${seen.mostBytes} bytes`);
    assert(seen.syncs >= 1);
  }
});

test("neighbours become large writes, and what was gathered is there for whoever reads or flushes", async () => {
  const { handle, bytes, seen } = slowHandle(8 * MIB, () => 0.5);
  const writes = new DiskWrites({ handle, isDirect: true, sectorBytes: SECTOR, faultAt });
  const cell = new Uint8Array(64 * 1024).fill(7);
  for (let at = 0; at < 4 * MIB; at += cell.length) await writes.write(at, cell);
  await writes.write(6 * MIB, cell);
  await writes.flush();
  assert.deepEqual([seen.writes, seen.syncs, seen.underWayAtSync], [5, 1, 0]);
  assert(bytes.subarray(0, 4 * MIB).every((byte) => byte === 7));
  assert(bytes.subarray(6 * MIB, 6 * MIB + cell.length).every((byte) => byte === 7));
});

test("a write that fails is thrown by a later call, with its place; nothing after it is taken for written", async () => {
  const badSector = (MIB + 64 * 1024) / SECTOR;
  const { handle, seen } = slowHandle(8 * MIB, randomOf(3), new Set([badSector]));
  const writes = new DiskWrites({ handle, isDirect: true, sectorBytes: SECTOR, faultAt });
  const fault = {
    code: "DISK_WRITE",
    what: 'Could not write to /dev/vda at byte 1114112 (sector 2176, in partition 1, ext4 "root", 64.0 KiB behind its beginning).',
  };
  await assert.rejects(async () => {
    for (let at = 0; at < 8 * MIB; at += MIB) await writes.write(at, new Uint8Array(MIB));
    await writes.flush();
  }, fault);
  await assert.rejects(writes.flush(), fault);
  await assert.rejects(writes.write(0, new Uint8Array(512)), fault);
  assert.equal(seen.syncs, 0);
});

test("a write or a flush that never ends is given up, and nothing after it is taken for written", async () => {
  const never = new Promise<never>(() => {});
  const { handle } = slowHandle(8 * MIB, () => 0);
  const why = "The kernel has neither done nor refused it within 0 s.";
  const about = { isDirect: true, sectorBytes: SECTOR, faultAt, mostMs: 5 };
  const hung = new DiskWrites({ ...about, handle: { ...handle, write: () => never } });
  // More than there is memory for: who waits for some is told, too.
  const all = Array.from({ length: 8 }, (_, at) => hung.write(at * MIB, new Uint8Array(MIB)));
  const told = await Promise.allSettled(all);
  const reasons = told.flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
  assert.equal(reasons.length, 4);
  for (const reason of reasons) assert.deepEqual([reason.code, reason.why], ["DISK_WRITE", why]);
  await assert.rejects(hung.flush(), { code: "DISK_WRITE", why });
  const unflushed = new DiskWrites({ ...about, handle: { ...handle, datasync: () => never } });
  await unflushed.write(0, new Uint8Array(MIB));
  await assert.rejects(unflushed.flush(), { code: "DISK_WRITE", why });
});

test("where the kernel keeps what is written, it is told to write every few MiB", async () => {
  const { handle, seen } = slowHandle(128 * MIB, () => 0);
  const writes = new DiskWrites({ handle, isDirect: false, sectorBytes: SECTOR, faultAt });
  for (let at = 0; at < 128 * MIB; at += MIB) await writes.write(at, new Uint8Array(MIB));
  assert.equal(seen.syncs, 4);
});

test("a read that fails names the first sector, whatever memory it was read into", async () => {
  const bad = (MIB + 3 * SECTOR) / SECTOR;
  for (const length of [SECTOR * 4, 300 * 1024, 5000]) {
    const { handle } = slowHandle(8 * MIB, randomOf(length), new Set([bad, bad + 40]));
    const reads = new DiskReads({ handle, isDirect: true, path: "/dev/vda", layout });
    await assert.rejects(reads.into(MIB, new Uint8Array(length)), {
      code: "DISK_READ",
      message: /byte 1050112 \(sector 2051,/,
    });
    await reads.into(MIB + 8192 * 4, new Uint8Array(length));
  }
});

test("any part of a disk is read right", async () => {
  const random = randomOf(9);
  const { handle, bytes } = slowHandle(4 * MIB, random);
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = random() * 256;
  const reads = new DiskReads({ handle, isDirect: true, path: "/dev/vda", layout });
  const one = async () => {
    const at = Math.floor(random() * (4 * MIB - 1));
    const target = new Uint8Array(1 + Math.floor(random() * Math.min(700_000, 4 * MIB - at - 1)));
    await reads.into(at, target);
    assert.equal(Buffer.compare(target, bytes.subarray(at, at + target.length)), 0, `${target.length} at ${at}`);
  };
  for (let round = 0; round < 20; round += 1) await Promise.all([one(), one(), one()]);
});
