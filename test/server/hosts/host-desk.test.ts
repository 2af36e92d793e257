import assert from "node:assert/strict";
import { test } from "node:test";
import { actingAs } from "../../../server/access/actor.ts";
import { Core, machine } from "../core.ts";

const HOUR = 3_600_000;

async function room(count = 2): Promise<Core> {
  const core = await Core.open();
  for (let number = 1; number <= count; number += 1) await core.hosts.register(machine(number));
  return core;
}

/** What events say, without what every event has. */
async function told(core: Core, kind: string) {
  return (await core.events.list()).filter((event) => event.kind === kind).map(({ data, actor }) => ({ data, actor }));
}

test("groups, labels and notes are set for several hosts at once, told once each, and kept", async () => {
  const core = await room(3);
  const { desk } = core;
  const mueller = <T>(work: () => Promise<T>) => actingAs({ name: "mueller" }, work);
  await mueller(() => desk.setGroup(["lab-01", "lab-02"], "room-b"));
  await mueller(() => desk.setGroup(["lab-01"], "room-b"));
  assert.equal((await told(core, "host.group")).length, 2);
  assert.deepEqual((await told(core, "host.group"))[0], { data: { from: null, group: "room-b" }, actor: "mueller" });
  const labelled = await desk.label(["room-b"], { add: ["kiosk", "floor:2", "kiosk"], remove: [] });
  assert.deepEqual(
    labelled.map(({ name, labels }) => [name, labels]),
    [
      ["lab-01", ["floor:2", "kiosk"]],
      ["lab-02", ["floor:2", "kiosk"]],
    ],
  );
  await desk.label(["lab-02"], { add: ["KIOSK"], remove: ["Floor:2", "never"] });
  assert.deepEqual((await core.hosts.find("lab-02")).labels, ["kiosk"]);
  await desk.note(["lab-03"], "  fan is loud\nnew disk  ");
  assert.equal((await core.hosts.find("lab-03")).note, "fan is loud\nnew disk");
  await desk.note(["lab-03"], " ");
  assert.equal((await core.hosts.find("lab-03")).note, null);
  await desk.setGroup(["lab-03"], "ROOM-B");
  assert.equal((await core.hosts.find("lab-03")).group, "room-b");
  await desk.setGroup(["room-b"], null);
  assert.deepEqual(
    (await core.hosts.list()).map(({ group }) => group),
    [null, null, null],
  );
  // They go with their host.
  await core.hosts.forget("lab-01");
  assert.equal((await core.db.selectFrom("host_labels").selectAll().execute()).length, 1);
});

test("what cannot be a group, a label, a note or a reason is refused, and nothing is changed", async () => {
  const core = await room(2);
  const { desk } = core;
  for (const name of ["", "any", "a b", "-a", "x".repeat(64), "a=b"]) {
    await assert.rejects(desk.setGroup(["lab-01"], name), { code: "GROUP_NAME" });
  }
  for (const name of ["", "a b", "a,b", "a=b", "ä"]) {
    await assert.rejects(desk.label(["lab-01"], { add: ["fine", name], remove: [] }), { code: "LABEL_NAME" });
  }
  await assert.rejects(desk.note(["lab-01"], "\u001b[2J"), { code: "NOTE_INVALID" });
  await assert.rejects(desk.note(["lab-01"], "x".repeat(2001)), { code: "NOTE_INVALID" });
  for (const reason of ["", "  ", "two\nlines", "x".repeat(201)]) {
    await assert.rejects(desk.lock(["lab-01"], { reason, untilMs: null }), { code: "REASON_INVALID" });
  }
  for (const untilMs of [core.nowMs, core.nowMs - 1, Number.NaN]) {
    await assert.rejects(desk.lock(["lab-01"], { reason: "exam", untilMs }), { code: "LOCK_INVALID" });
  }
  const many = Array.from({ length: 33 }, (_, at) => `label-${at}`);
  await assert.rejects(desk.label(["lab-01", "lab-02"], { add: many, remove: [] }), { code: "LABELS_FULL" });
  await assert.rejects(desk.setGroup(["lab-01", "lab-09"], "room-b"), { code: "HOST_UNKNOWN" });
  for (const { group, labels, note, lock } of await core.hosts.list()) {
    assert.deepEqual([group, labels, note, lock], [null, [], null, null]);
  }
});

test("a host that nobody knew waits for approval where that is asked for; what is known stays approved", async () => {
  const core = await Core.open({ approve: "ask" });
  const { hostId, token } = await core.hosts.register(machine(1));
  assert.equal((await core.hosts.find("lab-01")).isApproved, false);
  assert.equal(await core.hosts.isToken(hostId, token), true);
  assert.equal(await core.hosts.isApprovedToken(hostId, token), false);
  const [registered] = await told(core, "host.registered");
  assert.equal(registered?.data["isApproved"], false);
  await actingAs({ name: "mueller" }, () => core.desk.approve(["lab-01"]));
  await core.desk.approve(["lab-01"]);
  assert.deepEqual(await told(core, "host.approved"), [{ data: { name: "lab-01" }, actor: "mueller" }]);
  assert.equal(await core.hosts.isApprovedToken(hostId, token), true);
  const again = await core.hosts.register(machine(1));
  assert.equal((await core.hosts.find("lab-01")).isApproved, true);
  assert.equal(await core.hosts.isApprovedToken(hostId, again.token), true);
  assert.equal(await core.hosts.isApprovedToken(hostId, token), false);
});

test("a lock names who, why and until when; a later one takes its place, and unlocking ends it", async () => {
  const core = await room(1);
  const untilMs = core.nowMs + HOUR;
  await actingAs({ name: "mueller" }, () => core.desk.lock(["lab-01"], { reason: " exam ", untilMs }));
  const sinceMs = core.nowMs;
  assert.deepEqual((await core.hosts.find("lab-01")).lock, { reason: "exam", by: "mueller", sinceMs, untilMs });
  await core.desk.lock(["lab-01"], { reason: "still exam", untilMs: null });
  assert.equal((await core.hosts.find("lab-01")).lock?.untilMs, null);
  await core.desk.unlock(["lab-01"]);
  await core.desk.unlock(["lab-01"]);
  assert.equal((await core.hosts.find("lab-01")).lock, null);
  assert.deepEqual(
    (await told(core, "host.unlocked")).map(({ data }) => data),
    [{ reason: "still exam" }],
  );
});

test("what people said of a host is kept when it registers again", async () => {
  const core = await room(1);
  await core.desk.setGroup(["lab-01"], "room-b");
  await core.desk.label(["lab-01"], { add: ["kiosk"], remove: [] });
  await core.desk.note(["lab-01"], "fan is loud");
  await core.desk.lock(["lab-01"], { reason: "exam", untilMs: null });
  await core.hosts.register(machine(1));
  const { group, labels, note, lock } = await core.hosts.find("lab-01");
  assert.deepEqual([group, labels, note, lock?.reason], ["room-b", ["kiosk"], "fan is loud", "exam"]);
});
