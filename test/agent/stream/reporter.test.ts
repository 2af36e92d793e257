import assert from "node:assert/strict";
import { test } from "node:test";
import { pino } from "pino";
import type { Progress } from "../../../agent/contract.ts";
import type { StreamControl } from "../../../agent/stream/control.ts";
import { Reporter } from "../../../agent/stream/reporter.ts";
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
  const receiver = { datagramsReceived: 0, datagramsLost: 0, packsDone: 0 } as StreamReceiver;
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
