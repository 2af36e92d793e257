import type { Fault, FaultText } from "../../fault.ts";
import type { Finding } from "./finding.ts";

/** Somebody who is told what happens. */
type Told = {
  readonly name: string;
  readonly isPaused: boolean;
  /** In a row, until now. */
  readonly failures: number;
  readonly waiting: number;
  readonly fault: FaultText | null;
};

/** A schedule: why its order could not be given, if it could not, and which of its words mean nobody any more. */
type Outlook = {
  readonly name: string;
  readonly fault?: Fault;
  readonly leftOut: readonly { readonly name: string; readonly why: string }[];
};

/** What happens by itself, as the running server knows it. */
export type ByItself = {
  /** Schedules that are not paused. */
  schedules(): Promise<readonly Outlook[]>;
  told(): Promise<readonly Told[]>;
};

/** A network is away for a minute now and then. */
const LEAST_FAILURES = 3;

/** Schedules that will fail when their time comes: their image was removed, or nobody has their name any more. */
export function scheduleFindings(schedules: readonly Outlook[]): Finding[] {
  const broken = schedules.filter(({ fault, leftOut }) => fault !== undefined || leftOut.length > 0);
  if (schedules.length > 0 && broken.length === 0) {
    return [{ probe: "schedules", status: "ok", detail: "The orders of all schedules can be given." }];
  }
  return broken.map(({ name, fault, leftOut }) => ({
    probe: `schedule ${name}`,
    status: "warn",
    detail:
      fault === undefined
        ? `When its time comes the schedule ${name} will leave out: ${leftOut.map((each) => each.why).join("; ")}.`
        : `When its time comes the schedule ${name} will fail: ${fault.what} ${fault.why}`,
    fix: `bootcast schedule remove ${name}, and add it again as it is meant`,
  }));
}

/** People and programs that should be told what happens, and cannot be. */
export function toldFindings(told: readonly Told[]): Finding[] {
  const active = told.filter(({ isPaused }) => !isPaused);
  const failing = active.filter(({ failures, fault }) => failures >= LEAST_FAILURES && fault !== null);
  if (active.length > 0 && failing.length === 0) {
    return [{ probe: "notifications", status: "ok", detail: "Everybody could be told what happened." }];
  }
  return failing.map(({ name, fault, waiting }) => ({
    probe: `notification ${name}`,
    status: "warn",
    detail: `${name} could not be told what happened, and ${waiting} messages wait: ${fault?.what ?? ""} ${fault?.why ?? ""}`,
    fix: `bootcast notify test ${name}`,
  }));
}
