import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { SCREEN, screenLines } from "../../../agent/display/layout.ts";
import { largeLetters } from "../../../agent/display/letters.ts";
import { qrLines } from "../../../agent/display/qr-code.ts";
import { ScreenState } from "../../../agent/display/view.ts";

const facts = {
  hostName: "lab-07",
  model: "Dell Inc. OptiPlex 7060 serial 4XK1J53",
  mac: "52:54:00:12:34:56",
  address: "10.77.0.103",
  server: "10.77.0.1:8440",
  image: "lab-debian version 3",
  order: "41",
};

/** A restore in its middle. */
function restoring(): ScreenState {
  const state = new ScreenState(0);
  state.about(facts);
  state.say("finding", "eth0 10.77.0.103: the boot loader named 10.77.0.1:8440", 9, 1_000);
  state.say("registering", "at 10.77.0.1:8440: Dell Inc. OptiPlex 7060", 10, 2_000);
  state.say("waiting", "as lab-07, for an order", 11, 3_000);
  state.say("preflight", "lab-debian version 3, to become lab-07: ordered by anna", 75, 67_000);
  state.say("erasing", "/dev/sda 238.5 GiB sata S3Z1NX0K", 80, 72_000);
  state.say("receiving", "/dev/sda: discarded", 82, 74_000);
  for (let second = 0; second <= 30; second += 1) {
    state.progress(second, "Receiving the stream.", second * 50 * 1024 * 1024, 74_000 + second * 1_000);
  }
  return state;
}

test("a restore: the name in large letters, steps with ticks, bar, rate, time left", () => {
  assert.deepEqual(screenLines(restoring().view(104_000), "1.2.3"), [
    " bootcast 1.2.3                                           server 10.77.0.1:8440",
    "",
    " █      ███  ████         ███  #####".replaceAll("#####", "█████"),
    " █     █   █ █   █       █  ██     █",
    " █     █████ ████   ███  █ █ █    █",
    " █     █   █ █   █       ██  █   █",
    " █████ █   █ ████         ███    █",
    "",
    " Dell Inc. OptiPlex 7060 serial 4XK1J53          52:54:00:12:34:56  10.77.0.103",
    " lab-debian version 3",
    "─".repeat(79),
    " √ finding             1 s  9 s eth0 10.77.0.103: the boot loader named",
    " √ registering         1 s  10.77.0.1:8440",
    " √ waiting      1 min 04 s  10 s at 10.77.0.1:8440: Dell Inc. OptiPlex 7060",
    " √ preflight           5 s  11 s as lab-07, for an order",
    " √ erasing             2 s  75 s lab-debian version 3, to become lab-07:",
    " ► receiving          30 s  ordered by anna",
    "   verifying                80 s /dev/sda 238.5 GiB sata S3Z1NX0K",
    "   naming                   82 s /dev/sda: discarded",
    "   finishing",
    "   rebooting",
    "─".repeat(79),
    " ███████████░░░░░░░░░░░░░░░░░░░░░░░░░░  30 %   50.0 MiB/s   1 min 10 s left",
    " Receiving the stream.",
  ]);
});

test("a failure: what, why, what to do, the disk, and what was said last", () => {
  const state = restoring();
  const fault = {
    code: "DISK_WRITE",
    what: "/dev/sda cannot be written at byte 4096.",
    why: "The kernel says: input/output error.",
    fix: "Check the disk and its cable (smartctl -a).",
  };
  state.failed(fault, "partly written");
  state.say("failed", "restarts in 10 min 00 s", 115, 106_000);
  const lines = screenLines(state.view(106_000), "1.2.3");
  assert.equal(lines.length, 25);
  const [left, right] = [lines.map((line) => line.slice(0, 51).trimEnd()), lines.map((line) => line.slice(52))];
  assert.deepEqual(left.slice(11), [
    " FAILED: /dev/sda cannot be written at byte 4096.",
    "         [DISK_WRITE]",
    " why:    The kernel says: input/output error.",
    " fix:    Check the disk and its cable (smartctl",
    "         -a).",
    " disk:   The disk is partly written and does not",
    "         boot.",
    "─".repeat(51),
    " 11 s as lab-07, for an order",
    " 75 s lab-debian version 3, to become lab-07:",
    " ordered by anna",
    " 80 s /dev/sda 238.5 GiB sata S3Z1NX0K",
    " 82 s /dev/sda: discarded",
    " 115 s restarts in 10 min 00 s",
  ]);
  assert.deepEqual(right.slice(11), qrLines("DISK_WRITE lab-07 41"));
});

test("a failure that needs many words has the whole width, and the last that was said", () => {
  const state = restoring();
  const why = "A long reason that goes on and on, with every disk named and why it was not taken. ".repeat(7);
  state.failed({ code: "DISK_REFUSED", what: "No disk.", why, fix: "Connect one." }, "untouched");
  const lines = screenLines(state.view(106_000), "1.2.3");
  assert(lines.length <= 25);
  assert.doesNotMatch(lines.slice(11).join(""), /[█▀▄]/);
  assert.match(lines.join("\n"), / fix: {4}Connect one\.\n disk: .*\n─+\n.*82 s \/dev\/sda: discarded$/);
});

test("a capture has its own steps", () => {
  const state = restoring();
  state.say("capturing", "/dev/sda", 90, 80_000);
  const steps = state.view(80_000).steps.map((step) => step.state);
  assert.deepEqual(steps.slice(3), ["preflight", "capturing", "finishing", "rebooting"]);
});

test("when nothing is known yet the screen still says who it is and what it does", () => {
  const lines = screenLines(new ScreenState(0).view(0), "1.2.3");
  assert.match(lines[0]!, /bootcast 1\.2\.3 +looking for the server$/);
});

test("an open remote shell is always on the screen", () => {
  const state = restoring();
  state.about({ remoteShell: "ssh root@10.77.0.103" });
  state.failed({ code: "X", what: "w", why: "y", fix: "f" }, "untouched");
  assert.match(screenLines(state.view(1), "1")[9]!, / {3}remote shell on: ssh root@10\.77\.0\.103$/);
});

test("whatever comes from the network fits, and brings no control codes", () => {
  const anything = fc.string({ unit: "binary", maxLength: 400 });
  fc.assert(
    fc.property(anything, anything, anything, fc.boolean(), (name, detail, why, hasFailed) => {
      const state = new ScreenState(0);
      state.about({ hostName: name, model: detail, image: why, server: name, remoteShell: "ssh root@10.0.0.1" });
      state.say("waiting", detail, 5, 10);
      state.say("receiving", why, 5, 10);
      state.progress(33, detail, 1, 20);
      if (hasFailed) state.failed({ code: "X", what: why, why: detail, fix: name }, "erased");
      const lines = screenLines(state.view(5_000), "1.2.3");
      assert(lines.length <= SCREEN.rows);
      for (const line of lines) assert.match(line, /^[\x20-\x7e√►█▀▄░─]{0,79}$/u);
    }),
  );
});

test("every letter that a host name may have is five rows of five", () => {
  for (const letter of "abcdefghijklmnopqrstuvwxyz0123456789-._") {
    const rows = largeLetters(letter, 5);
    assert.equal(rows?.length, 5, letter);
    for (const row of rows) assert.match(row, /^[█ ]{0,5}$/u, letter);
  }
  assert.equal(largeLetters("a-name-that-is-too-long", 78), undefined);
  assert.equal(largeLetters("ü", 78), undefined);
  assert.equal(largeLetters("", 78), undefined);
});
