import assert from "node:assert/strict";
import { test } from "node:test";
import { LOST_AFTER_MS } from "../../../server/orders/deploy-rules.ts";
import { OrderReports } from "../../../server/orders/reports.ts";
import { Core, machine, NETWORK } from "../core.ts";

/** Two hosts with an order, and reports that count what they look at besides their own host. */
async function room() {
  const core = await Core.open();
  const ids: string[] = [];
  for (const number of [1, 2]) ids.push((await core.hosts.register(machine(number))).hostId);
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: ids });
  for (const id of ids) await core.orders.orderFor(id, NETWORK);
  const counted = { looks: 0, closes: 0 };
  const db = new Proxy(core.db, {
    get: (target, name) => {
      if (name === "selectFrom") counted.looks += 1;
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const reports = new OrderReports({
    db,
    events: core.events,
    streams: Object.assign(Object.create(core.streams), {
      closeIdle: async () => {
        counted.closes += 1;
      },
    }),
    progress: core.hosts.progress,
    sign: () => "signed",
    now: () => core.nowMs,
  });
  const say = (at: number, state: "preflight" | "erasing" | "receiving" | "verifying" | "rebooting", percent = 0) =>
    reports.report(ids[at]!, { state, detail: "", percent, deployId: String(deployId) });
  const orderOf = async (at: number) =>
    core.db.selectFrom("deploy_hosts").selectAll().where("host_id", "=", ids[at]!).executeTakeFirstOrThrow();
  return { core, counted, say, orderOf };
}

test("a report of how far a host is looks at no other host, and changes nothing of its order", async () => {
  const { core, counted, say, orderOf } = await room();
  for (const at of [0, 1]) for (const state of ["preflight", "erasing", "receiving"] as const) await say(at, state);
  const before = await orderOf(0);
  const found = { ...counted };
  for (let percent = 1; percent < 90; percent += 1) {
    core.nowMs += 1000;
    assert.equal((await say(0, "receiving", percent)).proceed, true);
  }
  assert.deepEqual(counted, found);
  assert.deepEqual(await orderOf(0), before);
  const host = await core.hosts.find("lab-01");
  assert.deepEqual([host.percent, host.lastSeenMs], [89, core.nowMs]);
  await say(0, "rebooting");
  assert.equal(counted.closes, found.closes + 1, "who is through may have been the last");
  assert.equal((await orderOf(0)).state, "done");
  await core.deploys.cancel(before.deploy_id);
  assert.equal((await say(1, "receiving", 50)).proceed, false);
  assert.equal(counted.closes, found.closes + 2, "and who is stopped");
  await core.db.destroy();
});

test("who is heard again after half a day is lost all the same, also when another reports each second", async () => {
  const { core, say, orderOf } = await room();
  for (const at of [0, 1]) for (const state of ["preflight", "erasing", "receiving"] as const) await say(at, state);
  for (let quarter = 0; quarter < 2; quarter += 1) {
    core.nowMs += LOST_AFTER_MS / 2;
    assert.equal((await say(0, "receiving", quarter)).proceed, true);
  }
  assert.equal((await orderOf(1)).state, "running", "not yet");
  core.nowMs += 1;
  assert.equal((await say(1, "receiving", 50)).proceed, false);
  assert.match(String((await orderOf(1)).fault), /DEPLOY_LOST/);
  assert.equal((await orderOf(0)).state, "running");
  await core.db.destroy();
});

test("a clock that is set back and forward again hides nobody who is lost", async () => {
  const { core, say, orderOf } = await room();
  for (const at of [0, 1]) for (const state of ["preflight", "erasing", "receiving"] as const) await say(at, state);
  core.nowMs -= 500_000;
  assert.equal((await say(0, "receiving", 1)).proceed, true);
  core.nowMs += 500_000 + LOST_AFTER_MS + 1;
  assert.equal((await say(1, "receiving", 2)).proceed, false);
  assert.equal((await orderOf(0)).state, "failed", "it was heard before the clock went forward");
  await core.db.destroy();
});
