import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { interruption } from "../../../cli/terminal/interruption.ts";

for (const name of ["SIGINT", "SIGTERM"] as const) {
  test(`${name} is told to who asked before it and to who asks after it, once each`, async () => {
    const { signal, whenReceived, dispose } = interruption();
    const calls: string[] = [];
    try {
      whenReceived(() => calls.push("before"));
      assert.equal(calls.length, 0);
      const aborted = once(signal, "abort");
      process.kill(process.pid, name);
      await aborted;
      whenReceived(() => calls.push("after"));
      assert.deepEqual(calls, ["before", "after"]);
      assert.equal(signal.reason.code, "INTERRUPTED");
      assert.match(signal.reason.why, new RegExp(name));
      // A second one ends the process: nobody listens any more.
      assert.equal(process.listenerCount(name), 0);
    } finally {
      dispose();
    }
  });
}
