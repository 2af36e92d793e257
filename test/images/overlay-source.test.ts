import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { OverlaySource } from "../../images/overlay-source.ts";
import { MemoryDisk } from "./memory.ts";

const SIZE = 5 * 4096 + 512;

test("an overlay reads as the disk would that was written to, and what is below it stays", async () => {
  const place = fc
    .tuple(fc.nat(SIZE), fc.nat(SIZE))
    .map(([one, other]) => [Math.min(one, other), Math.max(one, other)]);
  const change = fc.record({ place, kind: fc.constantFrom("write", "erase"), value: fc.integer({ min: 1, max: 255 }) });
  await fc.assert(
    fc.asyncProperty(fc.array(change, { maxLength: 12 }), place, async (changes, [from = 0, to = 0]) => {
      const base = new MemoryDisk(Uint8Array.from({ length: SIZE }, (_, index) => 1 + (index % 250)));
      const model = Uint8Array.from(base.bytes);
      const before = Uint8Array.from(base.bytes);
      // What the room for changes held before must never be seen.
      const overlay = new OverlaySource(base, new MemoryDisk(new Uint8Array(SIZE).fill(0xee)));
      for (const { place: range, kind, value } of changes) {
        const [start = 0, end = 0] = range;
        if (kind === "erase") await overlay.erase(start, end);
        else await overlay.write(start, new Uint8Array(end - start).fill(value));
        model.fill(kind === "erase" ? 0 : value, start, end);
      }
      assert.deepEqual(Buffer.from(await overlay.read(0, SIZE)), Buffer.from(model));
      assert.deepEqual(Buffer.from(await overlay.read(from, to - from)), Buffer.from(model.subarray(from, to)));
      assert.deepEqual(base.bytes, before);
    }),
    { numRuns: 200 },
  );
});
