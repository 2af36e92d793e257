import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { PACK_FRONT_BYTES, packCellIds, packDigest } from "../../images/pack.ts";
import {
  openInto,
  openSealedFront,
  openSealedPack,
  SEAL_BYTES,
  SEALED_HEADER_BYTES,
  SEALED_TAG_BYTES,
  sealInPlace,
  sealOf,
  sealPack,
  storeKeyOf,
} from "../../images/sealed-pack.ts";
import { sampleDisk, scanToMemory } from "./sample-disk.ts";

const key = storeKeyOf(Uint8Array.from({ length: 32 }, (_, at) => at));
const other = storeKeyOf(new Uint8Array(32).fill(7));
const text = Buffer.from("golden pack");
const digest = packDigest(text);

// Made by Python's "cryptography" 48 from the rules in the comment of sealed-pack.ts.
const golden = Buffer.from(
  "626f6f747365616c000100000000000052b7c3b195e59f063484db3d789db0a6" +
    "4a6a57bac4f5f12aedd637123aa1560fe73d4dba1e394144ae5beb",
  "hex",
);

test("a sealed pack has the bytes that another implementation of the rules gives", () => {
  assert.deepEqual(Buffer.from(sealPack(digest, text, key)), golden);
  assert.deepEqual(Buffer.from(openSealedPack(digest, golden, key)), text);
  assert.equal(golden.length, text.length + SEAL_BYTES);
  assert.equal(sealOf(golden), key.id);
  assert.equal(sealOf(golden.subarray(0, SEALED_HEADER_BYTES)), key.id);
});

test("what is not sealed is told from what is", () => {
  assert.equal(sealOf(text), undefined);
  assert.equal(sealOf(golden.subarray(0, SEALED_HEADER_BYTES - 1)), undefined);
  assert.equal(sealOf(new Uint8Array()), undefined);
});

test("each bit counts, and so do every cut, the name and the key", () => {
  for (let bit = 0; bit < golden.length * 8; bit += 1) {
    const flipped = Buffer.from(golden);
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    assert.throws(() => openSealedPack(digest, flipped, key), { code: "PACK_DAMAGED" }, `bit ${bit}`);
  }
  for (let length = 0; length < golden.length; length += 1)
    assert.throws(() => openSealedPack(digest, golden.subarray(0, length), key), { code: "PACK_DAMAGED" });
  assert.throws(() => openSealedPack(digest, Buffer.concat([golden, text]), key), { code: "PACK_DAMAGED" });
  assert.throws(() => openSealedPack(packDigest(golden), golden, key), { code: "PACK_DAMAGED" });
  assert.throws(() => openSealedPack(digest, golden, other), { code: "PACK_DAMAGED" });
});

test("any bytes: sealed and opened they are the same, twice sealed as well, and nothing of them shows", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 24, maxLength: 3000 }), (bytes) => {
      const name = packDigest(bytes);
      const sealed = Buffer.from(sealPack(name, bytes, key));
      assert.deepEqual(Buffer.from(openSealedPack(name, sealed, key)), Buffer.from(bytes));
      assert.deepEqual(Buffer.from(sealPack(name, bytes, key)), sealed);
      assert.notDeepEqual(Buffer.from(sealPack(name, bytes, other)).subarray(SEALED_HEADER_BYTES, -16), bytes);
      assert.equal(sealed.includes(Buffer.from(bytes)), false);
    }),
  );
});

test("sealed and opened where it lies it is the same, whatever its length; a flipped bit is told there, too", () => {
  for (const length of [0, 1, 65_535, 65_536, 65_537, 200_000]) {
    const pack = Buffer.from(Uint8Array.from({ length }, (_, at) => at * 31 + (at >> 8)));
    const name = packDigest(pack);
    const sealed = Buffer.alloc(length + SEAL_BYTES, 0xee);
    sealed.set(pack, SEALED_HEADER_BYTES);
    sealInPlace(name, sealed, key);
    assert.deepEqual(sealed, Buffer.from(sealPack(name, pack, key)));
    const partsOf = (bytes: Buffer) => ({
      header: bytes.subarray(0, SEALED_HEADER_BYTES),
      text: bytes.subarray(SEALED_HEADER_BYTES, -SEALED_TAG_BYTES),
      tag: bytes.subarray(-SEALED_TAG_BYTES),
    });
    for (let flipped = 0; flipped < sealed.length; flipped += 1 + (length >> 2)) {
      const wrong = Buffer.from(sealed);
      wrong[flipped]! ^= 1;
      const parts = partsOf(wrong);
      assert.throws(() => openInto(name, parts, parts.text, key), { code: "PACK_DAMAGED" });
    }
    const parts = partsOf(sealed);
    openInto(name, parts, parts.text, key);
    assert.deepEqual(parts.text, pack);
  }
  const other = Buffer.alloc(SEAL_BYTES + text.length);
  assert.throws(() => sealInPlace(digest, other, key), { code: "PACK_DAMAGED" }, "these are not its bytes");
});

test("a pack is never sealed under another name: two texts would share a key and a nonce", () => {
  assert.throws(() => sealPack(packDigest(golden), text, key), { code: "PACK_DAMAGED" });
  assert.throws(() => storeKeyOf(new Uint8Array(31)), RangeError);
});

test("two packs have nothing of their key streams in common", () => {
  const [first, second] = [Buffer.alloc(64, 1), Buffer.alloc(64, 2)].map((plain) =>
    Buffer.from(sealPack(packDigest(plain), plain, key)).subarray(SEALED_HEADER_BYTES, -16),
  );
  const shared = first!.map((byte, at) => byte ^ second![at]! ^ 3).filter((byte) => byte === 0).length;
  assert(shared < 8, `${shared} of 64 bytes`);
});

test("the front is read without the rest", async () => {
  const { packs } = await scanToMemory(sampleDisk("?ab?"));
  for (const pack of packs.values()) {
    const sealed = sealPack(pack.digest, pack.bytes, key).subarray(0, SEALED_HEADER_BYTES + PACK_FRONT_BYTES);
    assert.deepEqual(Buffer.from(packCellIds(openSealedFront(pack.digest, sealed, key))), Buffer.from(pack.cellIds));
  }
});
