import type { DeployPlanBody, DeployRequestBody } from "../../server/api/schemas.ts";
import type { ApiClient } from "../client.ts";
import { confirm, printResult, say } from "../terminal/output.ts";
import { planText } from "./plan-text.ts";

type OrderOptions = {
  /** Shows what would be erased, and orders nothing. */
  readonly isPlan: boolean;
  /** What was given instead of typing it. */
  readonly confirmed: string | undefined;
  readonly timeZone: string;
};

/**
 * Shows a person what would be erased, wants the name typed, and gives the order for exactly what was shown.
 *
 * @throws {Fault} CONFIRM_MISSING, CONFIRM_WRONG, or what the server says against it
 */
export async function planAndOrder(api: ApiClient, request: DeployRequestBody, options: OrderOptions): Promise<void> {
  const plan = await api.post<DeployPlanBody>("/api/v1/deploys/plan", request);
  const text = (shown: DeployPlanBody) => planText(shown, { nowMs: Date.now(), timeZone: options.timeZone });
  if (options.isPlan) {
    printResult(plan, text);
    return;
  }
  say(text(plan));
  await confirm(plan.confirmation, options.confirmed, undefined, otherWords(plan));
  const { waves } = request;
  const first = plan.hosts.filter(({ wave }) => wave === 0).map(({ id }) => id);
  const { deployId } = await api.post<{ deployId: number }>("/api/v1/deploys", {
    ...request,
    imageVersion: plan.image.version,
    to: plan.to === "any" ? "any" : plan.hosts.map(({ id }) => id),
    ...(waves === undefined || first.length === 0 ? {} : { waves: { ...waves, canary: first } }),
    waitFor: plan.waitFor,
    target: plan.target,
    confirmed: plan.hosts.flatMap(({ contents }) => contents),
  });
  printResult({ session: deployId, plan }, () => `Session ${deployId} is ordered.`);
  const begins =
    plan.startAtMs === null ? "Hosts that wait begin now, others" : "From its time on hosts that wait begin, others";
  say(`${begins} when they boot from the network. Follow it: bootcast session watch ${deployId}`);
}

/** For several hosts how many there are, or their names with commas, do as well as the name of their group. */
function otherWords({ to, hosts }: DeployPlanBody): string[] {
  if (to === "any" || hosts.length < 2) return [];
  return [`${hosts.length}-hosts`, `${hosts.length} hosts`, hosts.map(({ name }) => name).join(",")];
}
