import assert from "node:assert/strict";
import { test } from "node:test";
import { DemoStory } from "../../../scripts/lab/demo-story.ts";

function told(pieces: readonly string[]): string {
  let written = "";
  const story = new DemoStory(
    (text) => {
      written += text;
    },
    () => 65_400,
  );
  let console = "";
  for (const piece of pieces) {
    console += piece;
    story.show(console);
  }
  return written;
}

test("the agent's states and what goes on below are told, the kernel is not", () => {
  const console = [
    "[    0.000000] Linux version 6.1.0-56-amd64",
    "bootcast: network up after 8 s, 10.77.0.50",
    "[  15 s] preflight   /dev/vda 512.0 MiB virtio blank-0 fits; waiting for the",
    "                     stream to arrive",
    "",
  ].join("\n");
  assert.equal(
    told([console]),
    [
      "  1:05  boot image  network up after 8 s, 10.77.0.50",
      "  1:05  preflight   /dev/vda 512.0 MiB virtio blank-0 fits; waiting for the",
      "                    stream to arrive",
      "",
    ].join("\n"),
  );
});

test("progress marks are shown as they come, whatever the pieces are", () => {
  const line = "Restoring  ....10....20..x.30\n";
  const whole = `  1:05  ${line}`;
  assert.equal(told([line]), whole);
  assert.equal(told([...line]), whole);
  assert.equal(told(["Restoring  ....10", "....20..x.", "30\n"]), whole);
});

test("a line is told once, when it is whole", () => {
  assert.equal(told(["[  42 s] era", "sing     /dev/vda"]), "");
  assert.equal(told(["[  42 s] era", "sing     /dev/vda", "\n", ""]), "  1:05  erasing     /dev/vda\n");
});
