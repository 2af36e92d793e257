import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { checkPermit, newChallenge } from "../../../agent/client/permit.ts";
import { agentStates, CONTRACT_VERSION, capturePermitText, permitText, type Report } from "../../../agent/contract.ts";
import { CaptureOrders } from "../../../server/capture/orders.ts";
import { LOST_AFTER_MS, MAX_ATTEMPTS, type OrderState } from "../../../server/orders/deploy-rules.ts";
import { termsOf } from "../../../server/orders/disk-terms.ts";
import { hear, type StandingOrder } from "../../../server/orders/report-rules.ts";
import { Core, machine, NETWORK } from "../core.ts";
import { runs } from "../databases.ts";

const contract = CONTRACT_VERSION;

async function room(hosts: number, more: Parameters<typeof machine>[1] = { contract }) {
  const core = await Core.open({ hasMenu: true });
  const { db, events } = core;
  const captures = new CaptureOrders({
    db,
    events,
    hosts: core.hosts,
    versionsOf: async (name) => (name === "lab-debian" ? [1, 4] : []),
    freeBytes: async () => 1e9,
  });
  const ids: string[] = [];
  for (let number = 1; number <= hosts; number += 1) {
    ids.push((await core.hosts.register(machine(number, more))).hostId);
  }
  return { core, captures, ids };
}

test("the plan says what becomes of which disk, and orders nothing", async () => {
  const { core, captures, ids } = await room(1);
  const plan = await captures.plan({ host: "LAB-01" });
  assert.deepEqual([plan.image, plan.nextVersion, plan.host.id, plan.mostDiskBytes], ["lab-01", 1, ids[0], 5e9]);
  assert.match(plan.warning, /would not fit into the store/);
  assert.equal((await captures.plan({ host: "lab-01", image: "lab-debian" })).nextVersion, 5);
  assert.deepEqual(await core.orders.bootPolicyOf(machine(1).mac), { boot: "menu" });
  assert.deepEqual(await core.sessions.list(), []);
});

test("of two orders given at the same moment one stands, and the other is told why not", async () => {
  const { core, captures } = await room(2);
  const named = () => core.deploys.create({ image: "lab-debian", to: ["lab-01"] });
  const any = () => core.deploys.create({ image: "lab-debian", to: "any" });
  const captured = () => captures.create({ host: "lab-02" });
  const other = () => core.deploys.create({ image: "lab-debian", to: ["lab-02"] });
  for (const [one, two, code] of [
    [named, named, "HOST_BUSY"],
    [captured, other, "HOST_BUSY"],
    [any, any, "DEPLOY_EXISTS"],
  ] as const) {
    const results = await Promise.allSettled<unknown>([one(), two()]);
    const refused = results.filter((result) => result.status === "rejected");
    assert.equal(results.length - refused.length, 1);
    assert.deepEqual(
      refused.map(({ reason }) => reason.code),
      [code],
    );
  }
  assert.equal((await core.sessions.list()).length, 3);
});

test("what cannot be captured is refused before it is ordered", async () => {
  const { core, captures } = await room(2);
  await assert.rejects(captures.create({ host: "lab-09" }), { code: "HOST_UNKNOWN" });
  for (const image of ["", "../x", "a b", "x".repeat(65)]) {
    await assert.rejects(captures.create({ host: "lab-01", image }), { code: "IMAGE_NAME" });
  }
  await assert.rejects(captures.create({ host: "lab-01", notes: "x".repeat(1001) }), { code: "CAPTURE_INVALID" });
  const [disk] = machine(3).disks;
  for (const disks of [[], [{ ...disk!, isRemovable: true }], [{ ...disk!, transport: "usb" as const }]]) {
    await core.hosts.register(machine(3, { contract, disks }));
    await assert.rejects(captures.create({ host: "lab-03" }), { code: "CAPTURE_INVALID" });
  }
  await core.hosts.register(machine(3, { contract, disks: [disk!, { ...disk!, path: "/dev/vdb" }] }));
  assert.match((await captures.plan({ host: "lab-03" })).warning, /it will refuse/);
});

test("a host has one order at a time, of whatever kind", async () => {
  const { core, captures, ids } = await room(2);
  await captures.create({ host: "lab-01" });
  await assert.rejects(captures.create({ host: "lab-01" }), { code: "HOST_BUSY" });
  await assert.rejects(core.deploys.create({ image: "lab-debian", to: ["lab-01"] }), { code: "HOST_BUSY" });
  await core.deploys.create({ image: "lab-debian", to: ["lab-02"] });
  await assert.rejects(captures.create({ host: "lab-02" }), { code: "HOST_BUSY" });
  assert.equal((await core.orders.orderFor(ids[0]!, NETWORK)).kind, "capture");
  assert.equal((await core.orders.orderFor(ids[1]!, NETWORK)).kind, "deploy");
});

