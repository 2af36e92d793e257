import { agentStates, type Report } from "../../agent/contract.ts";

/** A sentence, and a few of them. */
const MOST_DETAIL = 1_000;
const MOST_FAULT = 4_000;
const MOST_CODE = 100;
const states: readonly string[] = agentStates;

/**
 * The report with texts of a length that people read: whatever an agent says is kept with its host and in the events,
 * and sent to every page. Its word is not refused for that.
 */
export function inShort(report: Report): Report {
  const { detail, fault, timings } = report;
  const isShort =
    detail.length <= MOST_DETAIL && (fault === undefined || Object.values(fault).join("").length <= MOST_CODE);
  if (isShort && timings === undefined) return report;
  return {
    ...report,
    ...(timings && {
      timings: Object.fromEntries(Object.entries(timings).filter(([state]) => states.includes(state))),
    }),
    detail: cut(detail, MOST_DETAIL),
    ...(fault && {
      fault: {
        code: cut(fault.code, MOST_CODE),
        what: cut(fault.what, MOST_FAULT),
        why: cut(fault.why, MOST_FAULT),
        fix: cut(fault.fix, MOST_FAULT),
      },
    }),
  };
}

function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}
