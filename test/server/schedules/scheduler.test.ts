import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { CONTRACT_VERSION as contract } from "../../../agent/contract.ts";
import { Fault } from "../../../fault.ts";
import { actingAs } from "../../../server/access/actor.ts";
import type { StoredEvent } from "../../../server/events.ts";
import type { DeployRequest } from "../../../server/orders/deploy-plan.ts";
import { Scheduler } from "../../../server/schedules/scheduler.ts";
import { type NewSchedule, Schedules } from "../../../server/schedules/schedules.ts";
import { Core, machine, NETWORK } from "../core.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const midnight = Date.UTC(2026, 10, 23);
const due = midnight + 3 * HOUR_MS;

const nightly: NewSchedule = {
  name: "kiosks",
  cron: "0 3 * * *",
  timeZone: "UTC",
  windowMs: 2 * HOUR_MS,
  wakeBeforeMs: 0,
  quietHours: [],
  isWaking: true,
  missed: "run",
  skipsUsed: false,
  request: { image: "lab-debian", to: ["lab-01", "lab-02"], erase: "none" },
  madeBy: "mueller",
};

/** A room of two hosts, and a clock at midnight. */
async function room(t: TestContext) {
  const core = await Core.open();
  t.after(() => core.db.destroy());
  core.nowMs = midnight;
  const ids: string[] = [];
  for (const number of [1, 2]) ids.push((await core.hosts.register(machine(number, { contract }))).hostId);
  const { db, events, deploys, log } = core;
  const now = () => core.nowMs;
  const closeIdle = (deployId: number) => core.streams.closeIdle(deployId);
  const schedules = new Schedules({ db, events, plan: (request) => deploys.plan(request), closeIdle, now });
  const order = (request: DeployRequest) => deploys.create(request);
  const select = (words: readonly string[]) => core.hosts.select(words);
  const inUse = async () => new Set<string>();
  const start = (more: Partial<ConstructorParameters<typeof Scheduler>[0]> = {}) =>
    new Scheduler({ db, events, order, select, inUse, closeIdle, log, now, ...more });
  const told = async () => (await events.list()).filter(({ kind }) => kind.startsWith("schedule."));
  const kinds = async () => (await told()).map(({ kind }) => kind.replace("schedule.", ""));
  const run = async () => (await schedules.runs("kiosks", { limit: 1 }))[0];
  const finish = async (hostId: string, state: "done" | "failed" = "done") => {
    const order = await core.orders.orderFor(hostId, NETWORK);
    assert(order.kind === "deploy");
    await core.report(hostId, "preflight", Number(order.deployId));
    const fault = state === "failed" ? { fault: new Fault("DISK", { what: "w", why: "y", fix: "f" }).toJSON() } : {};
    await core.report(hostId, state, Number(order.deployId), fault);
  };
  return { core, ids, schedules, start, told, kinds, run, finish };
}

test("at its time the order is given, hosts that are off are woken, and the end is told", async (t) => {
  const { core, ids, schedules, start, told, run, finish } = await room(t);
  await actingAs({ name: "mueller" }, () => schedules.add(nightly));
  const scheduler = start();
  core.nowMs = due - 1;
  await scheduler.look();
  assert.deepEqual([await run(), core.opened.length], [undefined, 0]);
  core.nowMs = due + 2000;
  await scheduler.look();
  const running = await run();
  assert.deepEqual([running?.state, running?.deployId, running?.endsAtMs], ["running", 1, due + 2 * HOUR_MS]);
  await core.conductor.look();
  assert.deepEqual(core.woken.toSorted(), ["lab-01", "lab-02"], "with the order there");
  const order = await core.orders.orderFor(ids[0]!, NETWORK);
  assert.equal(order.kind, "deploy");
  await core.report(ids[0]!, "preflight", 1);
  core.nowMs += MINUTE_MS;
  await scheduler.look();
  await core.report(ids[0]!, "done", 1);
  await finish(ids[1]!, "done");
  await scheduler.look();
  assert.deepEqual([(await run())?.state, (await run())?.why], ["done", "2 done."]);
  core.nowMs += HOUR_MS;
  await scheduler.look();
  const events = await told();
  assert.deepEqual(
    events.map(({ kind, actor }: StoredEvent) => [kind, actor]),
    [
      ["schedule.added", "mueller"],
      ["schedule.started", null],
      ["schedule.ended", null],
    ],
  );
  const [created] = (await core.events.list({ deployId: 1 })).filter(({ kind }) => kind === "deploy.created");
  assert.equal(created?.actor, "schedule kiosks");
  assert.equal(created?.data["erase"], "none");
  assert.equal(schedules.next(await schedules.find("kiosks"), 1)[0]?.dueAtMs, due + 24 * HOUR_MS);
});

