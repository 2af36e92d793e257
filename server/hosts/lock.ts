import { type Lack, unapprovedText } from "./enrolment/admission.ts";

/** A host that is to be left alone: whose word that is, why, and until when. */
export type HostLock = {
  readonly reason: string;
  /** Who locked it, as the audit log names them. */
  readonly by: string;
  readonly sinceMs: number;
  /** Null: until somebody unlocks it. */
  readonly untilMs: number | null;
};

/** Why nothing may be erased on a host, whatever is ordered. */
export type Hindrance = {
  readonly kind: "unapproved" | "locked";
  /** Completes "it is …": `locked by mueller until 2026-11-27 18:00 UTC: "exam machine"`. */
  readonly why: string;
};

/** The lock that holds now: one whose time is over holds no more. */
export function lockNow(lock: HostLock | null, nowMs: number): HostLock | null {
  return lock === null || (lock.untilMs !== null && lock.untilMs <= nowMs) ? null : lock;
}

/** What stands against erasing a host now; undefined: nothing. Its disk may be read all the same. */
export function hindranceOf(
  host: { readonly isApproved: boolean; readonly lacks?: Lack | null; readonly lock: HostLock | null },
  nowMs: number,
): Hindrance | undefined {
  if (!host.isApproved) return { kind: "unapproved", why: unapprovedText(host.lacks) };
  const lock = lockNow(host.lock, nowMs);
  return lock === null ? undefined : { kind: "locked", why: lockText(lock) };
}

/** `locked by mueller until 2026-11-27 18:00 UTC: "exam machine"`. */
export function lockText({ by, reason, untilMs }: HostLock): string {
  const until = untilMs === null ? "" : ` until ${new Date(untilMs).toISOString().slice(0, 16).replace("T", " ")} UTC`;
  return `locked by ${by}${until}: "${reason}"`;
}
