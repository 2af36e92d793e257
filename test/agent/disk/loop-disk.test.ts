import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { pino } from "pino";
import type { Disk } from "../../../agent/disk/disk.ts";
import { lookAtDisk } from "../../../agent/disk/held-disk.ts";
import { DiskSource } from "../../../agent/disk/source.ts";
import { DiskTarget } from "../../../agent/disk/target.ts";
import { eraseHeld, wipeHeld } from "../../../agent/disk/wipe-held.ts";
import { tools } from "../../../agent/machine/tools.ts";
import { PackWriter } from "../../../agent/stream/pack-writer.ts";
import { openCellThreads } from "../../../agent/threads/cell-threads.ts";
import { CELL_BYTES } from "../../../images/cell.ts";
import { decodePack } from "../../../images/pack.ts";
import { layoutWithTable, sampleDisk, scanToMemory } from "../../images/sample-disk.ts";

const log = pino({ level: "silent" });

/** A disk of the kernel's own, with such sectors; its content is a file. */
function loopDisk(t: TestContext, sizeBytes: number, sectorBytes: number) {
  const folder = mkdtempSync(join(tmpdir(), "bootcast-loop-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "disk.raw");
  writeFileSync(file, "");
  truncateSync(file, sizeBytes);
  const args = ["--find", "--show", "--sector-size", String(sectorBytes), file];
  const path = execFileSync("losetup", args, { encoding: "utf8" }).trim();
  t.after(() => execFileSync("losetup", ["--detach", path]));
  return { path, sizeBytes, sectorBytes };
}

/** As another program reads it, from the device. */
function contentOf(path: string, length: number): Buffer {
  execFileSync("blockdev", ["--flushbufs", path]);
  return execFileSync("head", ["-c", String(length), path], { maxBuffer: 2 * length });
}

for (const sectorBytes of [512, 4096]) {
  test(`a disk with sectors of ${sectorBytes} bytes is restored, spoilt in places, and mended by what differs alone`, async (t) => {
    const golden = sampleDisk(`?${"??a0?b??".repeat(20)}?`, 4096);
    const { manifest, reader } = await scanToMemory(golden, { layout: layoutWithTable([0]) });
    const disk = loopDisk(t, 16 * 1024 * 1024, sectorBytes);
    const work = await openCellThreads(log);
    t.after(() => work.close());
    const look = async () => {
      const source = await DiskSource.open(disk, tools, { isDirect: true });
      try {
        return await lookAtDisk(manifest, source, { work });
      } finally {
        await source.close();
      }
    };
    const restore = async () => {
      const held = await look();
      const target = new DiskTarget(disk);
      await target.open();
      await assert.rejects(new DiskTarget(disk).open(), { code: "DISK_BUSY" }, "it is opened alone");
      await wipeHeld(held, target);
      const writer = new PackWriter(manifest, target, held);
      await writer.writeZeros(new AbortController().signal);
      for (const [number, entry] of manifest.packs.entries()) {
        if (held.holdsPack(number)) continue;
        await writer.write(number, decodePack(await reader.read(entry, number), entry));
      }
      await writer.finish();
      await target.close();
      return held.count();
    };
    const stored = manifest.packs.reduce((sum, { storedBytes }) => sum + storedBytes, 0);
    assert.equal((await restore()).neededBytes, stored);
    assert.equal(Buffer.compare(contentOf(disk.path, golden.sizeBytes), golden.bytes), 0);
    assert((await look()).isWhole);
    for (const cell of [40, 41, 100]) {
      const spoil = [`of=${disk.path}`, "if=/dev/urandom", "bs=4096", "count=1", `seek=${cell * (CELL_BYTES / 4096)}`];
      execFileSync("dd", [...spoil, "conv=notrunc,fsync", "status=none"]);
    }
    const again = await restore();
    assert(again.neededBytes < stored / 3, `${again.neededBytes} of ${stored} bytes came again`);
    assert.equal(Buffer.compare(contentOf(disk.path, golden.sizeBytes), golden.bytes), 0);
  });
}

test("a restore that goes on leaves nothing old where all was to be zero; otherwise it touches no more than it must", async (t) => {
  const letters = "??a00?uuuu?b???";
  const golden = sampleDisk(letters.replaceAll("u", "?"));
  const isUnused = (cell: number) => letters[cell] === "u";
  const { manifest } = await scanToMemory(golden, { layout: layoutWithTable([0]), isUnused });
  for (const method of ["zeros", "quick"] as const) {
    const disk = loopDisk(t, 8 * 1024 * 1024, 512);
    execFileSync("dd", [`of=${disk.path}`, "if=/dev/urandom", "bs=1M", "count=8", "conv=fsync", "status=none"]);
    const source = await DiskSource.open(disk, tools, { isDirect: true });
    const held = await lookAtDisk(manifest, source);
    await source.close();
    const target = new DiskTarget(disk);
    await target.open();
    const traits = { model: "", serial: "S", wwn: "", isRemovable: false, isReadOnly: false, usedBy: [] };
    const own: Disk = { ...disk, ...traits, transport: "other" };
    const { signal } = new AbortController();
    const request = { disk: own, target, method, manifest, signal, onProgress: () => undefined };
    const { isZeroed } = await eraseHeld(held, request, { tools, log });
    await target.close();
    assert.equal(isZeroed, method === "zeros");
    const content = contentOf(disk.path, disk.sizeBytes);
    const isZeroAt = (from: number, to: number) => content.subarray(from, to).every((byte) => byte === 0);
    const [unused, behind] = [
      [6 * CELL_BYTES, 10 * CELL_BYTES],
      [3 * 1024 * 1024, 5 * 1024 * 1024],
    ] as const;
    assert(isZeroAt(0, CELL_BYTES), "it looks bootable");
    assert.equal(isZeroAt(...unused), true, "both lie in the first MiB here");
    assert.equal(isZeroAt(...behind), method === "zeros", `${method}, behind the image`);
  }
});
