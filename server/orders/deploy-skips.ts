import { Fault } from "../../fault.ts";
import type { Hindrance } from "../hosts/lock.ts";
import { hostBusy } from "./deploy-hosts.ts";

/** A host that was meant, and is left out of the order. */
export type SkippedHost = {
  readonly id: string;
  readonly name: string;
  readonly reason: "locked" | "unapproved" | "busy" | "no-disk";
  /** Completes "it is left alone: …". */
  readonly why: string;
};

/** What is known of a host that is meant. */
export type Candidate = {
  readonly id: string;
  readonly name: string;
  /** What people have said against erasing it. */
  readonly hindrance: Hindrance | undefined;
  /** The session that has an open order for it. */
  readonly busyWith: number | undefined;
  /** Why none of its disks, as it last showed them, can take the image; empty: one may. */
  readonly noDisk: string;
  /** It was named itself, and not with others by a group or label. */
  readonly isNamed: boolean;
};

/**
 * Why a host is left out; undefined: it is not. A host without a disk that fits is left out where nobody looked at it
 * alone: who names it may know that it has another disk now, and it looks itself before it erases.
 */
export function skipOf(host: Candidate): SkippedHost | undefined {
  const { id, name, hindrance, busyWith, noDisk, isNamed } = host;
  if (hindrance !== undefined) return { id, name, reason: hindrance.kind, why: hindrance.why };
  if (busyWith !== undefined) return { id, name, reason: "busy", why: `session ${busyWith} has not finished with it` };
  if (noDisk !== "" && !isNamed) return { id, name, reason: "no-disk", why: noDisk };
  return undefined;
}

/**
 * Why an order cannot be given that would leave all its hosts out.
 *
 * @param busy the session that has an open order for the first that is busy
 */
export function allSkipped(skipped: readonly SkippedHost[], busy: number | undefined): Fault {
  const [first] = skipped;
  if (skipped.length === 1 && first?.reason === "busy" && busy !== undefined) return hostBusy(first.name, busy);
  if (skipped.length === 1 && first?.reason === "locked") {
    return new Fault("HOST_LOCKED", {
      what: `${first.name} is left alone.`,
      why: `It is ${first.why}.`,
      fix: `Ask who locked it; "bootcast host unlock ${first.name}" ends the lock.`,
    });
  }
  if (skipped.length === 1 && first?.reason === "unapproved") {
    return new Fault("HOST_UNAPPROVED", {
      what: `${first.name} is left alone.`,
      why: `It is ${first.why}.`,
      fix: `If it is one of yours: bootcast host approve ${first.name}`,
    });
  }
  const why = skipped.map(({ name, why }) => `${name}: ${why}`).join("; ");
  return new Fault("HOSTS_SKIPPED", {
    what: "No host is left that this order could be given to.",
    why: `${why}.`,
    fix: 'Unlock or approve hosts ("bootcast host list" shows them), or wait until they are free.',
  });
}
