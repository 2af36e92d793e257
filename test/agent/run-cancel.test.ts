import assert from "node:assert/strict";
import { test } from "node:test";
import type { ReportAnswer } from "../../agent/contract.ts";
import { runAgent } from "../../agent/run.ts";
import { assertUntouched, order, room, statesOf } from "./run-room.ts";

const stop: ReportAnswer = { proceed: false, reason: "stopped by anna" };

for (const state of ["preflight", "erasing"] as const) {
  test(`an order that is taken back in ${state} touches nothing, and the host waits again`, async () => {
    let isStopped = false;
    const all = room({
      answer: (report) => {
        if (report.state !== state || isStopped) return { proceed: true, reason: "" };
        isStopped = true;
        return stop;
      },
    });
    assert.equal(await runAgent(all.ports), "not ordered");
    assertUntouched(all);
    assert.deepEqual(all.failures, []);
    assert.equal(statesOf(all.reports).filter((name) => name === "waiting").length, 2);
  });
}

test("an order can be carried out after an earlier one was taken back", async () => {
  let stops = 1;
  const all = room({
    orders: [order, { ...order, deployId: "13" }],
    answer: ({ state }) => (state === "preflight" && stops-- > 0 ? stop : { proceed: true, reason: "" }),
  });
  assert.equal(await runAgent(all.ports), "done");
  assert.equal(all.reports.at(-1)?.deployId, "13");
});

test("an order that is taken back while receiving stops the restore, and says what the disk is", async () => {
  const all = room({
    answer: ({ state, percent }) =>
      state === "receiving" && percent !== undefined ? stop : { proceed: true, reason: "" },
    change: (ports) => ({
      async receive({ beforeWrite, onProgress, signal }) {
        await beforeWrite();
        await ports.clock.sleep(2000);
        onProgress({ percent: 10, detail: "receiving" });
        await new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
        return "";
      },
    }),
  });
  assert.equal(await runAgent(all.ports), "failed");
  assert.deepEqual(all.failures, [{ code: "DEPLOY_CANCELLED", disk: "partly written" }]);
  assert.equal(all.reports.at(-1)?.fault?.code, "DEPLOY_CANCELLED");
  assert(all.happened.includes("disk close"));
});
