import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type StateStep, StateSteps } from "../../../server/orders/state-steps.ts";
import { Core } from "../core.ts";
import { runs } from "../databases.ts";

const sessions = fc.integer({ min: 1, max: 3 });
const steps = fc.oneof(
  fc.record({
    host: fc.constantFrom("a", "b", "c"),
    session: sessions,
    state: fc.constantFrom("erasing", "verifying"),
  }),
  fc.record({ asks: sessions, times: fc.integer({ min: 1, max: 3 }) }),
);

test("whatever is asked in between, and however little is kept: the steps are those of the events", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { maxLength: 30 }), fc.integer({ min: 0, max: 8 }), async (all, mostSteps) => {
      const core = await Core.open();
      const read = new StateSteps(core.db, mostSteps);
      const expected = new Map<string, StateStep[]>();
      try {
        for (const step of all) {
          if ("asks" in step) {
            const asked = Array.from({ length: step.times }, () => read.of(step.asks));
            for (const found of await Promise.all(asked)) {
              for (const host of ["a", "b", "c"]) {
                assert.deepEqual(found.get(host) ?? [], expected.get(`${step.asks} ${host}`) ?? []);
              }
            }
            continue;
          }
          core.nowMs += 7;
          const { host, session, state } = step as { host: string; session: number; state: "erasing" | "verifying" };
          const kept = state === "verifying" ? { bytes: core.nowMs, receivedBytes: 1 } : null;
          await core.events.change(async ({ record }) => {
            await record({ kind: "host.script", hostId: host, deployId: session, data: { state: "done" } });
            const data = { state, detail: "", ...(kept && { kept }) };
            await record({ kind: "host.state", hostId: host, deployId: session, data });
          });
          const key = `${session} ${host}`;
          expected.set(key, [...(expected.get(key) ?? []), { atMs: core.nowMs, state, kept }]);
        }
      } finally {
        await core.db.destroy();
      }
    }),
    { numRuns: runs(60) },
  );
});

test("what is known is not read again", async () => {
  const core = await Core.open();
  try {
    const read = new StateSteps(core.db);
    const tell = (state: string) =>
      core.events.change(({ record }) => record({ kind: "host.state", hostId: "a", deployId: 1, data: { state } }));
    await tell("erasing");
    await read.of(1);
    // As nobody does: so it shows whether they are looked at once more.
    await core.db.updateTable("events").set({ data: "{}" }).execute();
    await tell("receiving");
    const states = (await read.of(1)).get("a")?.map(({ state }) => state);
    assert.deepEqual(states, ["erasing", "receiving"]);
  } finally {
    await core.db.destroy();
  }
});
