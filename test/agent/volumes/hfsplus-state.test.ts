import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { hfsPlusRefusal } from "../../../agent/volumes/hfsplus-state.ts";
import type { BlockSource } from "../../../images/block.ts";

const BLOCK = 4096;

function source(bytes: Buffer): BlockSource {
  return {
    sizeBytes: bytes.length,
    async read(offset, length) {
      assert(offset >= 0 && offset + length <= bytes.length, "a read outside the volume");
      return bytes.subarray(offset, offset + length);
    },
  };
}

type Volume = {
  attributes?: number;
  infoBlock?: number;
  flags?: number;
  start?: bigint;
  end?: bigint;
  isIntel?: boolean;
  signature?: string;
};

/** A volume of 16 blocks as Apple TN1150 describes it: header, journal info in block 2, journal in block 3. */
function volume(changes: Volume = {}): Buffer {
  const { attributes = 0x2100, infoBlock = 2, flags = 1, start = 512n, end = 512n, isIntel = false } = changes;
  const bytes = Buffer.alloc(16 * BLOCK);
  bytes.write(changes.signature ?? "H+", 1024, "latin1");
  bytes.writeUInt16BE(4, 1026);
  bytes.writeUInt32BE(attributes, 1028);
  bytes.writeUInt32BE(infoBlock, 1036);
  bytes.writeUInt32BE(BLOCK, 1064);
  bytes.writeUInt32BE(flags, 2 * BLOCK);
  bytes.writeBigUInt64BE(BigInt(3 * BLOCK), 2 * BLOCK + 36);
  bytes.writeBigUInt64BE(BigInt(8 * BLOCK), 2 * BLOCK + 44);
  const journal = bytes.subarray(3 * BLOCK);
  if (isIntel) {
    journal.writeUInt32LE(0x4a4e4c78, 0);
    journal.writeBigUInt64LE(start, 8);
    journal.writeBigUInt64LE(end, 16);
  } else {
    journal.writeUInt32BE(0x4a4e4c78, 0);
    journal.writeBigUInt64BE(start, 8);
    journal.writeBigUInt64BE(end, 16);
  }
  return bytes;
}

const cases: { name: string; bytes: Buffer; refusal: RegExp | undefined }[] = [
  { name: "clean, no journal", bytes: volume({ attributes: 0x0100, infoBlock: 0 }), refusal: undefined },
  { name: "clean, empty journal of a PowerPC", bytes: volume(), refusal: undefined },
  { name: "clean, empty journal of an Intel Mac", bytes: volume({ isIntel: true }), refusal: undefined },
  { name: "HFSX", bytes: volume({ signature: "HX" }), refusal: undefined },
  { name: "a journal that was never begun", bytes: volume({ flags: 5, end: 9n }), refusal: undefined },
  { name: "not unmounted", bytes: volume({ attributes: 0x2000 }), refusal: /not unmounted cleanly/ },
  { name: "changes in the journal", bytes: volume({ end: 1024n }), refusal: /still holds changes/ },
  { name: "changes in an Intel journal", bytes: volume({ end: 1024n, isIntel: true }), refusal: /still holds changes/ },
  { name: "a journal elsewhere", bytes: volume({ flags: 2 }), refusal: /another disk/ },
  { name: "no journal where it should be", bytes: volume({ infoBlock: 3 }), refusal: /journal/ },
  { name: "a journal past the end", bytes: volume({ infoBlock: 1 << 30 }), refusal: /cannot be found/ },
  { name: "plain HFS", bytes: volume({ signature: "BD" }), refusal: /does not begin/ },
  { name: "cut off", bytes: volume().subarray(0, 1500), refusal: /too small/ },
];
for (const { name, bytes, refusal } of cases) {
  test(`HFS+ volume: ${name}`, async () => {
    const why = await hfsPlusRefusal(source(bytes));
    if (refusal === undefined) assert.equal(why, undefined);
    else assert.match(why ?? "", refusal);
  });
}

test("any volume is decided about, and nothing outside of it is read", async () => {
  const spoiled = fc.record({
    at: fc.nat(4 * BLOCK),
    bytes: fc.uint8Array({ maxLength: 60 }),
    length: fc.nat(16 * BLOCK),
  });
  await fc.assert(
    fc.asyncProperty(spoiled, async ({ at, bytes, length }) => {
      const all = volume();
      all.set(bytes, at);
      const why = await hfsPlusRefusal(source(all.subarray(0, length)));
      assert(why === undefined || why.length > 0);
    }),
  );
});
