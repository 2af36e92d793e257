import type { AgentState } from "../../../agent/contract.ts";
import type { ShownToken } from "./token.ts";

/** What becomes of machines that nobody added: all are approved, or those that show a token, or a person is asked. */
export const approvals = ["auto", "token", "ask"] as const;
export type Approval = (typeof approvals)[number];

/** Why a machine waits for a person where a token would do: it showed none, could not show one, or a wrong one. */
export const lacks = ["none", "too-old", "wrong"] as const;
export type Lack = (typeof lacks)[number];

/** A machine that registers. */
export type Arrival = {
  readonly shown: ShownToken;
  /** Its agent is too old to show one. */
  readonly isTooOld: boolean;
  /** It shows the key that the host was given last: it is the same agent, which has never stopped. */
  readonly isSameRun: boolean;
};

/** The host that it says it is. */
export type Claimed = {
  readonly isApproved: boolean;
  /** It showed a good token when it registered last. */
  readonly isEnrolled: boolean;
  /** What its agent said last. */
  readonly state: AgentState;
  /** Something is ordered for it, and it has begun. */
  readonly hasBegun: boolean;
  /** Since it was heard, by its own key; Infinity: never. */
  readonly silentMs: number;
};

/**
 * - working: the host is at work for an order, and was heard a moment ago: so this is another machine
 * - alive: the host showed a token and is there; this one shows none
 * - unproved: the host showed a token when it registered last, tokens are asked for, and this one shows none
 */
export type Refusal = "working" | "alive" | "unproved";

export type Admission =
  | {
      readonly isLetIn: true;
      readonly isApproved: boolean;
      /** The host waited for approval, and its token ends that. */
      readonly wasWaiting: boolean;
      readonly isEnrolled: boolean;
      readonly lacks: Lack | null;
    }
  | { readonly isLetIn: false; readonly why: Refusal };

/**
 * An agent at work is heard every second, but another server of the same database reads of it up to ten seconds late
 * (`host-progress.ts`). No machine starts again and is back with its agent in this time.
 */
export const WORKING_SILENT_MS = 12_000;
/** A waiting agent is heard every 25 s. */
export const ALIVE_SILENT_MS = 60_000;

/** With an order in their hands; half of a disk may be written. */
const working: readonly AgentState[] = [
  "preflight",
  "capturing",
  "erasing",
  "receiving",
  "verifying",
  "naming",
  "finishing",
];
/** The machine is somewhere else by now, or is about to be. */
const leaving: readonly AgentState[] = ["rebooting", "done", "failed"];

/**
 * Whether a machine gets a host's place, its order and its key with it.
 *
 * A machine that was switched off and on in the middle of its restore shows its token again and has been silent for as
 * long as it took to start: it goes on at once. Whoever is refused asks again by itself.
 *
 * @param claimed undefined: nobody knows this machine
 */
export function admissionOf(policy: Approval, arrival: Arrival, claimed: Claimed | undefined): Admission {
  const { shown, isSameRun } = arrival;
  const hasProof = shown === "right" || shown === "old";
  if (claimed !== undefined && !isSameRun) {
    const why = refusalOf(policy, hasProof, claimed);
    if (why !== undefined) return { isLetIn: false, why };
  }
  const isApproved = (claimed?.isApproved ?? policy === "auto") || (policy === "token" && hasProof);
  const isEnrolled = hasProof || (isSameRun && claimed?.isEnrolled === true);
  return {
    isLetIn: true,
    isApproved,
    wasWaiting: isApproved && claimed?.isApproved === false,
    isEnrolled,
    lacks: isApproved || policy !== "token" ? null : lackOf(arrival),
  };
}

function refusalOf(policy: Approval, hasProof: boolean, host: Claimed): Refusal | undefined {
  if (host.hasBegun && working.includes(host.state) && host.silentMs < WORKING_SILENT_MS) return "working";
  if (hasProof || !host.isEnrolled) return undefined;
  const isThere = !leaving.includes(host.state) && host.silentMs < ALIVE_SILENT_MS;
  if (isThere) return "alive";
  return policy === "token" ? "unproved" : undefined;
}

/** What a machine without a good token lacks. */
export function lackOf({ shown, isTooOld }: Pick<Arrival, "shown" | "isTooOld">): Lack {
  if (shown === "wrong") return "wrong";
  return isTooOld ? "too-old" : "none";
}

/** Completes "it is …" of a host that waits for a person. */
export function unapprovedText(lack: Lack | null | undefined): string {
  const text = "not approved by anybody yet";
  if (lack === "wrong") return `${text}, and the enrolment token that it showed is not, or no longer, this site's`;
  if (lack === "too-old") return `${text}, and its boot image is too old to show an enrolment token`;
  return lack === "none" ? `${text}, and it showed no enrolment token` : text;
}
