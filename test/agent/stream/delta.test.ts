import assert from "node:assert/strict";
import { test } from "node:test";
import { lookAtDisk } from "../../../agent/disk/held-disk.ts";
import { wipeHeld } from "../../../agent/disk/wipe-held.ts";
import { receiveStream } from "../../../agent/stream/receive.ts";
import { CELL_BYTES } from "../../../images/cell.ts";
import type { RunningStream } from "../../../server/stream/hub.ts";
import { goldenDisk, loopback, MemoryDisk, openSite, type Site, silentLog } from "./local-stream.ts";

/** A room of one that keeps what is right on its disk. */
async function restoreRest(site: Site, stream: RunningStream, target: MemoryDisk) {
  const { manifest } = site;
  const held = await lookAtDisk(manifest, target);
  const received = await receiveStream({
    server: site.server,
    streamId: stream.streamId,
    trusted: site.trusted,
    target,
    held,
    name: "kiosk",
    interfaceAddress: loopback,
    beforeWrite: () => wipeHeld(held, target),
    log: silentLog,
  });
  return { held, received };
}

/** 12 MiB of content that does not compress, so that the stream has blocks to leave out. */
function largeDisk(): MemoryDisk {
  const disk = goldenDisk(16 * 1024 * 1024);
  let state = 7;
  for (let at = 2 * 1024 * 1024; at < 14 * 1024 * 1024; at += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    new DataView(disk.bytes.buffer, disk.bytes.byteOffset).setUint32(at, state);
  }
  return disk;
}

test("delta: only what differs is sent, received and written; the table goes first and comes last", async () => {
  const site = await openSite({ golden: largeDisk() });
  try {
    const target = new MemoryDisk(Uint8Array.from(site.golden.bytes));
    const changed = [100, 160];
    for (const cell of changed) target.bytes.fill(0x33, cell * CELL_BYTES, cell * CELL_BYTES + 100);
    // A cell of zeros that is none on the disk.
    target.bytes.fill(0x44, 15 * 1024 * 1024, 15 * 1024 * 1024 + 5);
    const stream = await site.open();
    const { held, received } = await restoreRest(site, stream, target);
    assert.equal(Buffer.compare(target.bytes, site.golden.bytes), 0);
    const stored = site.manifest.packs.reduce((sum, pack) => sum + pack.storedBytes, 0);
    const { neededBytes } = held.count();
    assert.equal(received.storedBytes, neededBytes);
    assert(neededBytes < stored * 0.25, `${neededBytes} of ${stored} bytes`);
    const { sentBytes } = stream.figures();
    assert(sentBytes < stored * 0.4, `${sentBytes} bytes were sent of ${stored}`);
    const places = target.done.flatMap((step) => (step === "flush" ? [] : [step.write / CELL_BYTES]));
    assert.deepEqual(
      [...new Set(places)].sort((a, b) => a - b),
      [0, 100, 160, 240],
      "nothing else is written",
    );
    assert.deepEqual(target.done.slice(0, 2), [{ write: 0, length: CELL_BYTES }, "flush"]);
    assert.deepEqual(target.done.slice(-3), ["flush", { write: 0, length: CELL_BYTES }, "flush"]);
  } finally {
    await site.close();
  }
});

test("delta: a disk that is right already joins, is sent nothing and written nothing", async () => {
  const site = await openSite();
  try {
    const target = new MemoryDisk(Uint8Array.from(site.golden.bytes));
    const stream = await site.open();
    const { received } = await restoreRest(site, stream, target);
    assert.equal(received.storedBytes, 0);
    assert(target.done.every((step) => step === "flush"));
    assert.deepEqual(
      stream.receivers.map(({ state }) => state),
      ["done"],
    );
  } finally {
    await site.close();
  }
});

test("delta: changes all over the disk do not make the whole of it needed", async () => {
  const site = await openSite({ golden: largeDisk() });
  try {
    const target = new MemoryDisk(Uint8Array.from(site.golden.bytes));
    // Every second pack: more runs than a map for people has.
    for (let cell = 33; cell < 220; cell += 32) target.bytes[cell * CELL_BYTES]! ^= 1;
    const stream = await site.open();
    const { held } = await restoreRest(site, stream, target);
    assert.equal(Buffer.compare(target.bytes, site.golden.bytes), 0);
    const { sentBytes } = stream.figures();
    assert(sentBytes < held.count().neededBytes * 1.6, `${sentBytes} for ${held.count().neededBytes}`);
  } finally {
    await site.close();
  }
});
