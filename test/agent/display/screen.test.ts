import assert from "node:assert/strict";
import { test } from "node:test";
import { PuppetStrings, RestoreScreen } from "../../../agent/display/screen.ts";

/** The lines are those that the articles print (MacTech 21:05, Peachpit). */
const full = "\tRestoring  ....10....20....30....40....50....60....70....80....90....100\n";

function pass(screen: RestoreScreen, number: number, missing: readonly number[] = [], until = 50): string {
  let text = "";
  for (let mark = 1; mark <= until; mark += 1)
    text += screen.mark({ pass: number, mark, isMissing: missing.includes(mark) });
  return text;
}

test("screen: the phases, then a whole pass", () => {
  const screen = new RestoreScreen();
  assert.equal(screen.step("Validating target") + screen.done(), "\tValidating target...done\n");
  assert.equal(
    screen.question("/dev/disk0s3 (/Volumes/System)"),
    "\tErase contents of /dev/disk0s3 (/Volumes/System)? [ny]: ",
  );
  assert.equal(pass(screen, 1), full);
  assert.equal(screen.complete(), "");
  assert.equal(screen.step("Remounting target volume") + screen.done(), "\tRemounting target volume...done\n");
});

test("screen: x for what is missing, one line a pass, and a full line at the end", () => {
  const screen = new RestoreScreen();
  assert.equal(
    pass(screen, 1, [13, 15, 47]),
    "\tRestoring  ....10....20..x.30....40....50....60....70....80....90.x..100\n",
  );
  assert.equal(pass(screen, 2, [], 12), "\tRestoring  ....10....20..");
  assert.equal(screen.complete(), "..30....40....50....60....70....80....90....100\n");
  const other = new RestoreScreen();
  pass(other, 1, [3]);
  assert.equal(other.complete(), full);
});

test("screen: nothing came by multicast at all", () => {
  assert.equal(new RestoreScreen().complete(), full);
});

test("screen: an error does not stand behind an open line", () => {
  const screen = new RestoreScreen();
  screen.step("Erasing target device x");
  assert.equal(screen.endLine(), "\n");
  pass(screen, 1, [], 7);
  assert.equal(screen.endLine(), "\n");
  assert.equal(screen.endLine(), "");
});

test("screen: restoring, then verifying, without passes", () => {
  const screen = new RestoreScreen();
  let text = "";
  for (const fraction of [0, 0.3, 0.301, 0.999, 1]) text += screen.progress("Restoring", fraction);
  text += screen.complete();
  for (const fraction of [0.5, 1]) text += screen.progress("Verifying", fraction);
  text += screen.complete();
  assert.equal(text, full + full.replace("Restoring", "Verifying"));
});

test("puppet strings: tabs, whole percents, no repetition, nothing that breaks a line", () => {
  const puppet = new PuppetStrings();
  assert.equal(puppet.phase("start"), "XSTA\tstart\n");
  assert.equal(puppet.phase("wait", "1 of 2\thosts\nready"), "XSTA\twait\t1 of 2 hosts ready\n");
  assert.equal(puppet.phase("wait", "1 of 2\thosts\nready"), "");
  assert.equal(puppet.phase("restore"), "XSTA\trestore\n");
  assert.equal(puppet.percent(12.7, "restore"), "PINF\t12\t100\trestore\n");
  assert.equal(puppet.percent(12.9, "restore"), "");
  assert.equal(puppet.pass(2), "PASS\t2\n");
  assert.equal(puppet.fail("DISK_WRITE", "It\nbroke."), "FAIL\tDISK_WRITE\tIt broke.\n");
});
