import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import { pino } from "pino";
import { type Database, openDatabase } from "../../../server/db/database.ts";
import { Doctor, doctorMetrics } from "../../../server/doctor/doctor.ts";
import type { Finding } from "../../../server/doctor/finding.ts";
import { EventLog } from "../../../server/events.ts";

let db: Database;
let events: EventLog;
let findings: Finding[];
let looks: number;

beforeEach(async () => {
  await db?.destroy();
  db = await openDatabase(":memory:");
  events = new EventLog(db, () => 1000);
  findings = [];
  looks = 0;
});
after(() => db.destroy());

function doctor(): Doctor {
  const look = async () => {
    looks += 1;
    return findings;
  };
  return new Doctor({
    checks: [{ area: "store", probe: "test", look }],
    db,
    events,
    log: pino({ level: "silent" }),
    now: () => 5000,
  });
}

const full: Finding = { probe: "disk", status: "fail", detail: "It is full.", fix: "Empty it." };
const slow: Finding = { probe: "clock", status: "warn", detail: "It is slow.", fix: "Wind it up." };

const told = async () => (await events.list()).map(({ kind, data }) => [kind, data["problems"], data["gone"]]);

test("doctor: an event when problems come and when they go, and none while nothing changes", async () => {
  const one = doctor();
  await one.examine();
  assert.deepEqual(await told(), [], "all was well");
  findings = [full, { probe: "fine", status: "ok", detail: "Well." }];
  assert.equal((await one.examine()).problems, 1);
  await one.examine();
  findings = [full, slow];
  await one.examine();
  findings = [slow];
  await one.examine();
  assert.deepEqual(await told(), [
    ["doctor.changed", ["disk"], []],
    ["doctor.changed", ["disk", "clock"], []],
    ["doctor.changed", ["clock"], ["disk"]],
  ]);
  const [first] = await events.list();
  assert.deepEqual(first!.data["appeared"], [full]);
});

test("doctor: what the server before this one has told is not told again", async () => {
  findings = [full];
  await doctor().examine();
  await doctor().examine();
  assert.equal((await events.list()).length, 1);
  findings = [];
  await doctor().examine();
  assert.deepEqual((await told()).at(-1), ["doctor.changed", [], ["disk"]]);
});

test("doctor: what could not be seen is neither better nor worse", async () => {
  findings = [full];
  await doctor().examine();
  findings = [{ probe: "disk", status: "skip", detail: "Not while a stream is sent." }];
  await doctor().examine();
  assert.equal((await events.list()).length, 1);
  findings = [full];
  await doctor().examine();
  assert.equal((await events.list()).length, 1);
});

test("doctor: two who ask at once get one look", async () => {
  const one = doctor();
  const [a, b] = await Promise.all([one.examine(), one.examine()]);
  assert.equal(a, b);
  assert.equal(looks, 1);
  await one.examine();
  assert.equal(looks, 2);
});

test("doctor: the metric counts warnings and failures, and is not there before the first look", async () => {
  const one = doctor();
  assert.equal(doctorMetrics(one.last), "");
  findings = [full, slow];
  await one.examine();
  const text = doctorMetrics(one.last);
  assert.match(text, /^# TYPE bootcast_problems gauge$/m);
  assert.match(text, /^bootcast_problems\{status="fail"\} 1$/m);
  assert.match(text, /^bootcast_problems\{status="warn"\} 1$/m);
  assert.match(text, /^bootcast_doctor_timestamp_seconds 5$/m);
});
