import assert from "node:assert/strict";
import { test } from "node:test";
import { nearest } from "../../../server/config/nearest.ts";

test("the nearest word, if a third of it is right", () => {
  const known = ["lab-01", "lab-02", "kiosk", "room-b"];
  const table: [string, string | undefined][] = [
    ["lab01", "lab-01"],
    ["LAB-02", "lab-02"],
    ["kiosc", "kiosk"],
    ["roomb", "room-b"],
    ["printer", undefined],
    ["", undefined],
  ];
  for (const [word, wanted] of table) assert.equal(nearest(word, known), wanted, word);
  assert.equal(nearest("kiosk", []), undefined);
});

test("a word of any length costs nothing: it is compared only with words that can be near", () => {
  let compared = 0;
  const name = {
    length: 6,
    toLowerCase: () => {
      compared += 1;
      return "lab-01";
    },
  } as unknown as string;
  assert.equal(nearest("x".repeat(16_000), [name]), undefined);
  assert.equal(compared, 0);
  assert.equal(nearest("lab-1", [name]), name);
  assert.equal(compared, 1);
});
