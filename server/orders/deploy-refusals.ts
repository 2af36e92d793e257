import { Fault } from "../../fault.ts";
import { checkLimits } from "./any-limits.ts";
import type { DeployRequest } from "./deploy-plan.ts";
import { MOST_LATE_MS } from "./rollout-rules.ts";

/** Whether hosts go first that have to come up again. */
export function hasCanary({ waves }: DeployRequest): boolean {
  const { canary = 0 } = waves ?? {};
  return typeof canary === "number" ? canary > 0 : canary.length > 0;
}

/** Whether a machine starts what was restored, and can say that it is up. */
export function startsItself({ afterwards = "reboot" }: DeployRequest): boolean {
  return afterwards === "reboot" || afterwards === "kexec";
}

/** @throws {Fault} DEPLOY_INVALID for what cannot be ordered together, whatever hosts and images there are */
export function refuseMixture(request: DeployRequest): void {
  const { to, waves, limits, wake, alive } = request;
  if (to !== "any" && to.length === 0) throw invalid("It names no host.", 'Name hosts, or the word "any".');
  if (limits !== undefined) checkLimits(limits);
  if (to === "any" && waves !== undefined) {
    throw invalid("Nobody knows who will appear, so nobody can go first.", 'Name hosts or a group instead of "any".');
  }
  if (to === "any" && wake === true) {
    throw invalid("Nobody knows who will appear, so nobody can be woken.", 'Name hosts or a group instead of "any".');
  }
  if (to !== "any" && limits !== undefined && Object.keys(limits).length > 0) {
    throw invalid("Limits are for hosts that appear, and it names hosts.", 'Leave them out, or give it to "any".');
  }
  if ((alive === true || hasCanary(request)) && !startsItself(request)) {
    throw invalid(
      "A machine that does not start its restored system cannot say that it is up.",
      "Let it restart, or do not wait for its word.",
    );
  }
  if (hasCanary(request) && alive === false) {
    throw invalid(
      "Whether an image is good is seen when the first host is up again.",
      "Let the restored systems say that they are up (--alive), or let no host go first.",
    );
  }
}

/**
 * A time that has just passed while somebody read the plan is now. One that is long over is a mistake, a clock that is
 * wrong or seconds for milliseconds, and what was meant for later would erase at once.
 *
 * @throws {Fault} DEPLOY_INVALID
 */
export function refuseLongOver({ startAtMs }: DeployRequest, nowMs: number): void {
  if (startAtMs === undefined || nowMs - startAtMs <= MOST_LATE_MS) return;
  throw invalid(
    `It is to begin at ${new Date(startAtMs).toISOString()}, which is over.`,
    "Give a time that comes, in milliseconds since 1970 UTC, or none: then it begins at once.",
  );
}

/** @throws {Fault} DEPLOY_INVALID when it would wait for more hosts than it names */
export function refuseLongWait({ to, waitFor = 0 }: DeployRequest, hosts: number): void {
  if (to === "any" || waitFor <= hosts) return;
  throw invalid(`It would wait for ${waitFor} hosts, but names ${hosts}.`, "Wait for fewer.");
}

function invalid(why: string, fix: string): Fault {
  return new Fault("DEPLOY_INVALID", { what: "This order cannot be given.", why, fix });
}
