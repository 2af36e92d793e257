import assert from "node:assert/strict";
import { test } from "node:test";
import { clearTypeStripper } from "../../../scripts/boot-image/type-stripper.ts";

const MIB = 1024 * 1024;
const base64 = (lengthBytes: number) => Buffer.alloc(lengthBytes, "AGFzbQEAAAA+/9z=");

test("a text of base64 as long as a compiler is cleared, wherever it lies; nothing else is touched", () => {
  const code = Buffer.alloc(MIB / 2, '\x7fELF "quoted" ');
  for (const before of [0, 1, 777, MIB / 2]) {
    for (const [lengthBytes, isCleared] of [
      [MIB - 1, false],
      [MIB, true],
      [3 * MIB + 5, true],
    ] as const) {
      const front = Buffer.concat([code.subarray(0, before), Buffer.from('"')]);
      const program = Buffer.concat([front, base64(lengthBytes), Buffer.from('"'), code]);
      const expected = Buffer.from(program);
      if (isCleared) expected.fill(0, front.length, front.length + lengthBytes);
      assert.equal(clearTypeStripper(program), isCleared ? lengthBytes : 0);
      assert(program.equals(expected), `${lengthBytes} bytes behind ${before}`);
    }
  }
  assert.equal(clearTypeStripper(Buffer.alloc(0)), 0);
});
