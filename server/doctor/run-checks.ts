import { Fault } from "../../fault.ts";
import { areas, type Check, type DoctorLine, type Finding } from "./finding.ts";

/**
 * Looks at everything at once, and ends after `deadlineMs` whatever happens: what is late is told as not seen.
 *
 * @returns by area, in the order of the checks
 */
export async function runChecks(checks: readonly Check[], deadlineMs: number): Promise<DoctorLine[]> {
  const stopped = new AbortController();
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => {
    resolve(undefined);
    stopped.abort(new Error("the doctor's time is over"));
  }, deadlineMs);
  try {
    const lines = await Promise.all(
      checks.map(async (check) => {
        const found = await Promise.race([lookAt(check, stopped.signal), late]);
        return (found ?? [tooLate(check, deadlineMs)]).map((finding) => ({ area: check.area, ...finding }));
      }),
    );
    return lines.flat().toSorted((one, other) => areas.indexOf(one.area) - areas.indexOf(other.area));
  } finally {
    clearTimeout(timer);
    stopped.abort(new Error("the doctor is done"));
  }
}

async function lookAt(check: Check, signal: AbortSignal): Promise<readonly Finding[]> {
  try {
    return await check.look(signal);
  } catch (error) {
    return [refused(check.probe, error)];
  }
}

/** What ended a look: a Fault says what is wrong, everything else is ours. */
function refused(probe: string, error: unknown): Finding {
  if (error instanceof Fault) {
    const { code, what, why, fix } = error;
    return { probe, status: "fail", detail: `${what} ${why}`, fix, code };
  }
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "EACCES" || code === "EPERM") {
    return { probe, status: "skip", detail: `This user may not look at it: ${message}`, code: "NOT_PERMITTED" };
  }
  return {
    probe,
    status: "warn",
    detail: `The look failed: ${message}.`,
    fix: "This is a defect in bootcast: report it.",
  };
}

function tooLate({ probe }: Check, deadlineMs: number): Finding {
  return { probe, status: "skip", detail: `Not seen within ${deadlineMs / 1000} s.` };
}
