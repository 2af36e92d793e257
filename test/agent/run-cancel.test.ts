import assert from "node:assert/strict";
import { test } from "node:test";
import type { ReportAnswer } from "../../agent/contract.ts";
import { diskIdentity } from "../../agent/disk/identity.ts";
import { runAgent } from "../../agent/run.ts";
import { assertUntouched, disk, heldPart, looks, order, room, statesOf, terms } from "./run-room.ts";

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

test("ordered at the machine's own screen: a key stops it before anything is erased; without one it goes on", async () => {
  for (const isPressed of [true, false]) {
    const waited: number[] = [];
    const all = room({
      orders: [{ ...order, isByHand: true }],
      change: (_, { happened }) => ({
        async keyPressed(mostMs) {
          happened.push("may be cancelled");
          waited.push(mostMs);
          return isPressed;
        },
      }),
    });
    assert.equal(await runAgent(all.ports), isPressed ? "failed" : "done");
    assert.deepEqual(waited, [10_000]);
    assert(all.happened.some((line) => /^screen preflight: .*\/dev\/vda.* press any key to cancel$/.test(line)));
    if (isPressed) {
      assertUntouched(all);
      assert.deepEqual(all.failures, [{ code: "CANCELLED_BY_KEY", disk: "untouched" }]);
      assert.equal(all.reports.at(-1)?.fault?.code, "CANCELLED_BY_KEY");
    } else assert(all.happened.indexOf("may be cancelled") < all.happened.indexOf("disk open"));
  }
});

test("nobody is asked for a key by an order of the server, nor by one that goes on after a power cut", async () => {
  const resumes = { ...terms, resumes: diskIdentity(disk) };
  for (const given of [order, { ...order, isByHand: true as const, terms: resumes }]) {
    const all = room({
      orders: [given],
      change: (ports, own) => ({
        ...looks(heldPart)(ports, own),
        keyPressed: () => Promise.reject(new Error("nobody is to be asked")),
      }),
    });
    assert.equal(await runAgent(all.ports), "done");
  }
});
