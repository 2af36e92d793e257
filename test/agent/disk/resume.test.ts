import assert from "node:assert/strict";
import { test } from "node:test";
import { wipeEnds } from "../../../agent/disk/erase.ts";
import { lookAtDisk } from "../../../agent/disk/held-disk.ts";
import { wipeHeld } from "../../../agent/disk/wipe-held.ts";
import { PackWriter } from "../../../agent/stream/pack-writer.ts";
import { CELL_BYTES } from "../../../images/cell.ts";
import type { HeldCells } from "../../../images/held-cells.ts";
import type { Manifest } from "../../../images/manifest.ts";
import { decodePack } from "../../../images/pack.ts";
import type { PackReader } from "../../../images/pack-reader.ts";
import { layoutWithTable, sampleDisk, scanToMemory } from "../../images/sample-disk.ts";
import { randomOf } from "../../multicast/streams.ts";
import { CutDisk, PowerCut } from "./cut-disk.ts";

// The disk is larger than the image, so that the old table's end lies outside of it.
const MORE_BYTES = 40 * CELL_BYTES;
const never = new AbortController().signal;

/** Data, equal cells, zeros, cells that nothing uses, and a partition table at both ends. */
async function image() {
  const cells = `?${"??a0??b??c".repeat(5)}00uuu${"a??0".repeat(4)}?`;
  const disk = sampleDisk(cells.replaceAll("u", "?"));
  const isUnused = (cell: number) => cells[cell] === "u";
  const layout = layoutWithTable([0, cells.length - 1]);
  return { ...(await scanToMemory(disk, { layout, isUnused })), bytes: disk.bytes, cells };
}

type Image = { readonly manifest: Manifest; readonly reader: PackReader };

/** What a restore does to a disk, without the network. @returns bytes of the packs that came */
async function restore({ manifest, reader }: Image, disk: CutDisk, held: HeldCells | undefined): Promise<number> {
  if (held === undefined) await wipeEnds(disk);
  else await wipeHeld(held, disk);
  const writer = new PackWriter(manifest, disk, held);
  await writer.writeZeros(never);
  let storedBytes = 0;
  for (const [number, entry] of manifest.packs.entries()) {
    if (held?.holdsPack(number) === true) continue;
    await writer.write(number, decodePack(await reader.read(entry, number), entry));
    storedBytes += entry.storedBytes;
  }
  await writer.finish();
  return storedBytes;
}

/** True when the power went. */
async function isCut(work: Promise<unknown>): Promise<boolean> {
  return work.then(
    () => false,
    (error: unknown) => {
      if (error instanceof PowerCut) return true;
      throw error;
    },
  );
}

const oldByte = 0xee;

/** At every moment: with the old table nothing of the image is there yet, with the new one all of it is. */
function assertNotHalf(disk: Uint8Array, image: Uint8Array, cells: string, what: string): void {
  const first = disk.subarray(0, CELL_BYTES);
  if (Buffer.compare(first, image.subarray(0, CELL_BYTES)) === 0) {
    assertRestored(disk, image, cells, what);
    return;
  }
  if (!first.every((byte) => byte === oldByte)) return;
  assert(
    disk.every((byte) => byte === oldByte || byte === 0),
    `${what}: the old table stands before new content`,
  );
}

function assertRestored(disk: Uint8Array, image: Uint8Array, cells: string, what: string): void {
  for (const [cell, letter] of [...cells].entries()) {
    if (letter === "u") continue;
    const [from, to] = [cell * CELL_BYTES, (cell + 1) * CELL_BYTES];
    const isSame = Buffer.compare(disk.subarray(from, to), image.subarray(from, to)) === 0;
    assert(isSame, `${what}: cell ${cell} is wrong`);
  }
}

