import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CONTRACT_VERSION } from "../../../agent/contract.ts";
import { Fault } from "../../../fault.ts";
import { CaptureOrders } from "../../../server/capture/orders.ts";
import { hindranceOf } from "../../../server/hosts/lock.ts";
import { Core, machine, NETWORK } from "../core.ts";
import { runs } from "../databases.ts";

const MINUTE = 60_000;
const challenge = "ab".repeat(32);
const mac = machine(1).mac;

async function site(options: Parameters<typeof Core.open>[0] = {}) {
  const core = await Core.open({ isRegistering: false, ...options });
  const { hostId } = await core.hosts.register(machine(1, { contract: CONTRACT_VERSION }));
  const order = () => core.orders.orderFor(hostId, NETWORK);
  const permit = (deployId: number) => core.report(hostId, "erasing", deployId, { challenge });
  const lock = (untilMs: number | null = null) => core.desk.lock(["lab-01"], { reason: "exam", untilMs });
  return { core, hostId, order, permit, lock };
}

test("a locked host is given no order, starts its disk, and goes on when the lock ends", async () => {
  const { core, order, lock } = await site();
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: ["lab-01"] });
  assert.deepEqual(await core.orders.bootPolicyOf(mac), { boot: "agent" });
  await lock(core.nowMs + 10 * MINUTE);
  assert.deepEqual(await core.orders.bootPolicyOf(mac), { boot: "disk" });
  const held = await order();
  assert.equal(held.kind, "wait");
  assert.match(held.reason, new RegExp(`Session ${deployId} does not erase this machine: it is locked by .*"exam"`));
  core.nowMs += 10 * MINUTE - 1;
  assert.deepEqual(await core.orders.bootPolicyOf(mac), { boot: "disk" });
  assert.equal((await order()).kind, "wait");
  core.nowMs += 1;
  assert.deepEqual(await core.orders.bootPolicyOf(mac), { boot: "agent" });
  assert.equal((await order()).kind, "deploy");
});

test("a locked host that waits in its agent starts its disk in the end", async () => {
  const { core, order, lock } = await site();
  await core.deploys.create({ image: "lab-debian", to: ["lab-01"] });
  await lock();
  core.nowMs += 31 * MINUTE;
  assert.equal((await order()).kind, "boot-disk");
  await core.desk.unlock(["lab-01"]);
  assert.equal((await order()).kind, "deploy");
});

test("a host that is locked between its order and its erase gets no permit, and nothing counts as begun", async () => {
  const { core, hostId, order, permit, lock } = await site();
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: ["lab-01"] });
  assert.equal((await order()).kind, "deploy");
  assert.equal((await core.report(hostId, "preflight", deployId)).proceed, true);
  await lock();
  assert.equal((await core.report(hostId, "preflight", deployId)).proceed, false);
  const refused = await permit(deployId);
  assert.deepEqual([refused.proceed, refused.permit], [false, undefined]);
  assert.match(refused.reason, /locked by/);
  const row = await core.db.selectFrom("deploy_hosts").selectAll().executeTakeFirstOrThrow();
  assert.deepEqual([row.attempts, row.begun_disk], [0, null]);
  await core.desk.unlock(["lab-01"]);
  const given = await permit(deployId);
  assert.deepEqual([given.proceed, typeof given.permit], [true, "string"]);
});

test("a host whose disk is begun cannot be locked until that is over", async () => {
  const { core, hostId, order, permit, lock } = await site();
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: ["lab-01"] });
  await order();
  await permit(deployId);
  await assert.rejects(lock(), { code: "HOST_BUSY", fix: new RegExp(`session stop ${deployId}`) });
  await core.report(hostId, "failed", deployId);
  await lock();
});

test("an order to any host takes no locked host along, and takes it when it is unlocked", async () => {
  const { core, order, lock } = await site();
  await lock();
  await core.deploys.create({ image: "lab-debian", to: "any" });
  assert.deepEqual(await core.orders.bootPolicyOf(mac), { boot: "disk" });
  assert.equal((await order()).kind, "wait");
  assert.deepEqual(await core.db.selectFrom("deploy_hosts").selectAll().execute(), []);
  await core.desk.unlock(["lab-01"]);
  assert.equal((await order()).kind, "deploy");
});

