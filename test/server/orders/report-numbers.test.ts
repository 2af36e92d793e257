import assert from "node:assert/strict";
import { test } from "node:test";
import { Core, machine } from "../core.ts";

test("a report about a session whose number nobody can read again leaves nothing that breaks the log", async () => {
  const core = await Core.open();
  try {
    const { hostId } = await core.hosts.register(machine(1));
    const numbers = ["1000000000000000000", "9e18", "-9e18", "9007199254740993"];
    for (const [at, deployId] of numbers.entries()) {
      const state = at % 2 === 0 ? "failed" : "waiting";
      const { proceed } = await core.reports.report(hostId, { state, detail: "", deployId });
      assert.equal(proceed, false);
    }
    const told = (await core.events.list()).filter(({ kind }) => kind === "host.state");
    assert.deepEqual(
      told.map(({ deployId }) => deployId),
      numbers.map(() => null),
    );
  } finally {
    await core.db.destroy();
  }
});
