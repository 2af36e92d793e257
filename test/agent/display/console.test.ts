import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatDuration, formatSize } from "../../../agent/disk/sizes.ts";
import { agentConsole, failureLines, stateLines } from "../../../agent/display/console.ts";

const fault = { code: "DISK_REFUSED", what: "No disk.", why: "None fits.", fix: "Connect one." };

test("a state is one line with the uptime", () => {
  assert.deepEqual(stateLines(42.7, "preflight", "/dev/vda 1.0 GiB virtio disk-7"), [
    "[  42 s] preflight   /dev/vda 1.0 GiB virtio disk-7",
  ]);
  assert.deepEqual(stateLines(12345, "waiting", ""), ["[12345 s] waiting"]);
});

test("a long detail goes on below, under its first word", () => {
  const lines = stateLines(1, "waiting", `${"word ".repeat(20)}${"x".repeat(100)}`);
  assert(lines.length > 2);
  for (const line of lines) assert(line.length <= 80, line);
  for (const line of lines.slice(1)) assert.match(line, /^ {21}\S/);
});

test("a failure says what, why, what to do, and what the disk is", () => {
  const text = failureLines(fault, "untouched").join("\n");
  assert.match(text, /^FAILED: No disk\. \[DISK_REFUSED\]$/m);
  assert.match(text, /^why: {4}None fits\.$/m);
  assert.match(text, /^fix: {4}Connect one\.$/m);
  assert.match(text, /^disk: {3}The disk was not touched/m);
  assert.match(failureLines(fault, "partly written").join("\n"), /does not boot/);
});

test("a progress line that is open is ended before anything else is said", () => {
  let text = "";
  const screen = agentConsole(
    (part) => {
      text += part;
    },
    () => 7,
  );
  screen.state("receiving", "start");
  screen.raw("\tRestoring  ....10");
  screen.raw("....20");
  screen.raw("");
  screen.state("verifying", "read back");
  screen.failed(fault, "erased");
  assert.equal(
    text.split("\n").slice(0, 4).join("\n"),
    "[   7 s] receiving   start\n Restoring  ....10....20\n[   7 s] verifying   read back\n-------------------------------------------------------------------------------",
  );
});

test("whatever comes from the network: no control codes, no line over 80 columns, ASCII only", () => {
  const anything = fc.string({ unit: "binary", maxLength: 300 });
  fc.assert(
    fc.property(anything, anything, (detail, why) => {
      let text = "";
      const screen = agentConsole(
        (part) => {
          text += part;
        },
        () => 99_999,
      );
      screen.state("waiting", detail);
      screen.failed({ ...fault, why }, "complete");
      screen.raw(detail);
      assert.match(text, /^[\x20-\x7e\n]*$/);
      for (const line of text.split("\n").slice(0, -1 - detail.split("\n").length)) assert(line.length <= 80, line);
    }),
  );
});

test("sizes and durations", () => {
  assert.deepEqual([0, 1023, 1024, 1024 ** 3, 1.5 * 1024 ** 4, 1024 ** 5].map(formatSize), [
    "0 B",
    "1023 B",
    "1.0 KiB",
    "1.0 GiB",
    "1.5 TiB",
    "1024.0 TiB",
  ]);
  assert.deepEqual([0, 999, 59_400, 60_000, 605_000].map(formatDuration), [
    "0 s",
    "1 s",
    "59 s",
    "1 min 00 s",
    "10 min 05 s",
  ]);
});
