import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Placed, planPlaces } from "../../../images/disk-fit/places.ts";
import { MEBIBYTE } from "./file-disk.ts";

/** `at` and `size` in MiB. */
function placed(number: number, at: number, size: number, change: Partial<Placed> = {}): Placed {
  const place = { number, startBytes: at * MEBIBYTE, sizeBytes: size * MEBIBYTE };
  return { ...place, headBytes: 0, isMovable: false, keeps: undefined, mostBytes: 2 ** 50, ...change };
}

const swap = { isMovable: true, keeps: "holds swap, which is not grown here" };

for (const { name, partitions, end, expected } of [
  { name: "one partition", partitions: [placed(1, 1, 99)], end: 200, expected: { 1: [1, 200] } },
  {
    name: "the last one of two",
    partitions: [placed(1, 1, 9), placed(2, 10, 90)],
    end: 200,
    expected: { 2: [10, 200] },
  },
  {
    name: "the last one by place, whatever its number",
    partitions: [placed(3, 1, 9), placed(1, 10, 90)],
    end: 200,
    expected: { 1: [10, 200] },
  },
  {
    name: "swap behind the root moves to the end, as large as it was",
    partitions: [placed(1, 1, 79), placed(2, 80, 20, swap)],
    end: 200,
    expected: { 1: [1, 180], 2: [180, 200] },
  },
  {
    name: "two swaps keep their order",
    partitions: [placed(1, 1, 69), placed(2, 70, 10, swap), placed(3, 80, 20, swap)],
    end: 200,
    expected: { 1: [1, 170], 2: [170, 180], 3: [180, 200] },
  },
  {
    name: "a logical partition takes its record along",
    partitions: [placed(1, 1, 78), placed(5, 80, 20, { ...swap, headBytes: MEBIBYTE })],
    end: 200,
    expected: { 1: [1, 179], 5: [180, 200] },
  },
  {
    name: "ends that are on no boundary stay inside",
    partitions: [placed(1, 1, 99)],
    end: 200.9,
    expected: { 1: [1, 200] },
  },
  {
    name: "no larger than it can be",
    partitions: [placed(1, 1, 99, { mostBytes: 150 * MEBIBYTE })],
    end: 200,
    expected: { 1: [1, 151] },
  },
  { name: "a disk of the same size", partitions: [placed(1, 1, 99)], end: 100, expected: {} },
  { name: "a few sectors more", partitions: [placed(1, 1, 99)], end: 103, expected: {} },
]) {
  test(`places: ${name}`, () => {
    const growing = planPlaces(partitions, end * MEBIBYTE);
    assert(typeof growing !== "string", String(growing));
    const found = [...growing.places].map(([number, { startBytes, endBytes }]) => [
      number,
      [startBytes / MEBIBYTE, endBytes / MEBIBYTE],
    ]);
    assert.deepEqual(Object.fromEntries(found), expected);
  });
}

test("places: why nothing grows", () => {
  assert.match(String(planPlaces([], MEBIBYTE)), /no partition/);
  assert.match(String(planPlaces([placed(1, 1, 9, swap)], 200 * MEBIBYTE)), /no partition/);
  const recovery = placed(4, 90, 10, { keeps: "is the recovery of Windows" });
  assert.equal(
    planPlaces([placed(3, 1, 89), recovery], 200 * MEBIBYTE),
    "the last partition (4) is the recovery of Windows",
  );
});

test("places: nothing overlaps, only swap moves, nothing shrinks", () => {
  const sizes = fc.array(
    fc.record({ size: fc.integer({ min: 1, max: 3000 }), isSwap: fc.boolean(), head: fc.boolean() }),
    {
      minLength: 1,
      maxLength: 8,
    },
  );
  fc.assert(
    fc.property(sizes, fc.integer({ min: 0, max: 5000 }), (sized, more) => {
      let at = 2;
      const partitions = sized.map(({ size, isSwap, head }, index) => {
        const headBytes = head && isSwap ? MEBIBYTE : 0;
        at += headBytes === 0 ? 0 : 1;
        const one = placed(index + 1, at, size, { ...(isSwap ? swap : {}), headBytes });
        at += size;
        return one;
      });
      const growing = planPlaces(partitions, (at + more) * MEBIBYTE);
      if (typeof growing === "string") return;
      const after = partitions.map((one) => {
        const place = growing.places.get(one.number);
        const from = place?.startBytes ?? one.startBytes;
        const to = place?.endBytes ?? one.startBytes + one.sizeBytes;
        assert(to - from >= one.sizeBytes);
        if (from !== one.startBytes) assert(one.isMovable && from > one.startBytes);
        return { from: from - one.headBytes, to };
      });
      for (const [index, { from }] of after.entries()) assert(index === 0 || from >= after[index - 1]!.to);
      assert(after.at(-1)!.to <= (at + more) * MEBIBYTE);
    }),
  );
});
