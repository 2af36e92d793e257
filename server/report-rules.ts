import type { Report, ReportAnswer } from "../agent/contract.ts";
import { Fault } from "../fault.ts";
import { LOST_AFTER_MS, MAX_ATTEMPTS, type OrderState } from "./deploy-rules.ts";

/** What follows from a report. */
export type Heard = {
  readonly answer: ReportAnswer;
  /** How the order stands from now on; absent when the report changes nothing. */
  readonly next?: {
    readonly state: OrderState;
    readonly attempts: number;
    /** With "failed": why. */
    readonly fault?: Pick<Fault, "code" | "what" | "why" | "fix">;
  };
};

/**
 * Decides what a host's report does to its order, and whether the host may go on.
 *
 * @param wasErasing the host's report before this one said "erasing", too: no new attempt
 */
export function hear(
  order: { readonly deployId: number; readonly state: OrderState; readonly attempts: number },
  report: Report,
  wasErasing: boolean,
): Heard {
  const { deployId, state } = order;
  if (state === "cancelled") return answered(false, `Session ${deployId} was stopped.`);
  // The host's own last word about it is agreed to; going on is not.
  if (state === "failed") return answered(report.state === "failed", `Session ${deployId} has failed on this host.`);
  if (state === "done") {
    // Its last words are agreed to; beginning again is not: whatever is on the disk since is somebody's.
    const isLastWord = report.state === "rebooting" || report.state === "done";
    return answered(isLastWord, isLastWord ? "" : `Session ${deployId} is done on this host.`);
  }
  const attempts = order.attempts + (report.state === "erasing" && !wasErasing ? 1 : 0);
  if (attempts > MAX_ATTEMPTS) {
    const fault = gaveUpFault(deployId);
    return { ...answered(false, fault.what), next: { state: "failed", attempts, fault } };
  }
  const next = nextState(report);
  const fault = next === "failed" ? { fault: report.fault ?? unexplained(report) } : {};
  return { ...answered(true, ""), next: { state: next, attempts, ...fault } };
}

function answered(proceed: boolean, reason: string): Heard {
  return { answer: { proceed, reason } };
}

/** Rebooting is the end of the work on the disk: a "done" that gets lost must not start it all over. */
function nextState(report: Report): OrderState {
  if (report.state === "failed") return "failed";
  return report.state === "rebooting" || report.state === "done" ? "done" : "running";
}

function gaveUpFault(deployId: number): Fault {
  return new Fault("DEPLOY_GAVE_UP", {
    what: `Session ${deployId} was given up for this host: its disk was begun ${MAX_ATTEMPTS} times and never finished.`,
    why: "It starts over again and again: power, memory, disk or cable may be at fault.",
    fix: "Look at its events (bootcast host show NAME), repair it, and order the image again.",
  });
}

/** Why the order of a host that fell silent has failed. */
export function lostFault(deployId: number, lastState: string): Fault {
  return new Fault("DEPLOY_LOST", {
    what: `Session ${deployId} was given up for this host: nothing was heard of it for ${LOST_AFTER_MS / 3_600_000} hours.`,
    why: `Its last word was "${lastState}". It may have come through since, and be in use: it is not erased again by itself.`,
    fix: "Look at the machine, and order the image again if it needs it.",
  });
}

function unexplained(report: Report): Fault {
  return new Fault("AGENT_FAILED", {
    what: "The agent failed.",
    why: report.detail || "It gave no reason.",
    fix: "Look at the host's screen.",
  });
}
