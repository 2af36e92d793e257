import assert from "node:assert/strict";
import { test } from "node:test";
import { Core, machine } from "../../core.ts";

test("a host at work at one server keeps its place at another, whose clock is a little behind", async () => {
  const core = await Core.open();
  const other = new Core(core.db, { siteKey: core.siteKey });
  const { hostId } = await core.hosts.register(machine(1), "10.77.0.1");
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: [hostId] });
  await core.orders.orderFor(hostId, "10.77.0.1");
  for (const state of ["preflight", "erasing"] as const) await core.report(hostId, state, deployId);
  other.nowMs = core.nowMs - 2_000;
  await assert.rejects(other.hosts.register(machine(1), "10.77.0.66"), { code: "HOST_TWICE" });
  // Its power is cut.
  other.nowMs += 15_000;
  assert.equal((await other.hosts.register(machine(1), "10.77.0.1")).hostId, hostId);
  await core.db.destroy();
});

test("a host at work at one server keeps its place at another, which reads late how far it is", async () => {
  const core = await Core.open();
  const other = new Core(core.db, { siteKey: core.siteKey });
  const { hostId } = await core.hosts.register(machine(1), "10.77.0.1");
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: [hostId] });
  await core.orders.orderFor(hostId, "10.77.0.1");
  for (const state of ["preflight", "erasing", "receiving"] as const) await core.report(hostId, state, deployId);
  for (let percent = 1; percent < 10; percent += 1) {
    core.nowMs += 1_000;
    await core.report(hostId, "receiving", deployId, { percent });
  }
  other.nowMs = core.nowMs;
  await assert.rejects(other.hosts.register(machine(1), "10.77.0.66"), { code: "HOST_TWICE" });
  await core.db.destroy();
});
