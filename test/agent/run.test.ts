import assert from "node:assert/strict";
import { test } from "node:test";
import type { AgentState, Order } from "../../agent/contract.ts";
import { limits } from "../../agent/limits.ts";
import { runAgent } from "../../agent/run.ts";
import { assertUntouched, broken, fails, room, type Scene, statesOf } from "./run-room.ts";

test("from the order to the reboot, in the design's order", async () => {
  const all = room();
  assert.equal(await runAgent(all.ports), "done");
  assert.deepEqual(statesOf(all.reports), [
    "waiting",
    "preflight",
    "erasing",
    "receiving",
    "verifying",
    "naming",
    "finishing",
    "rebooting",
    "done",
  ] satisfies AgentState[]);
  const done = all.happened.filter((line) => !line.startsWith("screen") && !line.startsWith("report"));
  assert.deepEqual(done, [
    "manifest",
    "permit",
    "disk open",
    "erase",
    "disk write",
    "disk close",
    "verify",
    "fit keep keep",
    "name lab-07",
    "finish",
    "reboot",
  ]);
  const last = all.reports.at(-1);
  assert.equal(last?.deployId, "12");
  const timed = ["booting", "finding", "registering", "waiting", "preflight", "erasing", "receiving", "verifying"];
  assert.deepEqual(Object.keys(last?.timings ?? {}), [...timed, "naming", "finishing", "rebooting"]);
  assert.equal(all.happened.at(-1), "reboot");
});

test("nothing is erased that nobody ordered: without an order the machine starts its own disk", async () => {
  const orders: Order[] = [
    { kind: "wait", reason: "unknown host" },
    { kind: "wait", reason: "unknown host" },
    { kind: "boot-disk", reason: "nothing to do" },
  ];
  const all = room({ orders });
  assert.equal(await runAgent(all.ports), "not ordered");
  assertUntouched(all);
  assert(!all.happened.includes("manifest"));
  const reasons = all.reports.filter(({ state, detail }) => state === "waiting" && detail === "unknown host");
  assert.equal(reasons.length, 1, "a reason is told once");
  assert(all.reports.every(({ deployId }) => deployId === undefined));
});

test("a machine that nobody gives an order starts its own disk in the end", async () => {
  const all = room({ client: { order: async () => ({ kind: "wait", reason: "unknown host" }) } });
  assert.equal(await runAgent(all.ports), "not ordered");
  assertUntouched(all);
  assert(all.ports.clock.now() >= limits.orderMs);
});

const failures: { name: string; change: Scene["change"]; disk: string }[] = [
  { name: "the manifest", change: () => ({ describe: fails }), disk: "untouched" },
  { name: "preflight", change: () => ({ power: () => "battery" }), disk: "untouched" },
  { name: "the stream before the erase", change: () => ({ receive: fails }), disk: "untouched" },
  { name: "the erase", change: () => ({ erase: fails }), disk: "erased" },
  {
    name: "the stream after the erase",
    change: () => ({
      receive: async ({ beforeWrite }) => {
        await beforeWrite();
        throw broken;
      },
    }),
    disk: "partly written",
  },
  { name: "reading back", change: () => ({ verify: fails }), disk: "partly written" },
  { name: "naming", change: () => ({ name: fails }), disk: "complete" },
  { name: "finishing", change: () => ({ finish: fails }), disk: "complete" },
];
for (const { name, change, disk: diskState } of failures) {
  test(`when ${name} fails, the screen and the server hear it, the disk is ${diskState}, the machine restarts`, async () => {
    const all = room({ change: change! });
    const before = all.ports.clock.now();
    assert.equal(await runAgent(all.ports), "failed");
    assert.equal(all.failures[0]?.disk, diskState);
    assert.equal(all.failures.length, 1);
    const last = all.reports.at(-1);
    assert.equal(last?.state, "failed");
    assert.equal(last?.deployId, "12");
    assert.equal(last?.fault?.code, all.failures[0]?.code);
    assert.equal(all.happened.at(-1), "reboot");
    assert.equal(all.reports.filter(({ state }) => state === "rebooting" || state === "done").length, 0);
    const shownMs = limits.failureShownMs[diskState === "untouched" ? "untouched" : "changed"];
    assert(all.ports.clock.now() - before >= shownMs, "it can be read");
    assert(all.happened.some((line) => /^screen failed: restarts in/.test(line)));
    if (diskState === "untouched") assertUntouched(all);
  });
}

test("a stream that asks for the erase twice is stopped by an assertion", async () => {
  const all = room({
    change: () => ({
      receive: async ({ beforeWrite }) => {
        await beforeWrite();
        await beforeWrite();
        return "";
      },
    }),
  });
  assert.equal(await runAgent(all.ports), "failed");
  assert.equal(all.happened.filter((line) => line === "erase").length, 1);
  assert.equal(all.failures[0]?.code, "AGENT_DEFECT");
});
