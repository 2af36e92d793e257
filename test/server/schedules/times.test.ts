import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../../fault.ts";
import { readDays, readMinute } from "../../../server/schedules/days.ts";
import { isTimeZone, localTime } from "../../../server/schedules/local-time.ts";
import {
  checkTiming,
  dueTimes,
  lastDueTime,
  occurrenceAt,
  type Timing,
} from "../../../server/schedules/occurrences.ts";
import { firstMoment, readQuietHours } from "../../../server/schedules/quiet-hours.ts";
import { cronOf } from "../../../server/schedules/when.ts";

const HOUR_MS = 3_600_000;
const nightly: Timing = {
  cron: "30 2 * * *",
  timeZone: "Europe/Berlin",
  windowMs: 2 * HOUR_MS,
  wakeBeforeMs: 0,
  quietHours: [],
};
const at = (text: string) => Date.parse(text);
const iso = (times: readonly number[]) => times.map((ms) => new Date(ms).toISOString().slice(0, 16));

test("days and times as people write them", () => {
  assert.deepEqual(readDays("daily"), [0, 1, 2, 3, 4, 5, 6]);
  assert.deepEqual(readDays("mon-fri"), [1, 2, 3, 4, 5]);
  assert.deepEqual(readDays("fri-mon,wed"), [0, 1, 3, 5, 6]);
  assert.deepEqual([readMinute("00:00"), readMinute("6:05"), readMinute("24:00")], [0, 365, 1440]);
  for (const text of ["", "monday", "mon-", "mon-tue-wed", "mon tue", "-"]) {
    assert.throws(() => readDays(text), { code: "SCHEDULE_INVALID" }, text);
  }
  for (const text of ["", "24:01", "12:60", "12", "12:5", "a:00", "-1:00"]) {
    assert.throws(() => readMinute(text), { code: "SCHEDULE_INVALID" }, text);
  }
});

test("a time of the week becomes a cron rule", () => {
  for (const [text, cron] of [
    ["03:00", "0 3 * * *"],
    ["daily 23:59", "59 23 * * *"],
    [" Fri  22:00 ", "0 22 * * 5"],
    ["sat,sun 6:30", "30 6 * * 0,6"],
  ] as const) {
    assert.equal(cronOf(text), cron);
    assert.equal(dueTimes({ ...nightly, cron }, 0, 3).length, 3);
  }
  for (const text of ["", "fri", "24:00", "fri 22:00 now", "someday 22:00"]) {
    assert.throws(() => cronOf(text), { code: "SCHEDULE_INVALID" }, text);
  }
});

test("whatever is typed is understood or refused", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 30 }), (text) => {
      for (const read of [cronOf, readQuietHours, (cron: string) => dueTimes({ ...nightly, cron }, 0, 1)]) {
        try {
          read(text);
        } catch (error) {
          assert(error instanceof Fault, String(error));
        }
      }
    }),
  );
});

// CET is UTC+1, CEST UTC+2; the clocks go from 02:00 to 03:00 on 2026-03-29 and from 03:00 to 02:00 on 2026-10-25.
test("in spring a time that the clocks leave out is taken at the first moment behind it", () => {
  const times = dueTimes(nightly, at("2026-03-27T12:00Z"), 4);
  assert.deepEqual(iso(times), ["2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30", "2026-03-31T00:30"]);
});

test("in autumn a time that the clocks show twice is taken once, the first time", () => {
  const times = dueTimes(nightly, at("2026-10-23T12:00Z"), 3);
  assert.deepEqual(iso(times), ["2026-10-24T00:30", "2026-10-25T00:30", "2026-10-26T01:30"]);
  for (let from = at("2026-10-24T23:00Z"); from < at("2026-10-25T03:00Z"); from += 10 * 60_000) {
    const [next] = dueTimes(nightly, from, 1);
    assert(next !== undefined && next > from);
    assert(["2026-10-25T00:30", "2026-10-26T01:30"].includes(iso([next])[0]!), `from ${iso([from])}: ${iso([next])}`);
  }
});

test("the day has 23 or 25 hours, and every evening has its time", () => {
  for (const [timeZone, cron] of [
    ["Europe/Berlin", "0 22 * * *"],
    ["America/New_York", "30 1 * * *"],
    ["Australia/Lord_Howe", "15 2 * * *"],
    ["Africa/Casablanca", "30 2 * * *"],
    ["Asia/Kolkata", "0 0 * * *"],
    ["UTC", "59 23 * * *"],
  ] as const) {
    const times = dueTimes({ ...nightly, timeZone, cron }, at("2025-12-31T12:00Z"), 365);
    const gaps = times.slice(1).map((time, index) => (time - times[index]!) / HOUR_MS);
    assert(
      gaps.every((gap) => gap >= 22.5 && gap <= 25.5),
      `${timeZone}: ${gaps.filter((gap) => gap !== 24)}`,
    );
    const change = gaps.reduce((sum, gap) => sum + gap - 24, 0);
    assert(Math.abs(change) <= 1, `${timeZone}: ${change}`);
  }
});

