import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { Fault } from "../../fault.ts";
import { CELL_BYTES, CELLS_PER_PACK, cellId } from "../../images/cell.ts";
import { decodePack, encodePack, MAX_PACK_BYTES, PACK_HEADER_BYTES, packDigest } from "../../images/pack.ts";

const full = (fill: number) => new Uint8Array(CELL_BYTES).fill(fill);
const noise = (seed: number, length = CELL_BYTES) => {
  const blocks = Array.from({ length: Math.ceil(length / 32) }, (_, block) =>
    createHash("sha256").update(`${seed} ${block}`).digest(),
  );
  return Buffer.concat(blocks).subarray(0, length);
};

// Written once by encodePack (Node 24.21, zstd 1.5.7) from two cells of 0x11 and 0x22, the second 1000 bytes long.
const golden = Buffer.from(readFileSync(new URL("../vectors/images/pack.hex", import.meta.url), "utf8").trim(), "hex");
const goldenCells = [full(0x11), full(0x22).subarray(0, 1000)];
const goldenEntry = { digest: packDigest(golden), cellIds: Buffer.concat(goldenCells.map(cellId)) };

test("the golden pack reads as the cells it was made from", () => {
  const cells = decodePack(golden, goldenEntry);
  assert.deepEqual(cells.map(Buffer.from), goldenCells.map(Buffer.from));
});

test("the header of a pack is as documented", async () => {
  const { bytes, digest } = await encodePack(goldenCells, "stored");
  const pack = Buffer.from(bytes);
  assert.equal(pack.toString("latin1", 0, 8), "bootpack");
  assert.deepEqual([pack.readUInt16BE(8), pack[10], pack[11]], [1, 0, 0]);
  const bodyBytes = CELL_BYTES + 1000;
  assert.deepEqual([pack.readUInt32BE(12), pack.readUInt32BE(16), pack.readUInt32BE(20)], [2, bodyBytes, bodyBytes]);
  assert.deepEqual(pack.subarray(24, 40), Buffer.alloc(16));
  assert.deepEqual(pack.subarray(40, 104), goldenEntry.cellIds);
  assert.equal(pack.length, 104 + bodyBytes);
  assert.equal(digest, createHash("sha256").update(pack).digest("hex"));
});

test("a pack of any cells comes back, with either codec", async () => {
  const cell = fc.oneof(
    fc.integer({ min: 0, max: 255 }).map(full),
    fc.integer().map((seed) => noise(seed)),
  );
  const cells = fc.array(cell, { minLength: 1, maxLength: CELLS_PER_PACK });
  const lastBytes = fc.integer({ min: 1, max: CELL_BYTES });
  await fc.assert(
    fc.asyncProperty(cells, lastBytes, fc.constantFrom("stored", "zstd"), async (whole, length, codec) => {
      const given = [...whole.slice(0, -1), whole.at(-1)!.subarray(0, length)];
      const pack = await encodePack(given, codec as "stored" | "zstd");
      assert(pack.bytes.length <= MAX_PACK_BYTES);
      assert.deepEqual(decodePack(pack.bytes, pack).map(Buffer.from), given.map(Buffer.from));
    }),
    { numRuns: 20 },
  );
});

test("cells that do not shrink are stored as they are", async () => {
  const { bytes } = await encodePack([noise(1)], "zstd");
  assert.equal(bytes[10], 0);
  assert.equal(bytes.length, PACK_HEADER_BYTES + 32 + CELL_BYTES);
});

test("every cut and every flipped bit of a pack is refused", () => {
  for (let cut = 0; cut < golden.length; cut += 1)
    assert.throws(() => decodePack(golden.subarray(0, cut), goldenEntry), { code: "PACK_DAMAGED" });
  for (let bit = 0; bit < golden.length * 8; bit += 1)
    assert.throws(() => decodePack(flipped(golden, bit), goldenEntry), { code: "PACK_DAMAGED" });
});

test("a pack whose digest fits but whose bytes break a rule is refused", () => {
  // The digest is made to fit, as by a signer that is out of order: only the rules are left to refuse it.
  for (let cut = 0; cut < golden.length; cut += 1) {
    const bytes = golden.subarray(0, cut);
    assert.throws(() => decodePack(bytes, { ...goldenEntry, digest: packDigest(bytes) }), { code: "PACK_INVALID" });
  }
  for (let bit = 0; bit < golden.length * 8; bit += 1) {
    const bytes = flipped(golden, bit);
    try {
      // A zstd frame has bits that change nothing; then the cells are the right ones, too.
      const cells = decodePack(bytes, { ...goldenEntry, digest: packDigest(bytes) });
      assert.deepEqual(cells.map(Buffer.from), goldenCells.map(Buffer.from));
    } catch (error) {
      assert(error instanceof Fault && error.code === "PACK_INVALID", String(error));
    }
  }
});

test("other cells than the manifest names are refused", async () => {
  const pack = await encodePack([full(1), full(2)], "zstd");
  const swapped = Buffer.concat([pack.cellIds.subarray(32), pack.cellIds.subarray(0, 32)]);
  assert.throws(() => decodePack(pack.bytes, { ...pack, cellIds: swapped }), { code: "PACK_INVALID" });
  assert.throws(() => decodePack(pack.bytes, { ...pack, cellIds: pack.cellIds.subarray(32) }), {
    code: "PACK_INVALID",
  });
  // The right ids in front of other content.
  const forged = await encodePack([full(3), full(4)], "stored", { cellIds: pack.cellIds });
  assert.throws(() => decodePack(forged.bytes, forged), { code: "PACK_INVALID" });
});

test("a frame that grows beyond what the header says is not unpacked", () => {
  const bomb = zstdCompressSync(Buffer.alloc(64 << 20));
  const header = Buffer.alloc(PACK_HEADER_BYTES);
  header.write("bootpack", "latin1");
  header.writeUInt16BE(1, 8);
  header.writeUInt8(1, 10);
  header.writeUInt32BE(1, 12);
  header.writeUInt32BE(CELL_BYTES, 16);
  header.writeUInt32BE(bomb.length, 20);
  const cellIds = cellId(full(0));
  const bytes = Buffer.concat([header, cellIds, bomb]);
  const before = process.memoryUsage().arrayBuffers;
  assert.throws(() => decodePack(bytes, { digest: packDigest(bytes), cellIds }), { code: "PACK_INVALID" });
  assert(process.memoryUsage().arrayBuffers - before < 8 << 20);
});

test("any bytes are a pack or are refused, never anything else", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 0, max: 20 }), (bytes, cells) => {
      try {
        decodePack(bytes, { digest: packDigest(bytes), cellIds: new Uint8Array(cells * 32) });
        assert.fail("was accepted");
      } catch (error) {
        assert(error instanceof Fault, String(error));
      }
    }),
  );
});

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[bit >> 3]! ^= 1 << (bit & 7);
  return copy;
}
