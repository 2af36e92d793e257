import assert from "node:assert/strict";
import { test } from "node:test";
import { zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { Fault } from "../../fault.ts";
import { type ZstdFrame, zstdFrames } from "../../images/zstd-frames.ts";
import { MemoryDisk } from "./memory.ts";

const first = zstdCompressSync(Buffer.alloc(300_000, "abc"));
const second = zstdCompressSync(Buffer.from("short"));
const comment = Buffer.from("522a4d1804000000aabbccdd", "hex");

async function framesOf(bytes: Uint8Array) {
  const frames: ZstdFrame[] = [];
  for await (const frame of zstdFrames(new MemoryDisk(bytes))) frames.push(frame);
  return frames;
}

test("frames are found by their headers, comments passed over", async () => {
  const frames = await framesOf(Buffer.concat([comment, first, comment, second]));
  const place = (start: number, length: number) => ({ startBytes: start, endBytes: start + length });
  assert.deepEqual(
    frames.map(({ startBytes, endBytes }) => ({ startBytes, endBytes })),
    [place(12, first.length), place(24 + first.length, second.length)],
  );
  assert.deepEqual(
    frames.map(({ contentBytes }) => contentBytes),
    [300_000, 5],
  );
});

test("every cut is refused, and so is anything behind a frame", async () => {
  for (let length = 1; length < first.length; length += 1)
    await assert.rejects(framesOf(first.subarray(0, length)), { code: "ZSTD_DAMAGED" });
  await assert.rejects(framesOf(Buffer.concat([first, Buffer.from("and more")])), { code: "ZSTD_DAMAGED" });
});

test("any bytes are frames or are refused", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 100 }), async (bytes) => {
      await framesOf(Buffer.concat([Buffer.from("28b52ffd", "hex"), bytes])).catch((error: unknown) => {
        assert(error instanceof Fault, String(error));
      });
    }),
  );
});