test("what the disks hold is confirmed by nobody", async (t) => {
  const { core, schedules, start } = await room(t);
  const [disk] = machine(1).disks;
  await core.hosts.register(machine(1, { contract, disks: [{ ...disk!, serial: "A", holds: [] }] }));
  await schedules.add(nightly);
  core.nowMs = due;
  await start().look();
  const rows = await core.db.selectFrom("deploy_hosts").select("confirmed").execute();
  assert.deepEqual(
    rows.map(({ confirmed }) => confirmed),
    ["[]", "[]"],
  );
});

test("when the window is over, whose disk is not begun is left alone and the others go on", async (t) => {
  const { core, ids, schedules, start, kinds, run } = await room(t);
  await schedules.add(nightly);
  const scheduler = start();
  core.nowMs = due;
  await scheduler.look();
  for (const id of ids) {
    await core.orders.orderFor(id, NETWORK);
    await core.report(id, "preflight", 1);
  }
  assert.equal((await core.report(ids[0]!, "erasing", 1, { challenge: "c" })).proceed, true);
  core.nowMs = due + 2 * HOUR_MS;
  await scheduler.look();
  // It was switched off in its preflight, and comes back in the morning.
  assert.equal((await core.report(ids[1]!, "erasing", 1, { challenge: "c" })).proceed, false);
  const rows = await core.db.selectFrom("deploy_hosts").select(["host_id", "state"]).execute();
  const stateOf = new Map(rows.map(({ host_id, state }) => [host_id, state]));
  assert.deepEqual(
    ids.map((id) => stateOf.get(id)),
    ["running", "cancelled"],
  );
  assert.deepEqual(await core.orders.bootPolicyOf(machine(2).mac), { boot: "disk" });
  assert.equal((await run())?.state, "running");
  await core.report(ids[0]!, "done", 1);
  await scheduler.look();
  assert.deepEqual([(await run())?.state, (await run())?.why], ["done", "1 done, 1 did not come in time."]);
  assert.deepEqual((await kinds()).slice(-2), ["window-over", "ended"]);
});

test("nobody came, somebody failed, somebody stopped it", async (t) => {
  const { core, ids, schedules, start, run, finish } = await room(t);
  await schedules.add(nightly);
  const scheduler = start();
  core.nowMs = due;
  await scheduler.look();
  core.nowMs = due + 2 * HOUR_MS;
  await scheduler.look();
  await scheduler.look();
  assert.deepEqual([(await run())?.state, (await run())?.why], ["failed", "0 done, 2 did not come in time."]);
  core.nowMs = due + 24 * HOUR_MS;
  await scheduler.look();
  await finish(ids[0]!, "failed");
  await finish(ids[1]!);
  await scheduler.look();
  assert.deepEqual([(await run())?.state, (await run())?.why], ["failed", "1 done, 1 failed."]);
  core.nowMs = due + 48 * HOUR_MS;
  await scheduler.look();
  await core.deploys.cancel((await run())!.deployId!);
  await scheduler.look();
  assert.deepEqual([(await run())?.state, (await run())?.why], ["stopped", "0 done, 2 stopped."]);
  assert.equal((await schedules.runs("kiosks", { limit: 2 })).length, 2);
  assert.equal((await schedules.runs("kiosks", { limit: 9, before: due + 24 * HOUR_MS })).length, 1);
});

test("what was missed while the server was down is told; the last one runs while its window is open", async (t) => {
  const { core, schedules, start, told, run } = await room(t);
  await schedules.add(nightly);
  await schedules.add({ ...nightly, name: "once", missed: "skip", request: { ...nightly.request, to: ["lab-02"] } });
  core.nowMs = due + 48 * HOUR_MS + HOUR_MS;
  await start().look();
  assert.equal((await run())?.state, "running");
  const events = (await told()).filter(({ kind }) => kind !== "schedule.added");
  assert.deepEqual(
    events.map(({ kind, data }) => [kind, data["schedule"], data["count"] ?? data["lateMs"]]),
    [
      ["schedule.missed", "kiosks", 2],
      ["schedule.started", "kiosks", HOUR_MS],
      ["schedule.missed", "once", 2],
      ["schedule.missed", "once", 1],
    ],
  );
});

