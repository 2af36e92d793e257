import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "../../../fault.ts";
import type { Check } from "../../../server/doctor/finding.ts";
import { runChecks } from "../../../server/doctor/run-checks.ts";

const check = (area: Check["area"], probe: string, look: Check["look"]): Check => ({ area, probe, look });

test("checks: lines come by area, and what ends a look is a line of its own", async () => {
  const lines = await runChecks(
    [
      check("security", "late area", async () => [{ probe: "a", status: "ok", detail: "Fine." }]),
      check("network", "faulty", async () => {
        throw new Fault("PORT_TAKEN", { what: "It is taken.", why: "By another.", fix: "Stop it." });
      }),
      check("network", "forbidden", async () => {
        throw Object.assign(new Error("no"), { code: "EACCES" });
      }),
      check("store", "broken", async () => assert.fail("our own mistake")),
      check("store", "nothing to see", async () => []),
    ],
    10_000,
  );
  assert.deepEqual(
    lines.map(({ area, probe, status, code }) => [area, probe, status, code]),
    [
      ["network", "faulty", "fail", "PORT_TAKEN"],
      ["network", "forbidden", "skip", "NOT_PERMITTED"],
      ["store", "broken", "warn", undefined],
      ["security", "a", "ok", undefined],
    ],
  );
  assert.equal(lines[0]!.fix, "Stop it.");
  assert.match(lines[2]!.fix ?? "", /report it/);
});

test("checks: who never answers is given up, is told so, and holds up nobody", async () => {
  let told: AbortSignal | undefined;
  const lines = await runChecks(
    [
      check("speed", "mute", (signal) => {
        told = signal;
        return new Promise(() => undefined);
      }),
      check("speed", "quick", async () => [{ probe: "quick", status: "ok", detail: "Here." }]),
    ],
    20,
  );
  assert.deepEqual(
    lines.map(({ probe, status }) => [probe, status]),
    [
      ["mute", "skip"],
      ["quick", "ok"],
    ],
  );
  assert.equal(told?.aborted, true);
});
