/** How an order for one host stands. "pending" and "running" are open: the host is given the agent and the order. */
export type OrderState = "pending" | "running" | "done" | "failed" | "cancelled";

/** What is known when a host asks what to do, or its firmware asks what to boot. */
export type Facts = {
  readonly nowMs: number;
  /** The host's order in an active deploy, if it has an open one and its turn has come. */
  readonly open: { readonly deployId: number } | undefined;
  /** The same, and its turn has not come. */
  readonly held: Held | undefined;
  /** The active deploys to any host that are for this one, the oldest first. */
  readonly any: readonly { readonly deployId: number; readonly createdAtMs: number }[];
  /** One of them is for a network, and where this host is was never seen: it is given the agent to find out. */
  readonly isPlaceAsked: boolean;
  /** Every order of this host that has ended. */
  readonly ended: readonly { readonly deployId: number; readonly endedAtMs: number; readonly state: OrderState }[];
  /** Since when the host runs the agent with nothing to do. */
  readonly waitingSinceMs: number;
  /** How long it may. */
  readonly waitMs: number;
};

/** What a host waits for whose turn has not come. */
export type Held = {
  readonly deployId: number;
  /** When it begins; null: it has begun, and others are first. */
  readonly startAtMs: number | null;
  /** Of one that has begun: when somebody was given it last, and whether anybody is at work. */
  readonly releasedAtMs: number;
  readonly isAtWork: boolean;
  /** Nobody else begins until a person says so. */
  readonly isHalted: boolean;
};

export type Decision =
  /** `isNew`: the host joins the deploy to any host now. */
  | { readonly kind: "deploy"; readonly deployId: number; readonly isNew: boolean }
  | { readonly kind: "wait"; readonly reason: string }
  | { readonly kind: "boot-disk"; readonly reason: string };

/**
 * The deploy that a host is to carry out, or undefined.
 *
 * - An order that was begun and not finished stays (a power cut, a restart).
 * - "any" takes each host once, and none that was through with another order
 *   since: a host that was just restored is not restored again.
 */
export function dueDeploy(
  facts: Pick<Facts, "open" | "held" | "any" | "ended">,
): { deployId: number; isNew: boolean } | undefined {
  if (facts.open !== undefined) return { deployId: facts.open.deployId, isNew: false };
  // A host has one order at a time.
  if (facts.held !== undefined) return undefined;
  // By their numbers as well: a clock that was set back makes an end look earlier than it was.
  const due = facts.any.find(
    (any) => !facts.ended.some(({ deployId, endedAtMs }) => deployId >= any.deployId || endedAtMs >= any.createdAtMs),
  );
  return due === undefined ? undefined : { deployId: due.deployId, isNew: true };
}

/**
 * Whether a machine whose turn has not come is given the agent, to wait in it: while others are at work, and shortly
 * before an order begins. Otherwise its people use it: a canary that never comes keeps no room from its work.
 */
export function awaitsTurn(held: Held, waitMs: number, nowMs: number): boolean {
  const { startAtMs, releasedAtMs, isAtWork, isHalted } = held;
  if (isHalted) return false;
  if (startAtMs !== null) return nowMs >= startAtMs - waitMs;
  return isAtWork || nowMs < releasedAtMs + waitMs;
}

/** What a registered host that asks is to do. */
export function decide(facts: Facts): Decision {
  const due = dueDeploy(facts);
  if (due !== undefined) return { kind: "deploy", ...due };
  const { held, nowMs, waitMs } = facts;
  if (held !== undefined && awaitsTurn(held, waitMs, nowMs)) {
    const what = held.startAtMs === null ? "is at other hosts first" : `begins in ${minutes(held.startAtMs - nowMs)}`;
    return { kind: "wait", reason: `Session ${held.deployId} ${what}. Waiting for the turn of this host.` };
  }
  const leftMs = facts.waitingSinceMs + facts.waitMs - facts.nowMs;
  const last = facts.ended.toSorted((a, b) => b.endedAtMs - a.endedAtMs)[0];
  // The same start of the agent that did the work: there is nothing more to wait for.
  if (last?.state === "done" && last.endedAtMs >= facts.waitingSinceMs) {
    return { kind: "boot-disk", reason: `Session ${last.deployId} is done on this host.` };
  }
  if (leftMs <= 0) {
    if (held !== undefined) return { kind: "boot-disk", reason: `${heldText(held)} this host.` };
    return { kind: "boot-disk", reason: `Nothing was ordered for this host in ${minutes(facts.waitMs)}.` };
  }
  const because = held
    ? `${heldText(held)} this host. Waiting for its turn`
    : last?.state === "failed"
      ? `Session ${last?.deployId} failed on this host. Waiting for a new order`
      : "Nothing is ordered for this host. Waiting for an order";
  return { kind: "wait", reason: `${because}, at most ${minutes(leftMs)} more.` };
}

function heldText({ deployId, isHalted }: Held): string {
  return isHalted ? `Session ${deployId} has stopped before` : `Session ${deployId} has not come to`;
}

/** How often a disk is begun before the server gives up on a host: a power cut or two, not a loop. */
export const MAX_ATTEMPTS = 5;

/**
 * A host that began and was silent for so long is not begun again by itself. It
 * may have come through without our hearing of it (we were off, or a backup of
 * our database was put back), and somebody may have worked on it since.
 */
export const LOST_AFTER_MS = 12 * 3_600_000;

function minutes(ms: number): string {
  const whole = Math.max(1, Math.ceil(ms / 60_000));
  return whole === 1 ? "1 minute" : `${whole} minutes`;
}
