import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseWhen, timeZoneOf, whenText } from "../../../cli/session/when.ts";

const BERLIN = "Europe/Berlin";
/** A Wednesday, 14:30 in Berlin. */
const NOW = Date.parse("2026-11-25T13:30:00Z");

const utc = (text: string, timeZone = BERLIN, nowMs = NOW) =>
  new Date(parseWhen(text, { nowMs, timeZone })).toISOString().replace(":00.000Z", "Z");

for (const [text, at] of [
  ["22:00", "2026-11-25T21:00Z"],
  ["14:31", "2026-11-25T13:31Z"],
  ["14:30", "2026-11-26T13:30Z"],
  ["7:05", "2026-11-26T06:05Z"],
  ["today 22:00", "2026-11-25T21:00Z"],
  ["tomorrow 22:00", "2026-11-26T21:00Z"],
  ["fri 22:00", "2026-11-27T21:00Z"],
  ["Friday 22:00", "2026-11-27T21:00Z"],
  ["wed 22:00", "2026-11-25T21:00Z"],
  ["wed 14:30", "2026-12-02T13:30Z"],
  ["tuesday 0:00", "2026-11-30T23:00Z"],
  ["2026-11-27 22:00", "2026-11-27T21:00Z"],
  ["2026-11-27T22:00", "2026-11-27T21:00Z"],
  ["2026-11-27T22:00Z", "2026-11-27T22:00Z"],
  ["2026-11-27T22:00:00+05:30", "2026-11-27T16:30Z"],
  ["2027-07-01 22:00", "2027-07-01T20:00Z"],
  ["+90m", "2026-11-25T15:00Z"],
  ["in 2h", "2026-11-25T15:30Z"],
  ["+1.5h", "2026-11-25T15:00Z"],
  ["+1d", "2026-11-26T13:30Z"],
] as const) {
  test(`"${text}" on a Wednesday at 14:30 in Berlin is ${at}`, () => assert.equal(utc(text), at));
}

for (const text of [
  "",
  "25:00",
  "22:60",
  "22",
  "noon",
  "yesterday 22:00",
  "2026-02-30 22:00",
  "2026-13-01 22:00",
  "+5x",
]) {
  test(`"${text}" is refused as no time`, () => {
    assert.throws(() => utc(text), { code: "USAGE", message: /is not a time/ });
  });
}

test("a time that is over is refused, with what time it is", () => {
  assert.throws(
    () => utc("today 9:00"),
    (error: Error & { why?: string }) => /Wed 2026-11-25 14:30/.test(error.why ?? ""),
  );
  assert.throws(() => utc("2026-11-24 22:00"), { code: "USAGE" });
});

test("when the clocks are set forward, an hour is left out", () => {
  const night = Date.parse("2026-03-28T12:00:00Z");
  assert.throws(
    () => utc("2026-03-29 02:30", BERLIN, night),
    (error: Error & { why?: string }) => /set forward/.test(error.why ?? ""),
  );
  assert.equal(utc("2026-03-29 01:59", BERLIN, night), "2026-03-29T00:59Z");
  assert.equal(utc("2026-03-29 03:00", BERLIN, night), "2026-03-29T01:00Z");
  assert.equal(utc("tomorrow 22:00", BERLIN, night), "2026-03-29T20:00Z");
});

test("when they are set back, an hour comes twice: the first counts", () => {
  const night = Date.parse("2026-10-24T12:00:00Z");
  assert.equal(utc("2026-10-25 02:30", BERLIN, night), "2026-10-25T00:30Z");
  assert.equal(utc("2026-10-25 03:00", BERLIN, night), "2026-10-25T02:00Z");
  assert.equal(utc("2026-11-01 01:30", "America/New_York", night), "2026-11-01T05:30Z");
});

test("other places: half hours, the other side of the date line, no change at all", () => {
  assert.equal(utc("2026-11-27 00:15", "Asia/Kolkata"), "2026-11-26T18:45Z");
  assert.equal(utc("2026-11-27 00:15", "Pacific/Kiritimati"), "2026-11-26T10:15Z");
  assert.equal(utc("2026-11-27 00:15", "UTC"), "2026-11-27T00:15Z");
  assert.equal(utc("0:30", "Pacific/Auckland"), "2026-11-26T11:30Z");
});

test("what is written for a time is read as that time", () => {
  const minute = fc.integer({ min: Math.ceil(NOW / 60_000) + 1, max: Math.ceil(NOW / 60_000) + 5_000_000 });
  const zones = fc.constantFrom(BERLIN, "America/New_York", "Australia/Lord_Howe", "UTC", "America/St_Johns");
  fc.assert(
    fc.property(minute, zones, (minutes, timeZone) => {
      const [, date, time] = whenText(minutes * 60_000, timeZone).split(" ");
      const again = parseWhen(`${date} ${time}`, { nowMs: NOW, timeZone });
      // Of the hour that comes twice it is the first.
      assert([0, 30 * 60_000, 60 * 60_000].includes(minutes * 60_000 - again), `${date} ${time} ${timeZone}`);
      assert.equal(whenText(again, timeZone), whenText(minutes * 60_000, timeZone));
    }),
    { numRuns: 200 },
  );
});

test("a time zone that there is not is refused", () => {
  assert.equal(timeZoneOf("europe/berlin"), BERLIN);
  assert.throws(() => timeZoneOf("Mars/Olympus"), { code: "USAGE" });
  assert.notEqual(timeZoneOf(undefined), "");
});