test("a host that nobody approved is never erased: not by an order to any, not by name, not by a permit", async () => {
  const { core, hostId, order, permit } = await site({ approve: "ask" });
  assert.match((await order()).reason, /^This machine is not approved yet: bootcast host approve lab-01\. Nothing is/);
  const any = await core.deploys.create({ image: "lab-debian", to: "any" });
  // It gets the agent, and waits there for somebody's word.
  assert.deepEqual(await core.orders.bootPolicyOf(mac), { boot: "agent" });
  const held = await order();
  assert.equal(held.kind, "wait");
  assert.match(held.reason, /not approved.*bootcast host approve lab-01/);
  assert.deepEqual(await core.db.selectFrom("deploy_hosts").selectAll().execute(), []);
  await core.desk.approve(["lab-01"]);
  assert.equal((await order()).kind, "deploy");
  // Whatever the tables say of it: the permit looks again.
  await core.db.updateTable("hosts").set({ is_approved: 0 }).where("id", "=", hostId).execute();
  const refused = await permit(any.deployId);
  assert.deepEqual([refused.proceed, refused.permit], [false, undefined]);
});

test("the disk of a locked host may be captured", async () => {
  const { core, hostId, order, lock } = await site();
  await lock();
  const { db, events, hosts } = core;
  const none = { versionsOf: async () => [], freeBytes: async () => 1e12 };
  const captures = new CaptureOrders({ db, events, hosts, ...none });
  const { deployId } = await captures.create({ host: hostId, image: "lab-07-disk" });
  assert.deepEqual(await core.orders.bootPolicyOf(mac), { boot: "agent" });
  assert.equal((await order()).kind, "capture");
  const answer = await core.report(hostId, "capturing", deployId, { challenge });
  assert.deepEqual([answer.proceed, typeof answer.permit], [true, "string"]);
});

test("a session says of a locked host why it waits", async () => {
  const { core, lock } = await site();
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: ["lab-01"] });
  await lock();
  const [host] = (await core.sessions.show(deployId)).hosts;
  assert.match(host?.heldBy ?? "", /^locked by .*: "exam"$/);
  await core.desk.unlock(["lab-01"]);
  assert.equal((await core.sessions.show(deployId)).hosts[0]?.heldBy, "");
});

/** What people and machines do, in any order; the errors are those that they are told. */
const steps = {
  lock: ({ core }: Played) => core.desk.lock(["lab-01"], { reason: "exam", untilMs: core.nowMs + 3 * MINUTE }),
  unlock: ({ core }: Played) => core.desk.unlock(["lab-01"]),
  approve: ({ core }: Played) => core.desk.approve(["lab-01"]),
  orderByName: ({ core }: Played) => core.deploys.create({ image: "lab-debian", to: ["lab-01"] }),
  orderToAny: ({ core }: Played) => core.deploys.create({ image: "lab-debian", to: "any" }),
  wait: async ({ core }: Played) => {
    core.nowMs += MINUTE;
  },
  ask: async (played: Played) => {
    const order = await played.order();
    if (order.kind !== "deploy") return;
    played.deployId = Number(order.deployId);
    assert.equal(await hindered(played), undefined, "an order to erase");
  },
  begin: async (played: Played) => {
    // An agent that was told nothing, too.
    const open = await played.core.db
      .selectFrom("deploy_hosts")
      .select("deploy_id")
      .where("state", "in", ["pending", "running"])
      .executeTakeFirst();
    played.deployId = open?.deploy_id ?? played.deployId;
    const answer = await played.permit(played.deployId);
    if (answer.permit !== undefined) assert.equal(await hindered(played), undefined, "a permit to erase");
    played.isBegun ||= answer.permit !== undefined;
  },
  end: async (played: Played) => {
    await played.core.report(played.hostId, "done", played.deployId);
    played.isBegun = false;
  },
};
type Played = Awaited<ReturnType<typeof site>> & { deployId: number; isBegun: boolean };

async function hindered({ core }: Played) {
  return hindranceOf(await core.hosts.find("lab-01"), core.nowMs)?.kind;
}

test("whatever people and machines do, in whatever order: nothing is erased on a locked or unapproved host", async () => {
  const often = { approve: 3, orderByName: 3, orderToAny: 1, ask: 3, begin: 4, lock: 2, unlock: 2, wait: 1, end: 1 };
  const names = Object.entries(often).flatMap(([name, count]) =>
    Array<keyof typeof steps>(count).fill(name as keyof typeof steps),
  );
  const games = fc.array(fc.constantFrom(...names), { minLength: 10, maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(games, async (game) => {
      const played: Played = { ...(await site({ approve: "ask" })), deployId: 0, isBegun: false };
      for (const name of game) {
        try {
          await steps[name](played);
        } catch (error) {
          if (!(error instanceof Fault)) throw error;
        }
        // Nor is a host locked whose disk is being written.
        if (played.isBegun) assert.equal(await hindered(played), undefined, `begun, and then ${name}`);
      }
      await played.core.db.destroy();
    }),
    { numRuns: runs(12) },
  );
});
