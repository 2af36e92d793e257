import assert from "node:assert/strict";
import { test } from "node:test";
import { pino } from "pino";
import { startThread } from "../../../agent/threads/start-thread.ts";

const about = {
  log: pino({ level: "silent" }),
  work: "to be tried",
  end: { code: "THREAD_ENDED", what: "The thread that is tried ended." },
};
const start = (program: string) => startThread<number, number>(program, {}, {}, about);

test("a thread answers in the order that it was asked in, and says why it ended to all who wait", async () => {
  const thread = await start(`const { parentPort } = require("node:worker_threads");
parentPort.on("message", (asked) => {
  if (asked === 0) throw new Error("divided by zero");
  parentPort.postMessage(10 / asked);
});
parentPort.postMessage("ready");`);
  assert(thread !== undefined);
  assert.deepEqual(await Promise.all([thread.ask(1), thread.ask(2), thread.ask(5)]), [10, 5, 2]);
  const asked = [thread.ask(0), thread.ask(1)];
  assert.equal(thread.waiting, 2);
  for (const { status, ...result } of await Promise.allSettled(asked)) {
    assert.equal(status, "rejected");
    const { code, what, why } = (result as PromiseRejectedResult).reason;
    assert.deepEqual([code, what, why], ["THREAD_ENDED", "The thread that is tried ended.", "divided by zero"]);
  }
  assert.equal(thread.waiting, 0);
  await assert.rejects(thread.ask(1), { code: "THREAD_ENDED" });
  await thread.close();
});

test("a thread that ends before its first word was not started", async () => {
  assert.equal(await start(""), undefined);
  assert.equal(await start(`throw new Error("no memory");`), undefined);
});
