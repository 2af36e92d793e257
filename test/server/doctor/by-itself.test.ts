import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "../../../fault.ts";
import { scheduleFindings, toldFindings } from "../../../server/doctor/by-itself.ts";

const fault = new Fault("IMAGE_MISSING", {
  what: "There is no image kiosk.",
  why: "It was removed.",
  fix: "Import it.",
});

test("a schedule that will fail is told before its time; none is nothing to see", () => {
  assert.deepEqual(scheduleFindings([]), []);
  assert.deepEqual(
    scheduleFindings([{ name: "a", leftOut: [] }]).map(({ status }) => status),
    ["ok"],
  );
  const [broken, ...more] = scheduleFindings([
    { name: "a", leftOut: [] },
    { name: "kiosks", fault, leftOut: [] },
  ]);
  assert.deepEqual([broken?.probe, broken?.status, more.length], ["schedule kiosks", "warn", 0]);
  assert.match(broken?.detail ?? "", /kiosks will fail: There is no image kiosk\. It was removed\.$/);
  assert.match(broken?.fix ?? "", /bootcast schedule remove kiosks/);
});

test("a word of a schedule that means nobody any more is told before its time", () => {
  const leftOut = [{ name: "lab-07", why: 'There is no host "lab-07"' }];
  const [found] = scheduleFindings([{ name: "kiosks", leftOut }]);
  assert.equal(found?.status, "warn");
  assert.match(found?.detail ?? "", /kiosks will leave out: There is no host "lab-07"\.$/);
});

test("who cannot be told is told here, after a few tries, and not while they are paused", () => {
  const chat = { name: "chat", isPaused: false, failures: 0, waiting: 0, fault: null };
  const fails = { ...chat, failures: 3, waiting: 7, fault };
  assert.deepEqual(toldFindings([]), []);
  assert.deepEqual(toldFindings([{ ...fails, isPaused: true }]), []);
  for (const fine of [chat, { ...fails, failures: 2 }]) assert.equal(toldFindings([fine])[0]?.status, "ok");
  const [failing] = toldFindings([{ ...chat, name: "b" }, fails]);
  assert.deepEqual(
    [failing?.probe, failing?.status, failing?.fix],
    ["notification chat", "warn", "bootcast notify test chat"],
  );
  assert.match(failing?.detail ?? "", /7 messages wait: There is no image/);
});
