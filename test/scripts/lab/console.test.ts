import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../../fault.ts";
import { ConsoleText } from "../../../scripts/lab/console.ts";

const soon = { deadlineMs: 1_000, what: "it", from: 0 };

function written(...chunks: string[]): ConsoleText {
  const console = new ConsoleText("pc1");
  for (const chunk of chunks) console.append(Buffer.from(chunk));
  return console;
}

test("terminal control is left out, wherever a chunk ends", () => {
  // What OVMF and GRUB send: clear, colours, cursor positions, carriage returns.
  const firmware = "\x1b[2J\x1b[01;01H\x1b[=3h\x1b[0m\x1b[37m\x1b[40mBdsDxe: loading\r\n\x1b[05;03HWelcome\r\nö\r\n";
  const whole = written(firmware).text;
  assert.equal(whole, "\nBdsDxe: loading\n\nWelcome\nö\n");
  const bytes = Buffer.from(firmware);
  for (let cut = 0; cut <= bytes.length; cut += 1) {
    const console = new ConsoleText("pc1");
    console.append(bytes.subarray(0, cut));
    console.append(bytes.subarray(cut));
    assert.equal(console.text, whole, `cut at byte ${cut}`);
  }
});

test("any bytes in any chunks give a text", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array()), (chunks) => {
      const console = new ConsoleText("pc1");
      for (const chunk of chunks) console.append(chunk);
      assert.equal(typeof console.text, "string");
    }),
  );
});

test("a wait ends at what is there already, at what comes, and begins where it is told", async () => {
  const console = written("golden login: ");
  assert.equal((await console.waitFor(/(\w+) login:/, soon))[1], "golden");
  const next = console.waitFor(/(\w+) login:/, { ...soon, from: console.text.length });
  console.append(Buffer.from("\r\n\r\nlab-01 lo"));
  console.append(Buffer.from("gin: "));
  assert.equal((await next)[1], "01");
});

test("a wait that is too long says what for, how long, and the last 30 lines", async () => {
  const console = written(...Array.from({ length: 40 }, (_, index) => `line ${index}\r\n`));
  const wait = console.waitFor(/login:/, { deadlineMs: 20, what: "the login prompt", from: 0 });
  await assert.rejects(wait, (error) => {
    assert(error instanceof Fault);
    assert.equal(error.code, "LAB_TIMEOUT");
    assert.equal(error.what, "Machine pc1: waited 0.02 s for the login prompt (/login:/).");
    assert.match(error.why, /\nline 11\n[\s\S]*\nline 39$/);
    assert.doesNotMatch(error.why, /line 10\n/);
    return true;
  });
});

test("who waits is told at once when nothing more will come", async () => {
  const console = written("GRUB\r\n");
  const reason = new Fault("MACHINE_DIED", { what: "It ended.", why: "So.", fix: "Look." });
  const waiting = assert.rejects(console.waitFor(/login:/, soon), reason);
  console.end(reason);
  await waiting;
  await assert.rejects(console.waitFor(/login:/, soon), reason);
  // What was written before is still found.
  assert.equal((await console.waitFor(/GRUB/, soon))[0], "GRUB");
  console.reopen();
  const again = console.waitFor(/login:/, soon);
  console.append(Buffer.from("login:"));
  assert.equal((await again)[0], "login:");
});
