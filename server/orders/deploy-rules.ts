/** How an order for one host stands. "pending" and "running" are open: the host is given the agent and the order. */
export type OrderState = "pending" | "running" | "done" | "failed" | "cancelled";

/** What is known when a host asks what to do, or its firmware asks what to boot. */
export type Facts = {
  readonly nowMs: number;
  /** The host's order in an active deploy, if it has an open one. */
  readonly open: { readonly deployId: number } | undefined;
  /** The active deploy to any host, if there is one. */
  readonly any: { readonly deployId: number; readonly createdAtMs: number } | undefined;
  /** Every order of this host that has ended. */
  readonly ended: readonly { readonly deployId: number; readonly endedAtMs: number; readonly state: OrderState }[];
  /** Since when the host runs the agent with nothing to do. */
  readonly waitingSinceMs: number;
  /** How long it may. */
  readonly waitMs: number;
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
  facts: Pick<Facts, "open" | "any" | "ended">,
): { deployId: number; isNew: boolean } | undefined {
  if (facts.open !== undefined) return { deployId: facts.open.deployId, isNew: false };
  const any = facts.any;
  if (any === undefined) return undefined;
  const hadItsTurn = facts.ended.some(
    ({ deployId, endedAtMs }) => deployId === any.deployId || endedAtMs >= any.createdAtMs,
  );
  return hadItsTurn ? undefined : { deployId: any.deployId, isNew: true };
}

/** What a registered host that asks is to do. */
export function decide(facts: Facts): Decision {
  const due = dueDeploy(facts);
  if (due !== undefined) return { kind: "deploy", ...due };
  const leftMs = facts.waitingSinceMs + facts.waitMs - facts.nowMs;
  const last = facts.ended.toSorted((a, b) => b.endedAtMs - a.endedAtMs)[0];
  // The same start of the agent that did the work: there is nothing more to wait for.
  if (last?.state === "done" && last.endedAtMs >= facts.waitingSinceMs) {
    return { kind: "boot-disk", reason: `Session ${last.deployId} is done on this host.` };
  }
  if (leftMs <= 0) {
    return { kind: "boot-disk", reason: `Nothing was ordered for this host in ${minutes(facts.waitMs)}.` };
  }
  const because =
    last?.state === "failed"
      ? `Session ${last.deployId} failed on this host. Waiting for a new order`
      : "Nothing is ordered for this host. Waiting for an order";
  return { kind: "wait", reason: `${because}, at most ${minutes(leftMs)} more.` };
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
