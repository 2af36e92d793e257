import type { AgentState } from "../../agent/contract.ts";
import type { Lack } from "./enrolment/admission.ts";
import { type HostLock, hindranceOf, lockNow, lockText } from "./lock.ts";

/**
 * What a host is, in one word:
 *
 * - new: it waits for a person's approval, or nothing was ever ordered for it
 * - idle: its agent waits, and nothing is ordered
 * - booting: its firmware or its agent starts
 * - waiting: something is ordered, and it has not begun; the detail says for what it waits
 * - capturing … rebooting: its agent is at work
 * - done, failed: what its last order came to; nothing was heard since
 * - locked: a person wants it left alone
 * - offline: nothing is heard of it
 */
export const hostStates = [
  "new",
  "idle",
  "booting",
  "waiting",
  "capturing",
  "erasing",
  "receiving",
  "verifying",
  "naming",
  "rebooting",
  "done",
  "failed",
  "locked",
  "offline",
] as const;
export type HostState = (typeof hostStates)[number];

export type HostStatus = {
  readonly state: HostState;
  /** What it does or waits for, one sentence; "" when the word says it all. */
  readonly detail: string;
  readonly sinceMs: number;
};

/** What decides the word. */
export type HostFacts = {
  readonly nowMs: number;
  /** The agent's last word. */
  readonly agent: { readonly state: AgentState; readonly detail: string; readonly sinceMs: number };
  readonly firstSeenMs: number;
  /** 0: never. */
  readonly lastSeenMs: number;
  /** When its firmware last asked for something to boot; undefined: not lately. */
  readonly askedMs?: number | undefined;
  readonly isApproved: boolean;
  /** What it lacks to need no person. */
  readonly lacks?: Lack | null;
  readonly lock: HostLock | null;
  /** What is ordered for it and not done. */
  readonly order: { readonly deployId: number; readonly state: "pending" | "running" } | undefined;
  /** Whether anything was ordered for it ever. */
  readonly hasOrders: boolean;
};

/** A waiting agent is heard every 25 s, one at work every second; a busy network may swallow a few. */
const SILENT_AFTER_MS = 90_000;
/** Firmware, and a kernel of some age. */
const REBOOT_MS = 300_000;

/** What an agent at work is called here. */
const atWork: Readonly<Partial<Record<AgentState, HostState>>> = {
  capturing: "capturing",
  erasing: "erasing",
  receiving: "receiving",
  verifying: "verifying",
  naming: "naming",
  finishing: "naming",
  rebooting: "rebooting",
};

/** The one word for a host, from what is known of it. */
export function hostStatus(facts: HostFacts): HostStatus {
  const { nowMs, agent, lastSeenMs, order } = facts;
  const silentMs = nowMs - lastSeenMs;
  const isHeard = lastSeenMs > 0 && silentMs < (agent.state === "rebooting" ? REBOOT_MS : SILENT_AFTER_MS);
  const working = atWork[agent.state];
  if (working !== undefined && isHeard) return { state: working, detail: agent.detail, sinceMs: agent.sinceMs };
  if (order?.state === "running" && !isHeard) {
    const detail = `Nothing is heard of it in the middle of session ${order.deployId}; it was ${agent.state}.`;
    return { state: "offline", detail, sinceMs: lastSeenMs };
  }
  const hindrance = hindranceOf(facts, nowMs);
  if (hindrance?.kind === "unapproved") {
    const detail =
      (facts.lacks ?? null) === null ? "It waits for somebody to approve it." : `It waits: it is ${hindrance.why}.`;
    return { state: "new", detail, sinceMs: facts.firstSeenMs };
  }
  const lock = lockNow(facts.lock, nowMs);
  if (lock !== null) return { state: "locked", detail: `${lockText(lock)}.`, sinceMs: lock.sinceMs };
  return presentStatus(facts, isHeard) ?? absentStatus(facts);
}

/** The word for a host whose agent is heard, and that is not at work. */
function presentStatus({ agent, order, hasOrders }: HostFacts, isHeard: boolean): HostStatus | undefined {
  const { state, detail, sinceMs } = agent;
  if (!isHeard) return undefined;
  if (state === "booting" || state === "finding" || state === "registering")
    return { state: "booting", detail, sinceMs };
  if (state === "preflight") return { state: "waiting", detail, sinceMs };
  if (state !== "waiting") return undefined;
  if (order !== undefined) return { state: "waiting", detail, sinceMs };
  return { state: hasOrders ? "idle" : "new", detail, sinceMs };
}

function absentStatus({ nowMs, agent, order, askedMs = 0, lastSeenMs, firstSeenMs }: HostFacts): HostStatus {
  const { detail, sinceMs } = agent;
  // Firmware that asks the network first asks once more on the way to the disk that was restored.
  if (agent.state === "done" && order === undefined) return { state: "done", detail, sinceMs };
  if (askedMs > lastSeenMs && nowMs - askedMs < REBOOT_MS) {
    return { state: "booting", detail: "Its firmware has asked for something to boot.", sinceMs: askedMs };
  }
  if (order !== undefined) {
    const waits = `Session ${order.deployId} waits for it to start.`;
    return { state: "waiting", detail: waits, sinceMs: Math.max(lastSeenMs, firstSeenMs) };
  }
  if (agent.state === "failed") return { state: "failed", detail, sinceMs };
  if (lastSeenMs === 0)
    return { state: "new", detail: "It was added, and has not been seen yet.", sinceMs: firstSeenMs };
  return { state: "offline", detail: "", sinceMs: lastSeenMs };
}
