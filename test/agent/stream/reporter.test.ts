import assert from "node:assert/strict";
import { test } from "node:test";
import { pino } from "pino";
import type { Progress } from "../../../agent/contract.ts";
import type { StreamControl } from "../../../agent/stream/control.ts";
import { Reporter } from "../../../agent/stream/reporter.ts";
import { Fault } from "../../../fault.ts";
import type { StreamReceiver } from "../../../multicast/receiver.ts";

test("a reporter says nothing after its last word, whatever was said while it spoke", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const states: string[] = [];
  const control = {
    join: async () => ({ receiverId: "r" }),
    report: async (_stream: string, _receiver: string, { state }: Progress) => {
      states.push(state);
      return { streamState: "open", waitingFor: "" };
    },
  } as unknown as StreamControl;
  const receiver = {
    datagramsReceived: 0,
    datagramsLost: 0,
    packsDone: 0,
    neededBlocks: () => [],
  } as unknown as StreamReceiver;
  const reporter = new Reporter(control, "s", receiver, 1, pino({ level: "silent" }));
  await reporter.start({ name: "alpha" });
  // Two words at once: the second waits for the first.
  reporter.say("ready");
  reporter.say("receiving");
  await new Promise((resolve) => setImmediate(resolve));
  await reporter.stop("done");
  t.mock.timers.tick(5_000);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([states.at(-1), states.filter((state) => state === "done").length], ["done", 1]);
});

test("a server that was restarted is joined again, and hears all that came so far", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const known: string[] = [];
  const heard: { id: string; state: string; symbolsReceived: number; symbolsLost: number }[] = [];
  let unreachable = false;
  const control = {
    join: async () => {
      if (unreachable) throw new Fault("SERVER_UNREACHABLE", { what: "Gone.", why: "It starts.", fix: "Wait." });
      known.push(`r${heard.length}`);
      return { receiverId: known.at(-1) };
    },
    report: async (_stream: string, id: string, { state, symbolsReceived, symbolsLost }: Progress) => {
      if (!known.includes(id)) throw new Fault("RECEIVER_UNKNOWN", { what: "Who?", why: "Restart.", fix: "Join." });
      heard.push({ id, state, symbolsReceived, symbolsLost });
      return { streamState: "streaming", waitingFor: "" };
    },
  } as unknown as StreamControl;
  const needs = [[1, 2]];
  const receiver = { datagramsReceived: 0, datagramsLost: 0, packsDone: 0, neededBlocks: () => needs };
  const reporter = new Reporter(control, "s", receiver as unknown as StreamReceiver, 1, pino({ level: "silent" }));
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  await reporter.start({ name: "alpha" });
  Object.assign(receiver, { datagramsReceived: 10, datagramsLost: 2 });
  reporter.say("receiving");
  await turn();

  known.length = 0;
  unreachable = true;
  Object.assign(receiver, { datagramsReceived: 15, datagramsLost: 3 });
  t.mock.timers.tick(1_000);
  await turn();
  assert.equal(reporter.lastFault?.code, "SERVER_UNREACHABLE", "what keeps us from joining is known");
  unreachable = false;
  t.mock.timers.tick(1_000);
  await turn();
  assert.equal(reporter.lastFault, undefined);
  assert.deepEqual(known, ["r2"], "joined once");

  // Two that were lost arrive late: a count never goes down.
  Object.assign(receiver, { datagramsReceived: 17, datagramsLost: 1 });
  t.mock.timers.tick(1_000);
  await turn();
  Object.assign(receiver, { datagramsReceived: 17, datagramsLost: 4 });
  t.mock.timers.tick(1_000);
  await turn();

  known.length = 0;
  await reporter.stop("done");
  assert.deepEqual(heard, [
    { id: "r0", state: "joined", symbolsReceived: 0, symbolsLost: 0 },
    { id: "r0", state: "receiving", symbolsReceived: 10, symbolsLost: 2 },
    { id: "r2", state: "receiving", symbolsReceived: 15, symbolsLost: 3 },
    { id: "r2", state: "receiving", symbolsReceived: 2, symbolsLost: 0 },
    { id: "r2", state: "receiving", symbolsReceived: 0, symbolsLost: 1 },
    { id: "r5", state: "done", symbolsReceived: 17, symbolsLost: 4 },
  ]);
});