test("hosts that are busy or locked are left out and told; when nobody is left, the time is", async (t) => {
  const { core, ids, schedules, start, told, run, finish } = await room(t);
  await schedules.add(nightly);
  await core.deploys.create({ image: "lab-debian", to: ["lab-02"] });
  const scheduler = start();
  core.nowMs = due;
  await scheduler.look();
  await finish(ids[0]!);
  await scheduler.look();
  assert.equal((await run())?.state, "done");
  assert.match((await run())?.why ?? "", /^1 done\. lab-02 was left alone: session 1 /);
  await core.deploys.create({ image: "lab-debian", to: ["lab-01"] });
  core.nowMs = due + 24 * HOUR_MS;
  await scheduler.look();
  assert.equal((await run())?.state, "skipped");
  const last = (await told()).at(-1);
  assert.equal(last?.kind, "schedule.skipped");
  assert.match(JSON.stringify(last.data["fault"]), /HOSTS_SKIPPED/);
});

test("its words are read anew each time: who joined and who is gone is told, and a word that means nobody is left out", async (t) => {
  const { core, ids, schedules, start, run, finish } = await room(t);
  await core.desk.label(["lab-01", "lab-02"], { add: ["kiosk"], remove: [] });
  await schedules.add({ ...nightly, request: { ...nightly.request, to: ["label=kiosk", "lab-02"] } });
  const scheduler = start();
  core.nowMs = due;
  await scheduler.look();
  for (const id of ids) await finish(id);
  await scheduler.look();
  assert.equal((await run())?.why, "2 done.", "nothing to compare with");
  const { hostId } = await core.hosts.register(machine(3, { contract }));
  await core.desk.label(["lab-03"], { add: ["kiosk"], remove: [] });
  await core.hosts.forget("lab-02");
  core.nowMs = due + 24 * HOUR_MS;
  await scheduler.look();
  assert.deepEqual((await run())?.leftOut, [{ name: "lab-02", why: 'There is no host "lab-02"' }]);
  for (const id of [ids[0]!, hostId]) await finish(id);
  await scheduler.look();
  assert.deepEqual(
    [(await run())?.state, (await run())?.why],
    [
      "done",
      '2 done. lab-02 was left alone: There is no host "lab-02". New since the last time: lab-03. No longer meant: lab-02.',
    ],
  );
  const outlook = await schedules.outlookOf(await schedules.find("kiosks"));
  assert.deepEqual([outlook.fault, outlook.leftOut.map(({ name }) => name)], [undefined, ["lab-02"]]);
  await core.hosts.forget("lab-01");
  await core.hosts.forget("lab-03");
  core.nowMs = due + 48 * HOUR_MS;
  await scheduler.look();
  assert.deepEqual([(await run())?.state, (await core.sessions.list()).length], ["failed", 2], "nobody is meant");
  assert.equal((await schedules.outlookOf(await schedules.find("kiosks"))).fault?.code, "LABEL_UNKNOWN");
});

test("a word that means nobody is told of an order in waves, too, whose other words are one host each", async (t) => {
  const { core, schedules } = await room(t);
  await core.hosts.register(machine(3, { contract }));
  const to = ["lab-01", "lab-02", "lab-03"];
  await schedules.add({ ...nightly, request: { ...nightly.request, to, waves: { canary: 1 } } });
  await core.hosts.forget("lab-02");
  const { fault, leftOut } = await schedules.outlookOf(await schedules.find("kiosks"));
  assert.deepEqual([fault, leftOut.map(({ name }) => name)], [undefined, ["lab-02"]]);
});

test("an order that cannot be given fails the run with its reason", async (t) => {
  const { core, schedules, start, told, run } = await room(t);
  await schedules.add(nightly);
  const order = () => Promise.reject(new Fault("IMAGE_MISSING", { what: "It is gone.", why: "Removed.", fix: "-" }));
  core.nowMs = due;
  await start({ order }).look();
  assert.deepEqual([(await run())?.state, (await run())?.why], ["failed", "It is gone. Removed."]);
  assert.equal((await told()).at(-1)?.kind, "schedule.ended");
});

test("what fails for now, like the database, is tried again until the window is over", async (t) => {
  const { core, schedules, start, run } = await room(t);
  await schedules.add(nightly);
  let tries = 0;
  const order = () => {
    tries += 1;
    return Promise.reject(new Error("the disk is full"));
  };
  const scheduler = start({ order });
  core.nowMs = due;
  await scheduler.look();
  await scheduler.look();
  assert.deepEqual([(await run())?.state, tries], ["opening", 2]);
  core.nowMs = due + 2 * HOUR_MS;
  await scheduler.look();
  assert.deepEqual([(await run())?.state, tries], ["failed", 2]);
});

