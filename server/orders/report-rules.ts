import type { AgentState, Report, ReportAnswer } from "../../agent/contract.ts";
import { Fault } from "../../fault.ts";
import { LOST_AFTER_MS, MAX_ATTEMPTS, type OrderState } from "./deploy-rules.ts";

/** How an order stands when a report comes. */
export type StandingOrder = {
  readonly deployId: number;
  /** "deploy" writes the disk, "capture" only reads it. */
  readonly kind: "deploy" | "capture";
  readonly state: OrderState;
  readonly attempts: number;
  /** Of a capture: whether its image is in the store. */
  readonly isMade: boolean;
  /** Of a deploy: the disk that it was permitted to erase before, a text of agent/disk/identity.ts; "": none, or not known. */
  readonly begunDisk: string;
  /** Its turn has not come, or it was called back: the order has stopped for all that have not begun. */
  readonly isHeld: boolean;
};

/** What no host may be at with an order of the other kind. */
const foreign: Readonly<Record<StandingOrder["kind"], readonly AgentState[]>> = {
  deploy: ["capturing"],
  capture: ["erasing", "receiving", "verifying", "naming"],
};

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
 * @param isRepeated the host's report before this one was about the same state: no new attempt
 */
export function hear(order: StandingOrder, report: Report, isRepeated: boolean): Heard {
  const { deployId, kind, state } = order;
  if (state === "cancelled") return answered(false, `Session ${deployId} was stopped.`);
  // The host's own last word about it is agreed to; going on is not.
  if (state === "failed") return answered(report.state === "failed", `Session ${deployId} has failed on this host.`);
  if (state === "done") {
    // Its last words are agreed to; beginning again is not: whatever is on the disk since is somebody's.
    const isLastWord = report.state === "rebooting" || report.state === "done";
    return answered(isLastWord, isLastWord ? "" : `Session ${deployId} is done on this host.`);
  }
  if (order.isHeld) return answered(false, `Session ${deployId} has stopped before this host.`);
  const isBegin = report.state === "erasing" || report.state === "capturing";
  const asksForDisk = report.state === "erasing" && report.challenge !== undefined;
  // The host may have said the same of another order: the first time that it may erase for this one is counted always.
  const isCounted = !isRepeated || (asksForDisk && order.attempts === 0);
  const attempts = order.attempts + (isBegin && isCounted ? 1 : 0);
  const next = nextState(report);
  const isTooSoon = kind === "capture" && next === "done" && !order.isMade;
  let refusal: Fault | undefined;
  if (foreign[kind].includes(report.state)) refusal = mixedUpFault(deployId, kind, report.state);
  else if (asksForDisk && order.begunDisk !== "" && report.disk !== order.begunDisk)
    refusal = otherDiskFault(order, report);
  else if (attempts > MAX_ATTEMPTS) refusal = gaveUpFault(deployId, kind);
  else if (isTooSoon) refusal = unfinishedFault(deployId);
  if (refusal !== undefined) {
    return { ...answered(false, refusal.what), next: { state: "failed", attempts, fault: refusal } };
  }
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

/** Before anything else: an agent that is at the other kind of work has mixed something up, and must not go on. */
function mixedUpFault(deployId: number, kind: StandingOrder["kind"], state: AgentState): Fault {
  return new Fault("ORDER_MIXED_UP", {
    what: `Session ${deployId} is a ${kind}, and the host was ${state}: it was stopped.`,
    why: "Boot image and server do not understand each other.",
    fix: 'Build the boot image again on this server ("bootcast boot-image build"), and order it again.',
  });
}

/**
 * "smallest" is another disk once the smallest one has died, and that may be the one with people's files: an order that
 * has begun one disk of a machine begins no second one.
 */
function otherDiskFault({ deployId, begunDisk }: StandingOrder, { disk = "" }: Report): Fault {
  const now = disk === "" ? "it would erase one that cannot be told from others" : `it would erase ${inWords(disk)}`;
  return new Fault("DISK_SWAPPED", {
    what: `Session ${deployId} had begun another disk of this host, so it was stopped. The disk that is there now was not erased.`,
    why: `It had begun ${inWords(begunDisk)}, and now ${now}. The first one may have died, or was taken out.`,
    fix: 'Look at the machine. If the disk that is there now is to be erased, order the image again ("--plan" shows which one it would be).',
  });
}

/** A text of agent/disk/identity.ts: model, serial number, WWN and size, those that there are. */
function inWords(identity: string): string {
  // Whatever an agent said is shown, and nothing is expected of it.
  return identity
    .replaceAll(/[[\]"]/g, "")
    .split(",")
    .slice(0, 3)
    .join(" ")
    .trim();
}

function unfinishedFault(deployId: number): Fault {
  return new Fault("CAPTURE_UNFINISHED", {
    what: `Session ${deployId} made no image: the host left before it was there.`,
    why: "It said that it restarts, and its image is not in the store.",
    fix: "Order the capture again: what has arrived is used.",
  });
}

function gaveUpFault(deployId: number, kind: StandingOrder["kind"]): Fault {
  if (kind === "capture") {
    return new Fault("DEPLOY_GAVE_UP", {
      what: `Session ${deployId} was given up for this host: its capture was begun ${MAX_ATTEMPTS} times and never finished.`,
      why: "It starts over again and again: power, memory, disk or cable may be at fault.",
      fix: "Look at its events (bootcast host show NAME), repair it, and order the capture again: what has arrived is used.",
    });
  }
  return new Fault("DEPLOY_GAVE_UP", {
    what: `Session ${deployId} was given up for this host: its disk was begun ${MAX_ATTEMPTS} times and never finished.`,
    why: "It starts over again and again: power, memory, disk or cable may be at fault.",
    fix: "Look at its events (bootcast host show NAME), repair it, and order the image again.",
  });
}

/** Why the order of a host that fell silent has failed. */
export function lostFault(deployId: number, kind: StandingOrder["kind"], lastState: string): Fault {
  if (kind === "capture") {
    return new Fault("DEPLOY_LOST", {
      what: `Session ${deployId} was given up for this host: nothing was heard of it for ${LOST_AFTER_MS / 3_600_000} hours.`,
      why: `Its last word was "${lastState}". Its disk was only read.`,
      fix: "Order the capture again: what has arrived is used.",
    });
  }
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
