import assert from "node:assert/strict";
import { test } from "node:test";
import { receivedLine } from "../../../agent/stream/received-line.ts";

const cases = [
  [{ passes: 1, symbolsReceived: 36192, symbolsLost: 0, unicastPacks: 0 }, "nothing lost in 1 pass"],
  [{ passes: 2, symbolsReceived: 36192, symbolsLost: 0, unicastPacks: 0 }, "nothing lost in 2 passes"],
  [
    { passes: 2, symbolsReceived: 34116, symbolsLost: 2076, unicastPacks: 9 },
    "2076 of 36192 packets lost, 2 passes, 9 packs by HTTP",
  ],
  [{ passes: 2, symbolsReceived: 9, symbolsLost: 1, unicastPacks: 0 }, "1 of 10 packets lost, 2 passes"],
  // Joined in the middle of the last pass.
  [{ passes: 1, symbolsReceived: 9, symbolsLost: 0, unicastPacks: 1 }, "nothing lost, 1 pass, 1 pack by HTTP"],
  // Joined after it.
  [{ passes: 0, symbolsReceived: 0, symbolsLost: 0, unicastPacks: 3 }, "nothing lost, 3 packs by HTTP"],
  // An image of nothing but zeros.
  [{ passes: 0, symbolsReceived: 0, symbolsLost: 0, unicastPacks: 0 }, "nothing lost"],
] as const;
for (const [received, line] of cases) {
  test(`received: ${line}`, () => assert.equal(receivedLine(received), line));
}