test("one that is paused lets its times pass; one that is removed leaves those alone that have not begun", async (t) => {
  const { core, ids, schedules, start, kinds, run } = await room(t);
  await schedules.add(nightly);
  const scheduler = start();
  await schedules.pause("kiosks", true);
  assert.deepEqual(schedules.next(await schedules.find("kiosks"), 3), []);
  core.nowMs = due;
  await scheduler.look();
  core.nowMs = due + HOUR_MS;
  await schedules.pause("kiosks", false);
  await schedules.pause("kiosks", false);
  await scheduler.look();
  assert.equal(await run(), undefined, "not made up for");
  core.nowMs = due + 24 * HOUR_MS;
  await scheduler.look();
  await core.orders.orderFor(ids[0]!, NETWORK);
  await core.report(ids[0]!, "erasing", 1, { challenge: "c" });
  await schedules.remove("kiosks");
  await scheduler.look();
  const rows = await core.db.selectFrom("deploy_hosts").select("state").execute();
  assert.deepEqual(rows.map(({ state }) => state).toSorted(), ["cancelled", "running"]);
  await assert.rejects(schedules.remove("kiosk"), { code: "SCHEDULE_UNKNOWN" });
  assert.deepEqual(await kinds(), ["added", "paused", "resumed", "started", "window-over", "removed"]);
});

test("one that is removed leaves hosts alone whose run goes on for so long that others were left out for it", async (t) => {
  const { core, schedules, start, run } = await room(t);
  await schedules.add({ ...nightly, windowMs: 30 * HOUR_MS });
  const scheduler = start();
  core.nowMs = due;
  await scheduler.look();
  core.nowMs = due + 24 * HOUR_MS;
  await scheduler.look();
  assert.equal((await run())?.state, "skipped");
  await schedules.remove("kiosks");
  const rows = await core.db.selectFrom("deploy_hosts").select("state").execute();
  assert.deepEqual(
    rows.map(({ state }) => state),
    ["cancelled", "cancelled"],
  );
});

test("one that is paused before its order is given gives none", async (t) => {
  const { core, schedules, start, run } = await room(t);
  await schedules.add({ ...nightly, skipsUsed: true });
  const inUse = () => Promise.reject(new Error("killed here"));
  core.nowMs = due;
  await start({ inUse }).look();
  assert.equal((await run())?.state, "opening");
  await schedules.pause("kiosks", true);
  await start().look();
  assert.deepEqual([(await run())?.state, (await core.sessions.list()).length], ["skipped", 0]);
  await schedules.pause("kiosks", false);
  const order = async (request: DeployRequest) => {
    await core.db.updateTable("schedules").set({ is_paused: 1 }).execute();
    return core.deploys.create(request);
  };
  core.nowMs = due + 24 * HOUR_MS;
  await start({ order }).look();
  assert.deepEqual([(await run())?.state, (await core.sessions.list()).length], ["failed", 0]);
});

test("one that runs on time or not at all is not begun late by a server that was killed in between", async (t) => {
  const { core, schedules, start, run } = await room(t);
  await schedules.add({ ...nightly, skipsUsed: true, missed: "skip" });
  const inUse = () => Promise.reject(new Error("killed here"));
  core.nowMs = due;
  await start({ inUse }).look();
  core.nowMs = due + HOUR_MS;
  await start().look();
  assert.deepEqual([(await run())?.state, (await core.sessions.list()).length], ["failed", 0]);
});

test("a time that was ordered early, to wake the hosts, is not ordered again after a pause", async (t) => {
  const { core, schedules, start } = await room(t);
  await schedules.add({ ...nightly, wakeBeforeMs: HOUR_MS });
  core.nowMs = due - HOUR_MS;
  const scheduler = start();
  await scheduler.look();
  assert.equal((await core.sessions.list()).length, 1);
  core.nowMs += MINUTE_MS;
  await schedules.pause("kiosks", true);
  await schedules.pause("kiosks", false);
  assert.equal(schedules.next(await schedules.find("kiosks"), 1)[0]?.dueAtMs, due + 24 * HOUR_MS);
});

test("what cannot be scheduled is refused with its reason", async (t) => {
  const { schedules } = await room(t);
  const refuse = (more: Partial<NewSchedule>, code: string) =>
    assert.rejects(schedules.add({ ...nightly, ...more }), { code }, JSON.stringify(more));
  await refuse({ name: "a b" }, "SCHEDULE_INVALID");
  await refuse({ windowMs: 1000 }, "SCHEDULE_INVALID");
  await refuse({ wakeBeforeMs: 3 * HOUR_MS }, "SCHEDULE_INVALID");
  await refuse({ request: { image: "lab-debian", to: "any" } }, "SCHEDULE_INVALID");
  await refuse({ request: { image: "lab-debian", to: ["nobody"] } }, "HOST_UNKNOWN");
  await refuse({ request: { image: "nothing", to: ["lab-01"] } }, "IMAGE_MISSING");
  await schedules.add(nightly);
  await refuse({}, "SCHEDULE_EXISTS");
  await assert.rejects(schedules.find("kiosk"), { code: "SCHEDULE_UNKNOWN", fix: /Maybe "kiosks"/ });
});

