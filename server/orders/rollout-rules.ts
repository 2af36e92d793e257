import { Fault } from "../../fault.ts";
import type { OrderState } from "./deploy-rules.ts";

/** The wave of the hosts that everything else waits for. The others are numbered from 1. */
export const CANARY_WAVE = 0;

/**
 * A host of a wave that did not even begin holds back the next wave for so long: it may be switched off. Who waits for
 * the canary waits for as long as it takes.
 */
export const WAVE_WAIT_MS = 15 * 60_000;

/**
 * An order for a time that nobody looked at for so long is not begun by itself any more: what was meant for the night
 * would erase machines that people work at in the morning.
 */
export const MOST_LATE_MS = 3_600_000;

/** How one host of an order stands. */
export type RolloutHost = {
  readonly id: string;
  readonly name: string;
  readonly wave: number;
  readonly state: OrderState;
  /** Null: it is not its turn yet, and it is given nothing. */
  readonly releasedAtMs: number | null;
  /** It is restored, and its system is to say that it is up. */
  readonly isAwaited: boolean;
};

/** An order whose hosts do not all begin at once. */
export type Rollout = {
  readonly deployId: number;
  /** Null: at once. */
  readonly startAtMs: number | null;
  readonly isStarted: boolean;
  readonly isHalted: boolean;
  /** So many hosts may fail; null: as many as there are. A canary may not. */
  readonly mostFailed: number | null;
  /** Failures that a person has seen and gone on after. */
  readonly failedAccepted: number;
  readonly hosts: readonly RolloutHost[];
};

export type Step =
  | { readonly kind: "start" }
  /** Those are given their order now. */
  | { readonly kind: "release"; readonly wave: number; readonly hostIds: readonly string[] }
  /** Nobody else begins, until a person says so. */
  | { readonly kind: "halt"; readonly fault: Fault }
  /** Nothing now, and nothing before this time unless something happens; null: nothing at all. */
  | { readonly kind: "wait"; readonly untilMs: number | null };

/** What comes next. Asked again after each step, until it is "wait". */
export function nextStep(rollout: Rollout, nowMs: number): Step {
  const { startAtMs, hosts } = rollout;
  if (rollout.isHalted) return { kind: "wait", untilMs: null };
  if (!rollout.isStarted) {
    if (startAtMs === null) return { kind: "start" };
    if (nowMs < startAtMs) return { kind: "wait", untilMs: startAtMs };
    return nowMs - startAtMs > MOST_LATE_MS
      ? { kind: "halt", fault: startMissed(rollout.deployId, startAtMs) }
      : { kind: "start" };
  }
  const held = hosts.filter(isHeld);
  if (held.length === 0) return { kind: "wait", untilMs: null };
  const released = hosts.filter(({ releasedAtMs }) => releasedAtMs !== null);
  const wave = Math.max(-1, ...released.map((host) => host.wave));
  // Beside hosts of it that a halt has called back.
  const current = released.filter((host) => host.wave === wave);
  const fault = reasonToHalt(rollout, current);
  if (fault !== undefined) return { kind: "halt", fault };
  const open = current.filter((host) => !isOver(host));
  if (open.length === 0) return nextRelease(rollout);
  // A canary is waited for; in the other waves only who has begun is.
  if (wave === CANARY_WAVE || open.some(({ state }) => state !== "pending")) return { kind: "wait", untilMs: null };
  const untilMs = Math.max(...open.map(({ releasedAtMs }) => releasedAtMs ?? 0)) + WAVE_WAIT_MS;
  return nowMs < untilMs ? { kind: "wait", untilMs } : nextRelease(rollout);
}

/** The hosts whose turn it is next, whatever happened before; undefined: it was everybody's. */
export function nextRelease({ hosts }: Pick<Rollout, "hosts">): Step {
  const held = hosts.filter(isHeld);
  if (held.length === 0) return { kind: "wait", untilMs: null };
  const wave = Math.min(...held.map((host) => host.wave));
  return { kind: "release", wave, hostIds: held.filter((host) => host.wave === wave).map(({ id }) => id) };
}

/** How many have failed that no person has gone on after. */
export function failuresOf({ hosts }: Pick<Rollout, "hosts">): readonly RolloutHost[] {
  return hosts.filter(({ state, isAwaited }) => state === "failed" && !isAwaited);
}

function reasonToHalt(rollout: Rollout, current: readonly RolloutHost[]): Fault | undefined {
  const failed = failuresOf(rollout);
  const isCanary = current.some(({ wave }) => wave === CANARY_WAVE);
  const isNews = failed.length > rollout.failedAccepted;
  if (isCanary && isNews) return canaryFault(rollout.deployId, failed);
  if (isCanary && current.every((host) => isOver(host) && host.state !== "done")) return canaryGone(rollout.deployId);
  const { mostFailed } = rollout;
  if (mostFailed === null || failed.length - rollout.failedAccepted <= mostFailed) return undefined;
  return tooManyFault(rollout.deployId, failed, mostFailed);
}

/** Its turn has not come. */
export function isHeld({ state, releasedAtMs }: Pick<RolloutHost, "state" | "releasedAtMs">): boolean {
  return state === "pending" && releasedAtMs === null;
}

function isOver({ state, isAwaited }: RolloutHost): boolean {
  return state !== "pending" && state !== "running" && !isAwaited;
}

function namesOf(hosts: readonly RolloutHost[]): string {
  return hosts.map(({ name }) => name).join(", ");
}

function startMissed(deployId: number, startAtMs: number): Fault {
  const at = new Date(startAtMs).toISOString().slice(0, 16).replace("T", " ");
  return new Fault("START_MISSED", {
    what: `Session ${deployId} has not begun: its time was ${at} UTC.`,
    why: "The server was not running then, and people may be at work at these machines now.",
    fix: `Begin it now ("bootcast session start ${deployId}"), or end it ("bootcast session stop ${deployId}") and order it for another time.`,
  });
}

function canaryFault(deployId: number, failed: readonly RolloutHost[]): Fault {
  return new Fault("CANARY_FAILED", {
    what: `Session ${deployId} has stopped: no other host begins.`,
    why: `${namesOf(failed)} went first to try the image, and failed.`,
    fix: goOn(deployId),
  });
}

function canaryGone(deployId: number): Fault {
  return new Fault("CANARY_MISSING", {
    what: `Session ${deployId} has stopped: no other host begins.`,
    why: "Who was to go first to try the image was taken out.",
    fix: goOn(deployId),
  });
}

function tooManyFault(deployId: number, failed: readonly RolloutHost[], mostFailed: number): Fault {
  return new Fault("TOO_MANY_FAILED", {
    what: `Session ${deployId} has stopped: no other host begins.`,
    why: `${failed.length} ${failed.length === 1 ? "host has" : "hosts have"} failed, and at most ${mostFailed} may: ${namesOf(failed)}.`,
    fix: goOn(deployId),
  });
}

function goOn(deployId: number): string {
  return `See what happened ("bootcast session show ${deployId}"), then go on with the others ("bootcast session start ${deployId}") or end it ("bootcast session stop ${deployId}").`;
}
