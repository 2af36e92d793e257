import assert from "node:assert/strict";
import { test } from "node:test";
import { Hearing } from "../../../agent/stream/hearing.ts";
import { RestoreTarget } from "../../../agent/stream/restore-target.ts";
import { scan } from "../../../images/scan.ts";
import { goldenDisk, MemoryDisk } from "./local-stream.ts";

/** A reception that heard the last datagram at 0, at the given time. */
function silentSince({ nowMs, busyAt, heardAt = 0 }: { nowMs: number; busyAt: number; heardAt?: number }): Hearing {
  return new Hearing({
    receiver: { heardAt: 0, datagramsReceived: 1, fates: new Map() },
    unicast: { heardAt },
    reporter: { streamState: "ended", isServedByUnicast: false, joinedAt: 0, lastFault: undefined },
    restore: { busyAt },
    symbolBytes: 1452,
    timeoutMs: 60_000,
    arriveMs: undefined,
    now: () => nowMs,
  });
}

test("silence is counted from the last data, and from the last that the disk did", () => {
  assert.equal(silentSince({ nowMs: 60_000, busyAt: 0 }).silentMs, 60_000);
  assert.throws(() => silentSince({ nowMs: 60_000, busyAt: 0 }).checkSilence(), { code: "STREAM_SILENT" });
  assert.throws(() => silentSince({ nowMs: 90_000, busyAt: 30_000 }).checkSilence(), { code: "STREAM_SILENT" });
  silentSince({ nowMs: 90_000, busyAt: 0, heardAt: 31_000 }).checkSilence();
  // It stands still at a write, or came out of an erase of ten minutes just now: the stream had nothing to send to it.
  silentSince({ nowMs: 600_000, busyAt: 600_000 }).checkSilence();
  silentSince({ nowMs: 600_000, busyAt: 545_000 }).checkSilence();
});

test("a target is at work from the beginning of its erase's end to the end of its last write", async () => {
  const golden = goldenDisk();
  const tag = { name: "golden", version: 1, builder: "test", createdAtMs: 0, notes: "" };
  const manifest = await scan(golden, { tag, codec: "stored", onPack: async () => undefined });
  const writes: PromiseWithResolvers<void>[] = [];
  class Standing extends MemoryDisk {
    override async write(): Promise<void> {
      const write = Promise.withResolvers<void>();
      writes.push(write);
      return write.promise;
    }
  }
  const target = new Standing(new Uint8Array(manifest.diskBytes));
  const restore = new RestoreTarget(manifest, { target, beforeWrite: async () => ({ isZeroed: true }) });
  assert.deepEqual([restore.busyAt, restore.standsMs], [0, 0]);
  const before = performance.now();
  await restore.erase();
  assert(restore.busyAt >= before, "the erase");
  assert.equal(restore.standsMs, 0);

  const began = performance.now();
  const writing = restore.write(0, Array(16).fill(new Uint8Array(65_536)));
  while (performance.now() === began) await new Promise(setImmediate);
  assert(restore.busyAt > began && restore.standsMs > 0, "it stands still");
  const failure = new Error("the cable");
  for (const write of writes) write.reject(failure);
  await assert.rejects(writing, failure);
  const ended = restore.busyAt;
  await new Promise(setImmediate);
  assert.deepEqual([restore.busyAt, restore.standsMs], [ended, 0]);
});
