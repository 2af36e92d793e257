import assert from "node:assert/strict";
import { test } from "node:test";
import type { AgentState } from "../../../../agent/contract.ts";
import {
  ALIVE_SILENT_MS,
  type Approval,
  admissionOf,
  approvals,
  type Claimed,
  WORKING_SILENT_MS,
} from "../../../../server/hosts/enrolment/admission.ts";
import type { ShownToken } from "../../../../server/hosts/enrolment/token.ts";

const shownTokens: readonly ShownToken[] = ["right", "old", "wrong", "none"];
const arrival = (shown: ShownToken) => ({ shown, isTooOld: false, isSameRun: false });
const host = (more: Partial<Claimed>): Claimed => ({
  isApproved: true,
  isEnrolled: true,
  state: "waiting",
  hasBegun: true,
  silentMs: Number.POSITIVE_INFINITY,
  ...more,
});
const letIn = (policy: Approval, shown: ShownToken, claimed?: Claimed) => {
  const admission = admissionOf(policy, arrival(shown), claimed);
  assert(admission.isLetIn, JSON.stringify(admission));
  return admission;
};

// Whom nobody knows: approved, and what it lacks.
const unknown: Record<Approval, Record<ShownToken, readonly [boolean, string | null]>> = {
  auto: { right: [true, null], old: [true, null], wrong: [true, null], none: [true, null] },
  token: { right: [true, null], old: [true, null], wrong: [false, "wrong"], none: [false, "none"] },
  ask: { right: [false, null], old: [false, null], wrong: [false, null], none: [false, null] },
};
// A host that is gone, and what comes in its place: "approved" stays, and whether it is let in at all.
const gone: Record<Approval, Record<ShownToken, "in" | "unproved">> = {
  auto: { right: "in", old: "in", wrong: "in", none: "in" },
  token: { right: "in", old: "in", wrong: "unproved", none: "unproved" },
  ask: { right: "in", old: "in", wrong: "in", none: "in" },
};

for (const policy of approvals) {
  for (const shown of shownTokens) {
    const hasProof = shown === "right" || shown === "old";
    const about = `hosts.approve = "${policy}", token ${shown}`;

    test(`${about}: a machine that nobody knows`, () => {
      const { isApproved, lacks, isEnrolled, wasWaiting } = letIn(policy, shown);
      assert.deepEqual([isApproved, lacks], unknown[policy][shown]);
      assert.deepEqual([isEnrolled, wasWaiting], [hasProof, false]);
    });

    test(`${about}: a known one that was off`, () => {
      const admission = admissionOf(policy, arrival(shown), host({}));
      assert.equal(admission.isLetIn ? "in" : admission.why, gone[policy][shown]);
      if (admission.isLetIn) assert.equal(admission.isApproved, true, "nobody takes an approval back");
    });

    test(`${about}: a known one that a person approved, and that never showed a token`, () => {
      assert.equal(letIn(policy, shown, host({ isEnrolled: false })).isApproved, true);
    });

    test(`${about}: one that waits for approval`, () => {
      const { isApproved, wasWaiting, lacks } = letIn(policy, shown, host({ isApproved: false, isEnrolled: false }));
      assert.equal(isApproved, policy === "token" && hasProof);
      assert.equal(wasWaiting, isApproved);
      assert.equal(lacks, policy !== "token" || hasProof ? null : shown);
    });

    test(`${about}: one that is there, at any moment of its way`, () => {
      for (const state of ["registering", "waiting", "booting"] as const) {
        for (const silentMs of [0, ALIVE_SILENT_MS - 1]) {
          const admission = admissionOf(policy, arrival(shown), host({ state, silentMs }));
          assert.equal(admission.isLetIn ? "in" : admission.why, hasProof ? "in" : "alive", state);
        }
        const silent = admissionOf(policy, arrival(shown), host({ state, silentMs: ALIVE_SILENT_MS }));
        assert.equal(silent.isLetIn ? "in" : silent.why, gone[policy][shown]);
      }
    });

    test(`${about}: one that is at work has its place while it is heard, whoever comes`, () => {
      const states: AgentState[] = [
        "preflight",
        "capturing",
        "erasing",
        "receiving",
        "verifying",
        "naming",
        "finishing",
      ];
      for (const state of states) {
        for (const isEnrolled of [true, false]) {
          const working = host({ state, isEnrolled, silentMs: WORKING_SILENT_MS - 1 });
          assert.deepEqual(admissionOf(policy, arrival(shown), working), { isLetIn: false, why: "working" });
        }
        // It was switched off and on: no longer than it takes to start.
        const back = admissionOf(policy, arrival(shown), host({ state, silentMs: WORKING_SILENT_MS }));
        assert.equal(back.isLetIn ? "in" : back.why, hasProof ? "in" : "alive");
      }
    });

    test(`${about}: the same agent is let in at every moment, by the key that it has`, () => {
      const same = { ...arrival(shown), isSameRun: true };
      for (const state of ["waiting", "receiving", "failed"] as const) {
        for (const isEnrolled of [true, false]) {
          const admission = admissionOf(policy, same, host({ state, isEnrolled, silentMs: 0 }));
          assert(admission.isLetIn);
          assert.equal(admission.isEnrolled, isEnrolled || hasProof);
        }
      }
    });
  }
}

test("whose order was stopped is not at work any more", () => {
  const stopped = host({ state: "capturing", hasBegun: false, isEnrolled: false, silentMs: 0 });
  assert.equal(admissionOf("auto", arrival("none"), stopped).isLetIn, true);
});

test("who has left has no place any more", () => {
  for (const state of ["rebooting", "done", "failed"] as const) {
    assert.equal(letIn("auto", "none", host({ state, silentMs: 0 })).isEnrolled, false);
  }
});

test("an agent of before could not show one, and is told so", () => {
  const admission = admissionOf("token", { shown: "none", isTooOld: true, isSameRun: false }, undefined);
  assert(admission.isLetIn);
  assert.equal(admission.lacks, "too-old");
});
