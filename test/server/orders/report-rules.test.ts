import assert from "node:assert/strict";
import { test } from "node:test";
import { agentStates, type Report } from "../../../agent/contract.ts";
import { MAX_ATTEMPTS, type OrderState } from "../../../server/orders/deploy-rules.ts";
import { hear } from "../../../server/orders/report-rules.ts";

function report(state: Report["state"], more: Partial<Report> = {}): Report {
  return { state, deployId: "7", detail: "", ...more };
}

const order = (state: OrderState, attempts = 0) =>
  ({ deployId: 7, kind: "deploy", state, attempts, isMade: false, begunDisk: "", isHeld: false }) as const;

test("an order that has ended changes no more, and lets nobody begin again", () => {
  for (const ended of ["done", "failed", "cancelled"] as const) {
    for (const state of agentStates) assert.equal(hear(order(ended), report(state), false).next, undefined);
    assert.equal(hear(order(ended), report("erasing"), false).answer.proceed, false);
  }
  assert.equal(hear(order("done"), report("done"), false).answer.proceed, true);
  assert.equal(hear(order("failed"), report("failed"), false).answer.proceed, true);
});

test("each erase that begins is an attempt; its repeated report is not", () => {
  assert.deepEqual(hear(order("pending"), report("erasing"), false).next, { state: "running", attempts: 1 });
  assert.deepEqual(hear(order("running", 1), report("erasing"), true).next, { state: "running", attempts: 1 });
  assert.deepEqual(hear(order("running", 1), report("receiving"), false).next, { state: "running", attempts: 1 });
});

test("the first permit of an order is an attempt, although the host has said the same of another order just before", () => {
  const asks = report("erasing", { challenge: "ab".repeat(32) });
  assert.deepEqual(hear(order("pending"), asks, true).next, { state: "running", attempts: 1 });
  assert.deepEqual(hear(order("running", 1), asks, true).next, { state: "running", attempts: 1 });
});

test("after the last attempt the order fails, and the host is told to stop", () => {
  assert.equal(hear(order("running", MAX_ATTEMPTS - 1), report("erasing"), false).answer.proceed, true);
  const { answer, next } = hear(order("running", MAX_ATTEMPTS), report("erasing"), false);
  assert.equal(answer.proceed, false);
  assert.deepEqual([next?.state, next?.fault?.code], ["failed", "DEPLOY_GAVE_UP"]);
});

test("a failure keeps the host's own words, or says that there are none", () => {
  const fault = { code: "DISK_BROKEN", what: "w", why: "y", fix: "f" };
  assert.deepEqual(hear(order("running"), report("failed", { fault }), false).next?.fault, fault);
  assert.equal(hear(order("running"), report("failed"), false).next?.fault?.code, "AGENT_FAILED");
});

test("an order that has begun one disk begins no other one", () => {
  const begunDisk = '["SSD","S1","naa.5",1000]';
  const challenge = "0".repeat(64);
  const begun = { ...order("running", 1), begunDisk };
  const ask = (disk: string | undefined) =>
    hear(begun, report("erasing", { challenge, ...(disk !== undefined && { disk }) }), false);
  assert.equal(ask(begunDisk).answer.proceed, true);
  for (const disk of ['["HDD","S2","",2000]', "", "no JSON [", undefined]) {
    const { answer, next } = ask(disk);
    assert.equal(answer.proceed, false, disk);
    assert.deepEqual([next?.state, next?.fault?.code], ["failed", "DISK_SWAPPED"], disk);
  }
  assert.match(ask('["HDD","S2","",2000]').next?.fault?.why ?? "", /begun SSD S1 naa\.5, and now .* HDD S2\./);
  // Reports on the way carry no challenge, and name no disk.
  assert.equal(hear(begun, report("receiving"), false).answer.proceed, true);
});
