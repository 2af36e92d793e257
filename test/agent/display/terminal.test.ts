import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { SCREEN } from "../../../agent/display/layout.ts";
import { displayOn, openDisplay, paint } from "../../../agent/display/terminal.ts";

/** What stands on an 80×25 console after these bytes; knows only what `paint` uses. */
class Terminal {
  rows: string[] = Array.from({ length: SCREEN.rows }, () => "");
  isCursorShown = true;

  write(text: string): void {
    let row = 0;
    let column = 0;
    for (const part of text.matchAll(/\x1b\[([?\d;]*)([A-Za-z])|([^\x1b]+)/g)) {
      const [, numbers = "", command, plain] = part;
      if (plain !== undefined) {
        this.rows[row] = plain + this.rows[row]!.slice(plain.length);
        column = plain.length;
      } else if (command === "H") {
        row = Number(numbers.split(";")[0]) - 1;
        column = 0;
      } else if (command === "K") this.rows[row] = this.rows[row]!.slice(0, column);
      else if (command === "l" && numbers === "?25") this.isCursorShown = false;
    }
  }
}

test("what is painted stands on the screen, whatever stood there before", () => {
  const lines = fc.array(fc.string({ unit: fc.constantFrom("a", "b", " "), maxLength: 79 }), {
    maxLength: SCREEN.rows,
  });
  fc.assert(
    fc.property(lines, lines, (one, two) => {
      const terminal = new Terminal();
      const full = (screen: readonly string[]) => Array.from({ length: SCREEN.rows }, (_, row) => screen[row] ?? "");
      terminal.rows = terminal.rows.map(() => "rubbish of the kernel");
      terminal.write(paint(undefined, one));
      assert.deepEqual(terminal.rows, full(one));
      terminal.write(paint(one, two));
      assert.deepEqual(terminal.rows, full(two));
      assert(!terminal.isCursorShown);
      assert.equal(paint(two, two), "");
    }),
  );
});

test("what the agent says is on the screen at once, and progress at most twice a second", () => {
  const terminal = new Terminal();
  let writes = 0;
  let now = 1_000;
  const display = displayOn(
    (text) => {
      writes += 1;
      terminal.write(text);
    },
    { version: "1.2.3", facts: {}, uptimeSeconds: () => now / 1000, nowMs: () => now, close: () => undefined },
  );
  display.about({ hostName: "lab-07" });
  display.state("receiving", "/dev/sda: discarded");
  assert.match(terminal.rows.join("\n"), /^ ► receiving +0 s$/m);
  assert.equal(terminal.rows[23], " /dev/sda: discarded");
  writes = 0;
  for (let step = 0; step < 100; step += 1) {
    now += 10;
    display.progress({ percent: step, doneBytes: step, detail: "Receiving the stream." });
  }
  assert(writes <= 2, `${writes} times`);
  assert.match(terminal.rows.join("\n"), /█░+ +\d+ %/);
  display.failed({ code: "X_Y", what: "It broke.", why: "Because.", fix: "Mend it." }, "erased");
  assert.match(terminal.rows.join("\n"), /FAILED: It broke\. \[X_Y\]/);
  display.close();
});

test("a console that cannot be opened or written stops nothing", (t) => {
  const options = { version: "1", facts: {}, uptimeSeconds: () => 1, nowMs: () => 1 };
  assert.equal(openDisplay("/nonexistent/tty1", options), undefined);
  // Every write there fails: no space.
  const full = openDisplay("/dev/full", options);
  full?.state("waiting", "for an order");
  full?.close();
  const folder = mkdtempSync(join(tmpdir(), "bootcast-display-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, "tty"), "");
  const display = openDisplay(join(folder, "tty"), options);
  display?.state("waiting", "for an order");
  display?.close();
  assert.match(readFileSync(join(folder, "tty"), "utf8"), /for an order/);
});
