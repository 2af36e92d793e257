import assert from "node:assert/strict";
import { test } from "node:test";
import { styleText } from "node:util";
import fc from "fast-check";
import { Redrawn } from "../../../cli/terminal/redrawn.ts";
import { safeText } from "../../../cli/terminal/safe-text.ts";

test("what a machine says moves no cursor, sets no title and clears no screen", () => {
  const table: [string, string][] = [
    ["lab-07\tSSD 870\n", "lab-07\tSSD 870\n"],
    ["a,b\r\n", "a,b\r\n"],
    ["done\rfailed", "done\ufffdfailed"],
    ["\u001b[2J\u001b[H", "\ufffd[2J\ufffd[H"],
    ["\u001b]0;title\u0007", "\ufffd]0;title\ufffd"],
    ["\u009b2J", "\ufffd2J"],
    ["\u0007[0m", "\ufffd"],
    ["Gerät 7 ✓", "Gerät 7 ✓"],
  ];
  for (const [text, wanted] of table) assert.equal(safeText(text), wanted, JSON.stringify(text));
});

test("our own colours stay", () => {
  const red = styleText(["red", "bold"], "failed", { validateStream: false });
  assert.equal(safeText(red), red);
});

test("of any text nothing is left that a terminal would obey but colours", () => {
  const text = fc.string({ unit: fc.constantFrom(..."\u001b\u009b[]0;mHJ\r\n\ta\u0007") });
  fc.assert(
    fc.property(text, (any) => {
      const left = safeText(any).replaceAll("\r\n", "").replaceAll("\t", "").replaceAll("\n", "");
      assert.doesNotMatch(left.split("\u001b[").join(""), /\p{Cc}/u);
      for (const after of left.split("\u001b[").slice(1)) assert.match(after, /^[\d;]*m/);
    }),
  );
});

test("lines that are drawn over others are texts as well", () => {
  let drawn = "";
  const lines = new Redrawn({
    write(text) {
      drawn += text;
    },
  });
  lines.draw(["lab-07  \u001b[9Awriting"]);
  assert(!drawn.includes("\u001b[9A"), JSON.stringify(drawn));
});