test("a server that is killed before any of its writes gives each order once, and tells everything once", async (t) => {
  for (let cut = 1; ; cut += 1) {
    const { core, ids, schedules, start, kinds, run, finish } = await room(t);
    await schedules.add(nightly);
    const { events } = core;
    const change = events.change.bind(events);
    let left = cut;
    // Killed: nothing is written any more until the next start.
    events.change = (work) => {
      left -= 1;
      return left <= 0 ? Promise.reject(new Error("killed")) : change(work);
    };
    const looks = async (scheduler: Scheduler) => {
      for (const _ of [1, 2, 3]) await scheduler.look();
    };
    core.nowMs = due;
    await looks(start());
    const isUncut = left > 0;
    events.change = change;
    core.nowMs += 30_000;
    await looks(start());
    assert.equal((await core.db.selectFrom("deploys").select("id").execute()).length, 1, `cut ${cut}`);
    for (const id of ids) await finish(id);
    left = cut;
    events.change = (work) => {
      left -= 1;
      return left <= 0 ? Promise.reject(new Error("killed")) : change(work);
    };
    await looks(start());
    events.change = change;
    await looks(start());
    assert.equal((await run())?.state, "done");
    assert.deepEqual(await kinds(), ["added", "started", "ended"], `cut ${cut}`);
    if (isUncut) break;
    assert(cut < 20);
  }
});

test("two servers at the same moment give one order", async (t) => {
  const { core, schedules, start, kinds } = await room(t);
  await schedules.add(nightly);
  core.nowMs = due;
  const servers = [start(), start()];
  await Promise.all(servers.map((server) => server.look()));
  await Promise.all(servers.map((server) => server.look()));
  assert.equal((await core.db.selectFrom("deploys").select("id").execute()).length, 1);
  assert.equal((await kinds()).filter((kind) => kind === "started").length, 1);
  assert.equal((await kinds()).filter((kind) => kind === "ended").length, 0);
});

test("a schedule that is removed while its order is given takes the order with it", async (t) => {
  const { core, schedules, start } = await room(t);
  await schedules.add(nightly);
  const { db, deploys } = core;
  const order = async (request: DeployRequest) => {
    await db.deleteFrom("schedules").execute();
    return deploys.create(request);
  };
  core.nowMs = due;
  await start({ order }).look();
  assert.deepEqual(await db.selectFrom("deploys").selectAll().execute(), []);
});

test("hosts whose own system runs are left out where that is asked for, and it is told", async (t) => {
  const { core, ids, schedules, start, told, run, finish } = await room(t);
  await schedules.add({ ...nightly, skipsUsed: true });
  const asked: (readonly string[])[] = [];
  let used = new Set([ids[1]!]);
  const inUse = async (hostIds: readonly string[]) => {
    asked.push(hostIds);
    return used;
  };
  const scheduler = start({ inUse });
  core.nowMs = due;
  await scheduler.look();
  assert.deepEqual(asked, [ids]);
  await finish(ids[0]!);
  await scheduler.look();
  assert.equal((await run())?.why, "1 done. lab-02 was left alone: its own system runs.");
  const { target } = await core.db.selectFrom("deploys").select("target").executeTakeFirstOrThrow();
  assert.equal(target, "lab-01, lab-02", "as people call it");
  used = new Set(ids);
  core.nowMs = due + 24 * HOUR_MS;
  await scheduler.look();
  assert.deepEqual([(await run())?.state, (await run())?.leftOut.length], ["skipped", 2]);
  assert.match(JSON.stringify((await told()).at(-1)?.data), /They run systems of their own: lab-01, lab-02\./);
});

test("a stop waits for nobody who is looked for, and the next start goes on", async (t) => {
  const { core, schedules, start, run } = await room(t);
  await schedules.add({ ...nightly, skipsUsed: true });
  const looked = Promise.withResolvers<void>();
  const inUse = (_: readonly string[], signal: AbortSignal) => {
    looked.resolve();
    return new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  };
  core.nowMs = due;
  const stop = start({ inUse }).watch();
  await looked.promise;
  await stop();
  assert.equal((await run())?.state, "opening");
  await start().look();
  assert.equal((await run())?.state, "running");
});
