import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../fault.ts";
import { decodeCellLists, decodeParcel, encodeCellLists, encodeParcel, idsOf } from "../../images/cell-lists.ts";

const list = fc
  .integer({ min: 1, max: 16 })
  .chain((count) => fc.uint8Array({ minLength: count * 32, maxLength: count * 32 }));

test("lists and parcels come back as they went", () => {
  fc.assert(
    fc.property(fc.array(list, { minLength: 1, maxLength: 64 }), fc.uint8Array(), (lists, pack) => {
      assert.deepEqual(decodeCellLists(encodeCellLists(lists)).map(plain), lists.map(plain));
      const parcel = decodeParcel(encodeParcel({ cellIds: lists[0]!, pack }));
      assert.deepEqual([plain(parcel.cellIds), plain(parcel.pack)], [plain(lists[0]!), plain(pack)]);
      assert.equal(idsOf(lists[0]!).length * 32, lists[0]!.length);
    }),
  );
});

test("no list, too many, a pack of none or of seventeen, and every cut are refused", () => {
  const two = encodeCellLists([new Uint8Array(64), new Uint8Array(32)]);
  for (let cut = 0; cut < two.length; cut += 1) {
    if (cut === 65) continue;
    assert.throws(() => decodeCellLists(two.subarray(0, cut)), { code: "CELLS_INVALID" }, `${cut} bytes`);
  }
  const one = new Uint8Array(32);
  for (const bytes of [
    Uint8Array.of(0),
    Uint8Array.of(17, ...new Uint8Array(17 * 32)),
    encodeCellLists(Array.from({ length: 65 }, () => one)),
  ]) {
    assert.throws(() => decodeCellLists(bytes), { code: "CELLS_INVALID" });
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
      for (const decode of [decodeCellLists, decodeParcel]) {
        try {
          decode(bytes);
        } catch (error) {
          assert(error instanceof Fault);
        }
      }
    }),
  );
});

function plain(bytes: Uint8Array): number[] {
  return [...bytes];
}