test("the host is given the agent until it is done, then its disk; no stream is opened for it", async () => {
  const { core, captures, ids } = await room(1);
  const { deployId } = await captures.create({ host: "lab-01", keepFreeBlocks: true });
  assert.deepEqual(await core.orders.bootPolicyOf(machine(1).mac), { boot: "agent" });
  const order = await core.orders.orderFor(ids[0]!, NETWORK);
  assert.deepEqual(order, {
    kind: "capture",
    deployId: String(deployId),
    image: "lab-01",
    hostName: "lab-01",
    mostDiskBytes: 5e9,
    keepFreeBlocks: true,
    reason: `Session ${deployId}: the disk becomes the next version of lab-01.`,
  });
  for (const state of ["preflight", "capturing", "finishing"] as const) await core.report(ids[0]!, state, deployId);
  // A power cut: it comes back to the same order, and not at once.
  core.nowMs += 15_000;
  await core.hosts.register(machine(1, { contract }));
  assert.deepEqual(await core.orders.orderFor(ids[0]!, NETWORK), order);
  await core.db.updateTable("deploys").set({ image_version: 3 }).where("id", "=", deployId).execute();
  await core.report(ids[0]!, "rebooting", deployId);
  assert.deepEqual(await core.orders.bootPolicyOf(machine(1).mac), { boot: "menu" });
  assert.equal((await core.orders.orderFor(ids[0]!, NETWORK)).kind, "boot-disk");
  await core.streams.resume();
  assert.deepEqual(core.opened, []);
});

test("a host that leaves before its image is there has failed", async () => {
  const { core, captures, ids } = await room(1);
  const { deployId } = await captures.create({ host: "lab-01" });
  await core.report(ids[0]!, "capturing", deployId);
  assert.equal((await core.report(ids[0]!, "rebooting", deployId)).proceed, false);
  assert.equal((await core.sessions.show(deployId)).hosts[0]?.fault?.code, "CAPTURE_UNFINISHED");
});

test("an agent from before there were captures is not given one: the order fails and says why", async () => {
  const { core, captures, ids } = await room(1, {});
  const { deployId } = await captures.create({ host: "lab-01" });
  const order = await core.orders.orderFor(ids[0]!, NETWORK);
  assert.equal(order.kind, "boot-disk");
  assert.match(order.reason, /boot image.*boot-image build/);
  const session = await core.sessions.show(deployId);
  assert.deepEqual([session.state, session.hosts[0]?.fault?.code], ["done", "BOOT_IMAGE_OLD"]);
  assert.deepEqual(await core.orders.bootPolicyOf(machine(1).mac), { boot: "menu" });
  assert.equal((await core.orders.orderFor(ids[0]!, NETWORK)).kind, "wait");
});

test("whatever a host says: a capture is never permitted to erase, a deploy never to capture", async () => {
  const { core, captures, ids } = await room(2);
  const { publicKey } = core.siteKey;
  const { mac: firstMac } = machine(1);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom(...agentStates), { minLength: 1, maxLength: 8 }),
      fc.boolean(),
      async (states, isCapture) => {
        const { deployId } = isCapture
          ? await captures.create({ host: ids[0]! })
          : await core.deploys.create({ image: "lab-debian", to: [ids[0]!] });
        const about = { mac: firstMac, deployId: String(deployId), image: isCapture ? "lab-01" : "lab-debian" };
        for (const state of states) {
          const challenge = newChallenge();
          const { permit, proceed } = await core.report(ids[0]!, state, deployId, { challenge });
          const terms = (await termsOf(core.db, ids[0]!, deployId))?.terms;
          const erase = permitText({ ...about, challenge, imageVersion: isCapture ? 0 : 1, terms });
          const capture = capturePermitText({ ...about, challenge });
          if (permit === undefined) continue;
          assert(proceed && state === (isCapture ? "capturing" : "erasing"), state);
          checkPermit(isCapture ? capture : erase, permit, [publicKey]);
          assert.throws(() => checkPermit(isCapture ? erase : capture, permit, [publicKey]), /not.*prove/);
        }
        const open = await core.db
          .selectFrom("deploys")
          .select("id")
          .where("id", "=", deployId)
          .where("state", "=", "active")
          .executeTakeFirst();
        if (open !== undefined) await core.deploys.cancel(deployId);
      },
    ),
    { numRuns: runs(60) },
  );
});

const orderOf = (kind: StandingOrder["kind"], state: OrderState, more: Partial<StandingOrder> = {}): StandingOrder => {
  return { deployId: 7, kind, state, attempts: 0, isMade: false, begunDisk: "", isHeld: false, ...more };
};
const report = (state: Report["state"]): Report => ({ state, deployId: "7", detail: "" });

test("a host that does the other kind of work is stopped, and its order has failed", () => {
  for (const [kind, foreign] of [
    ["capture", ["erasing", "receiving", "verifying", "naming"]],
    ["deploy", ["capturing"]],
  ] as const) {
    for (const state of agentStates) {
      const { answer, next } = hear(orderOf(kind, "running", { isMade: true }), report(state), false);
      const isForeign = (foreign as readonly string[]).includes(state);
      assert.equal(answer.proceed, !isForeign, `${kind} ${state}`);
      assert.equal(next?.fault?.code === "ORDER_MIXED_UP", isForeign);
    }
  }
});

test("a capture that is begun again and again is given up; one that falls silent, too", async () => {
  const last = hear(orderOf("capture", "running", { attempts: MAX_ATTEMPTS }), report("capturing"), false);
  assert.deepEqual([last.answer.proceed, last.next?.fault?.code], [false, "DEPLOY_GAVE_UP"]);
  assert.match(last.next?.fault?.fix ?? "", /what has arrived is used/);
  assert.equal(hear(orderOf("capture", "running"), report("capturing"), true).next?.attempts, 0);

  const { core, captures, ids } = await room(1);
  const { deployId } = await captures.create({ host: "lab-01" });
  await core.report(ids[0]!, "capturing", deployId);
  core.nowMs += LOST_AFTER_MS + 1;
  await core.reports.endLost();
  const { hosts } = await core.sessions.show(deployId);
  assert.equal(hosts[0]?.fault?.code, "DEPLOY_LOST");
  assert.match(hosts[0]?.fault?.why ?? "", /only read/);
});