test("a window is as long as it says, whatever the clocks do in it", () => {
  const [due] = dueTimes({ ...nightly, cron: "0 1 * * 0" }, at("2026-03-28T12:00Z"), 1);
  const { opensAtMs, endsAtMs } = occurrenceAt({ ...nightly, windowMs: 3 * HOUR_MS }, due!);
  assert.deepEqual(iso([opensAtMs, endsAtMs]), ["2026-03-29T00:00", "2026-03-29T03:00"]);
});

test("the last time before a moment is one of the times", () => {
  const beforeMs = at("2026-10-30T12:00Z");
  assert.equal(lastDueTime(nightly, beforeMs), dueTimes(nightly, at("2026-10-29T12:00Z"), 1)[0]);
  assert.equal(lastDueTime(nightly, at("2026-10-30T01:30Z") + 1), at("2026-10-30T01:30Z"));
});

test("quiet hours: local clocks, over midnight, and where they end on a day when the clocks change", () => {
  const rules = [readQuietHours("mon-fri 08:00-16:10"), readQuietHours("daily 23:00-01:00")];
  const zone = "Europe/Berlin";
  const first = (isQuiet: boolean, from: string, until = "2027-01-01T00:00Z") =>
    iso([firstMoment(rules, zone, { isQuiet, fromMs: at(from), untilMs: at(until) }) ?? 0])[0];
  assert.equal(first(false, "2026-11-23T08:00Z"), "2026-11-23T15:10", "Monday, 9:00 there");
  assert.equal(first(false, "2026-11-23T16:00Z"), "2026-11-23T16:00");
  assert.equal(first(true, "2026-11-23T16:00Z"), "2026-11-23T22:00");
  assert.equal(first(false, "2026-11-23T23:30Z"), "2026-11-24T00:00", "behind midnight");
  assert.equal(first(true, "2026-11-27T16:00Z", "2026-11-27T21:00Z"), "1970-01-01T00:00", "none before");
  assert.equal(first(true, "2026-11-28T01:00Z"), "2026-11-28T22:00", "no school on Saturday");
  const night = [readQuietHours("sun 01:00-04:00")];
  const end = (from: string) =>
    iso([firstMoment(night, zone, { isQuiet: false, fromMs: at(from), untilMs: at(from) + 8 * HOUR_MS }) ?? 0])[0];
  assert.equal(end("2026-03-29T00:30Z"), "2026-03-29T02:00", "an hour less");
  assert.equal(end("2026-10-25T00:30Z"), "2026-10-25T03:00", "an hour more");
});

test("the clock on the wall", () => {
  assert.deepEqual(localTime("Europe/Berlin", at("2026-07-05T22:00Z")), { day: 1, minute: 0 });
  assert.deepEqual(localTime("America/New_York", at("2026-01-01T04:59Z")), { day: 3, minute: 23 * 60 + 59 });
  assert.deepEqual([isTimeZone("Europe/Berlin"), isTimeZone("UTC")], [true, true]);
  for (const name of ["", "Berlin", "+01:00", "Europe/Nowhere", "../etc/passwd"])
    assert.equal(isTimeZone(name), false, name);
});

test("quiet hours put off what begins in them, cut what runs into them, and refuse what they cover", () => {
  const day = (text: string, more: Partial<Timing>) => {
    const timing = { ...nightly, windowMs: 4 * HOUR_MS, quietHours: [text], ...more };
    const { opensAtMs, endsAtMs, refused } = occurrenceAt(timing, at("2026-11-23T12:00Z"));
    return [...iso([opensAtMs, endsAtMs]).map((time) => time.slice(-5)), refused !== undefined];
  };
  // 13:00 in Berlin.
  assert.deepEqual(day("mon 08:00-15:00", {}), ["14:00", "16:00", false]);
  assert.deepEqual(day("mon 15:30-18:00", {}), ["12:00", "14:30", false]);
  assert.deepEqual(day("mon 12:45-13:00", { wakeBeforeMs: HOUR_MS / 2 }), ["11:30", "11:45", false]);
  assert.deepEqual(day("mon 08:00-22:00", {}), ["12:00", "16:00", true]);
  assert.deepEqual(day("tue 08:00-22:00", { wakeBeforeMs: HOUR_MS / 2 }), ["11:30", "16:00", false]);
});

test("what cannot be meant is refused with its reason", () => {
  const refuse = (more: Partial<Timing>, why: RegExp) =>
    assert.throws(() => checkTiming({ ...nightly, ...more }, at("2026-01-01T00:00Z")), {
      code: "SCHEDULE_INVALID",
      why,
    });
  refuse({ cron: "* * * * *" }, /more often than every 10 minutes/);
  refuse({ cron: "0,5 3 * * *" }, /more often/);
  refuse({ cron: "0 3 30 2 *" }, /never comes true/);
  refuse({ cron: "0 3 * *" }, /five fields/);
  refuse({ cron: "0 0 3 * * *" }, /five fields/);
  refuse({ cron: "61 3 * * *" }, /not a cron rule/);
  refuse({ timeZone: "Berlin" }, /no time zone/);
  assert.throws(() => checkTiming({ ...nightly, quietHours: ["always"] }, 0), { code: "SCHEDULE_INVALID" });
  checkTiming({ ...nightly, cron: "0 3 29 2 *" }, at("2026-01-01T00:00Z"));
  checkTiming({ ...nightly, cron: "*/10 * * * *" }, at("2026-01-01T00:00Z"));
});