test("the power goes at every write and flush of a restore: it goes on, and only what is lacking comes again", async () => {
  const golden = await image();
  const { manifest, bytes, cells } = golden;
  const total = manifest.packs.reduce((sum, { storedBytes }) => sum + storedBytes, 0);
  const random = randomOf(20_261_122);
  const old = new Uint8Array(bytes.length + MORE_BYTES).fill(oldByte);
  const whole = new CutDisk(old, random);
  assert.equal(await restore(golden, whole, undefined), total);
  const steps = whole.steps;
  assert(steps > 40, `${steps} steps`);
  const again: number[] = [];
  for (let step = 0; step < steps; step += 1) {
    const what = `cut at step ${step}`;
    const disk = new CutDisk(old, random);
    disk.cutAt(step);
    assert(await isCut(restore(golden, disk, undefined)), what);
    assertNotHalf(disk.bytes, bytes, cells, what);
    // It goes on, and the power goes again, now and then several times.
    for (let times = 1; random() < 0.5; times += 1) {
      disk.cutAt(Math.floor(random() * steps * 0.7));
      const wasCut = await isCut(restore(golden, disk, await lookAtDisk(manifest, disk)));
      assertNotHalf(disk.bytes, bytes, cells, `${what}, and ${times} times more`);
      if (!wasCut) break;
    }
    disk.cutAt(Number.POSITIVE_INFINITY);
    const held = await lookAtDisk(manifest, disk);
    const { keptBytes, neededBytes } = held.count();
    assert.equal(await restore(golden, disk, held), neededBytes);
    again.push(neededBytes);
    assertRestored(disk.bytes, bytes, cells, what);
    assert(keptBytes >= 0 && neededBytes <= total);
    assert((await lookAtDisk(manifest, disk)).isWhole, what);
  }
  const mean = again.reduce((sum, value) => sum + value, 0) / again.length;
  assert(mean < total * 0.7, `${mean} of ${total} bytes came again`);
});

test("a delta is cut at every write: it looks like the old system or like nothing, and comes through", async () => {
  const golden = await image();
  const { manifest, bytes, cells } = golden;
  const random = randomOf(7);
  const before = Uint8Array.from(bytes);
  for (const cell of [1, 12, 30, 44]) before.fill(0x55, cell * CELL_BYTES, cell * CELL_BYTES + 9);
  const sizes = { bytes: before.length + MORE_BYTES };
  const old = new Uint8Array(sizes.bytes);
  old.set(before);
  const whole = new CutDisk(old, random);
  const held = await lookAtDisk(manifest, whole);
  await restore(golden, whole, held);
  assertRestored(whole.bytes, bytes, cells, "without a cut");
  const writtenCells = whole.writtenBytes / CELL_BYTES;
  // Four cells, the table's two, what is wiped of the free end of the disk, and the table's places in the wipe.
  assert(writtenCells <= 4 + 2 + 16 + 2 + 2, `${writtenCells} cells were written`);
  for (let step = 0; step < whole.steps; step += 1) {
    const disk = new CutDisk(old, random);
    disk.cutAt(step);
    assert(await isCut(restore(golden, disk, await lookAtDisk(manifest, disk))));
    const isOldTable = Buffer.compare(disk.bytes.subarray(0, CELL_BYTES), bytes.subarray(0, CELL_BYTES)) === 0;
    // Old and new table are the same here: as long as it stands, the old content does, or all of the new one.
    if (isOldTable && !(await lookAtDisk(manifest, disk)).isWhole) {
      assert.equal(Buffer.compare(disk.bytes.subarray(0, before.length), before), 0, `cut at step ${step}`);
    }
    disk.cutAt(Number.POSITIVE_INFINITY);
    await restore(golden, disk, await lookAtDisk(manifest, disk));
    assertRestored(disk.bytes, bytes, cells, `cut at step ${step}`);
  }
});

test("a disk that is right already is not written to at all", async () => {
  const golden = await image();
  const disk = new CutDisk(golden.bytes, Math.random);
  const held = await lookAtDisk(golden.manifest, disk);
  assert(held.isWhole);
  assert.equal(await restore(golden, disk, held), 0);
  assert.equal(disk.writtenBytes, 0);
});
