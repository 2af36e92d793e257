import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { StagedBlocks } from "../../images/staged-blocks.ts";

test("what was written is read back, the disk beneath stays, and the changes make it the same", async () => {
  const writes = fc.array(fc.tuple(fc.nat(19_999), fc.uint8Array({ maxLength: 9000 })), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(writes, fc.nat(19_999), fc.nat(9000), async (list, from, length) => {
      const base = Buffer.from(Array.from({ length: 20_000 }, (_, index) => index % 251));
      const staged = new StagedBlocks({
        sizeBytes: base.length,
        read: async (at, count) => base.subarray(at, at + count),
      });
      const expected = Buffer.from(base);
      const before = Buffer.from(base);
      for (const [at, bytes] of list) {
        const part = bytes.subarray(0, base.length - at);
        expected.set(part, at);
        await staged.write(at, part);
      }
      const count = Math.min(length, base.length - from);
      assert.deepEqual(Buffer.from(await staged.read(from, count)), expected.subarray(from, from + count));
      assert.deepEqual(base, before);
      for (const { at, bytes } of staged.changes()) base.set(bytes, at);
      assert.deepEqual(base, expected);
    }),
  );
});

test("writing what is there already is no change", async () => {
  const base = Buffer.alloc(10_000, 7);
  const staged = new StagedBlocks({ sizeBytes: base.length, read: async (at, count) => base.subarray(at, at + count) });
  await staged.write(4000, Buffer.alloc(200, 7));
  assert.deepEqual(staged.changes(), []);
});
