import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { dueDeploy, LOST_AFTER_MS } from "../../../server/orders/deploy-rules.ts";
import { factsOf } from "../../../server/orders/facts.ts";
import { Core, machine } from "../core.ts";
import { runs } from "../databases.ts";

/** What a machine boots, from the tables alone. */
async function policyFromTables(core: Core, mac: string): Promise<"agent" | "disk"> {
  await core.reports.endLost();
  const hostId = await core.hosts.idOfMac(mac);
  const facts = await factsOf(core.db, hostId ?? "", 30 * 60_000, core.nowMs);
  const isForAgent = hostId === undefined ? facts.any.length > 0 : dueDeploy(facts) !== undefined;
  return isForAgent ? "agent" : "disk";
}

const numbers = fc.integer({ min: 1, max: 4 });
const steps = fc.oneof(
  fc.record({ does: fc.constant("register" as const), number: numbers }),
  fc.record({ does: fc.constant("forget" as const), number: numbers }),
  fc.record({ does: fc.constant("order" as const), number: numbers }),
  fc.record({ does: fc.constant("order-any" as const), number: numbers }),
  fc.record({ does: fc.constant("cancel" as const), number: numbers }),
  fc.record({ does: fc.constant("begin" as const), number: numbers }),
  fc.record({ does: fc.constant("done" as const), number: numbers }),
  fc.record({ does: fc.constant("fail" as const), number: numbers }),
  fc.record({ does: fc.constant("half a day" as const), number: numbers }),
);

type Step = typeof steps extends fc.Arbitrary<infer T> ? T : never;

/** Carries out a step; one that is refused changes nothing. */
async function take(core: Core, { does, number }: Step): Promise<void> {
  const { mac } = machine(number);
  const hostId = await core.hosts.idOfMac(mac);
  const order = hostId === undefined ? undefined : await core.orders.orderFor(hostId, "10.77.0.1");
  const deployId = order?.kind === "deploy" ? Number(order.deployId) : undefined;
  core.nowMs += 1;
  switch (does) {
    case "register":
      await core.hosts.register(machine(number));
      return;
    case "forget":
      if (hostId !== undefined) await core.hosts.forget(hostId).catch(() => {});
      return;
    case "order":
      if (hostId !== undefined) await core.deploys.create({ image: "lab-debian", to: [hostId] }).catch(() => {});
      return;
    case "order-any":
      await core.deploys.create({ image: "lab-debian", to: "any" }).catch(() => {});
      return;
    case "cancel":
      await core.deploys.cancel(number).catch(() => {});
      return;
    case "half a day":
      core.nowMs += LOST_AFTER_MS;
      return;
    default:
      if (hostId === undefined || deployId === undefined) return;
      for (const state of ["preflight", "erasing"] as const) await core.report(hostId, state, deployId);
      if (does === "done") await core.report(hostId, "done", deployId);
      if (does === "fail") {
        const fault = { code: "DISK_TOO_SMALL", what: "It is too small.", why: "", fix: "" };
        await core.report(hostId, "failed", deployId, { fault });
      }
  }
}

test("whatever happens, a machine is told what the tables say", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { maxLength: 25 }), async (taken) => {
      const core = await Core.open({ isRegistering: false });
      try {
        for (const step of taken) {
          await take(core, step);
          for (const number of [1, 2, 3, 4, 5]) {
            const { mac } = machine(number);
            const { boot } = await core.orders.bootPolicyOf(mac);
            assert.equal(boot, await policyFromTables(core, mac), `${step.does} ${step.number}: machine ${number}`);
          }
        }
      } finally {
        await core.db.destroy();
      }
    }),
    { numRuns: runs(60), seed: 8 },
  );
});

test("questions between changes do not read the tables", async () => {
  const core = await Core.open({ isRegistering: false });
  const { hostId } = await core.hosts.register(machine(1));
  await core.deploys.create({ image: "lab-debian", to: [hostId] });
  assert.equal((await core.orders.bootPolicyOf(machine(1).mac)).boot, "agent");
  // A closed database would fail every look.
  await core.db.destroy();
  assert.equal((await core.orders.bootPolicyOf(machine(1).mac)).boot, "agent");
  assert.equal((await core.orders.bootPolicyOf(machine(2).mac)).boot, "disk");
});

test("an order that is taken back is seen by the next question", async () => {
  const core = await Core.open({ isRegistering: false });
  const { hostId } = await core.hosts.register(machine(1));
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: [hostId] });
  assert.equal((await core.orders.bootPolicyOf(machine(1).mac)).boot, "agent");
  await core.deploys.cancel(deployId);
  assert.equal((await core.orders.bootPolicyOf(machine(1).mac)).boot, "disk");
});
