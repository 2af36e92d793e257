import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pino } from "pino";
import type { Disk } from "../../../agent/contract.ts";
import { eraseDisk, samplesAreZero, wipeEnds } from "../../../agent/disk/erase.ts";
import { DiskSource } from "../../../agent/disk/source.ts";
import { DiskTarget } from "../../../agent/disk/target.ts";
import { verifyDisk } from "../../../agent/disk/verify-disk.ts";
import type { Tools } from "../../../agent/machine/tools.ts";
import { Fault } from "../../../fault.ts";
import { CELL_BYTES } from "../../../images/cell.ts";
import { CellMapBuilder } from "../../../images/cell-map.ts";
import { type Manifest, rootOf } from "../../../images/manifest.ts";
import { encodePack } from "../../../images/pack.ts";
import { PackTable } from "../../../images/pack-table.ts";
import { fakeClock } from "../fake-clock.ts";
import { treeFiles } from "../machine/machine-tree.ts";

const MIB = 1024 * 1024;
const log = pino({ level: "silent" });

/** A file that plays the disk. */
function diskFile(t: { after(end: () => void): void }, bytes: Uint8Array): Disk {
  const directory = mkdtempSync(join(tmpdir(), "bootcast-disk-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, "vda");
  // On the disk itself, as a disk's content is: past the kernel's memory, each write would have to wait for that.
  writeFileSync(path, bytes, { flush: true });
  return {
    path,
    sizeBytes: bytes.length,
    sectorBytes: 512,
    model: "",
    serial: "",
    wwn: "",
    transport: "virtio",
    isRemovable: false,
    isReadOnly: false,
    usedBy: [],
  };
}

function recordingTools(act: (words: readonly string[]) => void = () => undefined): Tools & { ran: string[] } {
  const ran: string[] = [];
  return {
    ran,
    async run(command, args) {
      ran.push([command, ...args].join(" "));
      act([command, ...args]);
      return "";
    },
  };
}

test("a disk that was not opened cannot be written to", async (t) => {
  const target = new DiskTarget(diskFile(t, Buffer.alloc(4096)));
  await assert.rejects(target.write(0, Buffer.alloc(1)), { name: "AssertionError", message: /nobody ordered/ });
  await assert.rejects(target.flush(), { name: "AssertionError" });
  await target.close();
});

test("what is written is there after closing; nothing goes past the end", async (t) => {
  const disk = diskFile(t, Buffer.alloc(8192));
  const target = new DiskTarget(disk);
  await target.open();
  await Promise.all([target.write(0, Buffer.from("head")), target.write(8188, Buffer.from("tail")), target.flush()]);
  await assert.rejects(target.write(8190, Buffer.from("tail")), { name: "AssertionError" });
  await assert.rejects(target.write(-1, Buffer.from("x")), { name: "AssertionError" });
  assert.equal(Buffer.from(await target.read(8188, 4)).toString(), "tail");
  await target.close();
  await target.close();
  const now = readFileSync(disk.path);
  assert.equal(now.subarray(0, 4).toString() + now.subarray(8188).toString(), "headtail");
  await assert.rejects(target.write(0, Buffer.alloc(1)), { name: "AssertionError" });
});

test("many writes at once, with flushes between, all arrive", async (t) => {
  const cells = 1200;
  const disk = diskFile(t, Buffer.alloc(cells * CELL_BYTES));
  const target = new DiskTarget(disk);
  await target.open();
  const content = Buffer.alloc(CELL_BYTES, 7);
  await Promise.all(Array.from({ length: cells }, (_, cell) => target.write(cell * CELL_BYTES, content)));
  await target.close();
  const expected = createHash("sha256")
    .update(Buffer.alloc(cells * CELL_BYTES, 7))
    .digest("hex");
  assert.equal(createHash("sha256").update(readFileSync(disk.path)).digest("hex"), expected);
});

test("a disk that is not there or smaller than it said", async (t) => {
  const disk = diskFile(t, Buffer.alloc(512));
  await assert.rejects(new DiskTarget({ path: `${disk.path}-none`, sizeBytes: 1 }).open(), { code: "DISK_BUSY" });
  const source = await DiskSource.open({ ...disk, sizeBytes: 4096 }, recordingTools());
  await assert.rejects(source.read(0, 1024), { code: "DISK_READ" });
  await source.close();
});

test("reading back begins with forgetting what is in memory", async (t) => {
  const disk = diskFile(t, Buffer.from("content."));
  const tools = recordingTools();
  const source = await DiskSource.open(disk, tools);
  assert.deepEqual(tools.ran, [`blockdev --flushbufs ${disk.path}`]);
  assert.equal(Buffer.from(await source.read(3, 4)).toString(), "tent");
  await source.close();
});

function queue(values: Record<string, string>) {
  return treeFiles({
    files: Object.fromEntries(Object.entries(values).map(([name, value]) => [`/sys/block/vda/queue/${name}`, value])),
    links: {},
  });
}

test("erasing wipes both ends before anything else, and the middle where the device can zero itself", async (t) => {
  const disk = diskFile(t, Buffer.alloc(4 * MIB, 0xee));
  const tools = recordingTools(() => {
    const now = readFileSync(disk.path);
    assert(now.subarray(0, MIB).every((byte) => byte === 0) && now.subarray(3 * MIB).every((byte) => byte === 0));
    writeFileSync(disk.path, Buffer.alloc(4 * MIB));
  });
  const target = new DiskTarget(disk);
  await target.open();
  const files = queue({ write_zeroes_max_bytes: "4294966784\n" });
  assert.equal((await eraseDisk(disk, target, { files, tools, clock: fakeClock(), log })).isZeroed, true);
  assert.deepEqual(tools.ran, [`blkdiscard --force --zeroout --offset 0 --length ${4 * MIB} ${disk.path}`]);
  await target.close();
});

test("a device that says it zeroed itself and did not is not believed", async (t) => {
  const disk = diskFile(t, Buffer.alloc(4 * MIB, 0xee));
  const target = new DiskTarget(disk);
  await target.open();
  const files = queue({ write_zeroes_max_bytes: "1" });
  assert.equal(
    (await eraseDisk(disk, target, { files, tools: recordingTools(), clock: fakeClock(), log })).isZeroed,
    false,
  );
  await target.close();
});

test("a discard promises no zeros; a device that can do neither, or fails, is wiped at its ends", async (t) => {
  const cases: { values: Record<string, string>; act?: () => void; ran: RegExp[] }[] = [
    {
      values: { write_zeroes_max_bytes: "0", discard_max_bytes: "2147450880" },
      ran: [/^blkdiscard --force --offset 0 --length \d+ \S+$/],
    },
    { values: { write_zeroes_max_bytes: "0", discard_max_bytes: "0" }, ran: [] },
    { values: {}, ran: [] },
    { values: { write_zeroes_max_bytes: "1" }, act: () => assert.fail("refused"), ran: [/--zeroout/] },
  ];
  for (const { values, act, ran } of cases) {
    const disk = diskFile(t, Buffer.alloc(3 * MIB, 0xee));
    const target = new DiskTarget(disk);
    await target.open();
    const tools = recordingTools(act);
    const erased = await eraseDisk(disk, target, { files: queue(values), tools, clock: fakeClock(), log });
    assert.equal(erased.isZeroed, false);
    assert.equal(tools.ran.length, ran.length);
    for (const [at, pattern] of ran.entries()) assert.match(tools.ran[at] ?? "", pattern);
    await target.close();
    const now = readFileSync(disk.path);
    assert(now.subarray(0, MIB).every((byte) => byte === 0) && now.subarray(2 * MIB).every((byte) => byte === 0));
  }
});

test("a device that zeroes by writing is not waited for; one that is quick is", async (t) => {
  const small = diskFile(t, Buffer.alloc(4 * MIB));
  for (const { msPerSlice, isZeroed, slices } of [
    { msPerSlice: 10, isZeroed: true, slices: 100 },
    { msPerSlice: 8000, isZeroed: false, slices: 1 },
    { msPerSlice: 1000, isZeroed: false, slices: 4 },
  ]) {
    const clock = fakeClock();
    const tools = recordingTools(() => void clock.sleep(msPerSlice));
    const target = new DiskTarget(small);
    await target.open();
    const large = { ...small, sizeBytes: 100 * 1024 * MIB };
    const erased = await eraseDisk(large, target, { files: queue({ write_zeroes_max_bytes: "1" }), tools, clock, log });
    assert.deepEqual([erased.isZeroed, tools.ran.length], [isZeroed, slices]);
    if (isZeroed) assert.match(tools.ran.at(-1) ?? "", /--offset 106300440576 --length 1073741824 /);
    await target.close();
  }
});

test("samples see a disk that is not zero at either end or all over; tiny disks, too", async (t) => {
  for (const [bytes, expected] of [
    [Buffer.alloc(MIB), true],
    [Buffer.concat([Buffer.alloc(MIB - 1), Buffer.from([1])]), false],
    [Buffer.concat([Buffer.from([1]), Buffer.alloc(MIB)]), false],
    [Buffer.alloc(100 * 4096, 1), false],
    [Buffer.alloc(512), true],
  ] as const) {
    const target = new DiskTarget(diskFile(t, bytes));
    await target.open();
    assert.equal(await samplesAreZero(target), expected);
    await wipeEnds(target);
    await target.close();
  }
});

/** A disk of five cells: data, zero, unused, data, and a short table cell at its end. */
async function image() {
  const diskBytes = 4 * CELL_BYTES + 512;
  const content = [
    randomBytes(CELL_BYTES),
    Buffer.alloc(CELL_BYTES),
    Buffer.alloc(CELL_BYTES, 9),
    randomBytes(CELL_BYTES),
    randomBytes(512),
  ];
  const packs = [await encodePack([content[0]!, content[3]!], "zstd"), await encodePack([content[4]!], "zstd")];
  const cells = new CellMapBuilder();
  cells.data(0);
  cells.zero();
  cells.unused();
  cells.data(1);
  cells.data(2);
  const map = cells.finish();
  const table = PackTable.of(
    packs.map(({ digest, bytes, cellIds }) => ({ digest, storedBytes: bytes.length, cellIds })),
  );
  const manifest: Manifest = {
    tag: { name: "test", version: 1, builder: "", createdAtMs: 0, notes: "" },
    diskBytes,
    sectorBytes: 512,
    scheme: "gpt",
    partitions: [],
    packs: table.entries,
    cellIds: table.cellIds,
    cells: map,
    tableCells: [4],
    root: rootOf(map, table.cellIds, diskBytes),
  };
  const stored = new Map(packs.map(({ digest, bytes }) => [digest, bytes]));
  return { manifest, content, stored };
}

async function verified(
  t: { after(end: () => void): void },
  spoil: (disk: Buffer) => unknown,
  {
    isStubborn = false,
    refusals = [],
    ...patience
  }: { isStubborn?: boolean; refusals?: Fault[]; patienceMs?: number } = {},
) {
  const { manifest, content, stored } = await image();
  const bytes = Buffer.concat(content);
  spoil(bytes);
  const disk = diskFile(t, bytes);
  const writes: number[] = [];
  const percents: number[] = [];
  const waits: string[] = [];
  const run = verifyDisk(
    manifest,
    {
      openSource: () => DiskSource.open(disk, recordingTools()),
      openTarget: async () => {
        const target = new DiskTarget(disk);
        await target.open();
        return {
          sizeBytes: target.sizeBytes,
          flush: () => target.flush(),
          close: () => target.close(),
          async write(offset, part) {
            writes.push(offset / CELL_BYTES);
            if (!isStubborn) await target.write(offset, part);
          },
        };
      },
      async fetchPack({ digest }) {
        const refusal = refusals.shift();
        if (refusal !== undefined) throw refusal;
        return stored.get(digest)!;
      },
    },
    {
      signal: new AbortController().signal,
      onProgress: ({ doneBytes, totalBytes }) => void percents.push(doneBytes / totalBytes),
      onWait: (reason) => void waits.push(reason),
      ...patience,
    },
  );
  const repaired = await run.catch((error: unknown) => error as { code: string; what: string });
  return { repaired, waits, writes, percents, same: readFileSync(disk.path).equals(Buffer.concat(content)) };
}

test("verifying: a right disk is only read; unused cells may hold anything", async (t) => {
  const { repaired, writes, percents } = await verified(t, (disk) => disk.fill(0xaa, 2 * CELL_BYTES, 3 * CELL_BYTES));
  assert.deepEqual([repaired, writes, percents.at(-1)], [0, [], 1]);
});

test("verifying: wrong data, zero and table cells are written once more, the table last", async (t) => {
  const { repaired, writes, same } = await verified(t, (disk) => {
    for (const at of [0, CELL_BYTES + 5, 4 * CELL_BYTES]) disk[at]! ^= 1;
  });
  assert.deepEqual([repaired, writes, same], [3, [0, 1, 4], true]);
});

const busy = () => new Fault("UNICAST_BUSY", { what: "Others come first.", why: "They are many.", fix: "Wait." });

test("verifying: a server that sends to others first is asked again, and that is said", async (t) => {
  const spoil = (disk: Buffer) => (disk[5]! ^= 1);
  const { repaired, waits, same } = await verified(t, spoil, { refusals: [busy()] });
  assert.deepEqual([repaired, waits, same], [1, ["Others come first.", ""], true]);
});

test("verifying: a pack is not waited for without end, and another fault ends it at once", async (t) => {
  const spoil = (disk: Buffer) => (disk[5]! ^= 1);
  const late = await verified(t, spoil, { refusals: [busy()], patienceMs: 0 });
  assert.match(
    `${(late.repaired as Fault).code}: ${(late.repaired as Fault).why}`,
    /^REPAIR_MISSING: Others come first/,
  );
  const unknown = new Fault("STREAM_UNKNOWN", { what: "Gone.", why: "It ended.", fix: "Deploy again." });
  const gone = await verified(t, spoil, { refusals: [unknown] });
  assert.deepEqual([(gone.repaired as Fault).code, gone.waits], ["STREAM_UNKNOWN", []]);
});

test("verifying: a disk that stays wrong fails, with the places", async (t) => {
  const { repaired } = await verified(t, (disk) => disk.fill(1, 3 * CELL_BYTES, 3 * CELL_BYTES + 9), {
    isStubborn: true,
  });
  assert.equal((repaired as { code: string }).code, "DISK_VERIFY");
  assert.match(
    (repaired as { what: string }).what,
    new RegExp(`: 65536 bytes at byte ${3 * CELL_BYTES} \\(sector 384\\)\\.`),
  );
});
