import { type Afterwards, DEFAULT_DISK_RULE, type EraseMethod } from "../../agent/contract.ts";
import { formatDuration, formatSize } from "../../agent/disk/sizes.ts";
import type { DeployPlanBody } from "../../server/api/schemas.ts";
import { ago } from "../terminal/ago.ts";
import { table } from "../terminal/table.ts";
import { whenText } from "./when.ts";

/** Who waits in the agent is heard of twice a minute. */
const AWAKE_MS = 90_000;

type About = {
  readonly nowMs: number;
  /** In which times are told. */
  readonly timeZone: string;
};

/** What a person reads before saying yes. */
export function planText(plan: DeployPlanBody, about: About): string {
  const image = `${plan.image.name} version ${plan.image.version} (${formatSize(plan.image.diskBytes)} disk, ${formatSize(plan.image.storedBytes)} to send)`;
  const common = [`Erased: ${eraseWords[plan.erase]}.`, ...fitOf(plan), ...turnsOf(plan), ...timesOf(plan, about)];
  if (plan.to === "any") return [...anyText(plan, image, about), ...common].join("\n");
  const count = plan.hosts.length === 1 ? "1 host" : `${plan.hosts.length} hosts`;
  const rows = table(plan.hosts.map((host) => rowOf(host, plan.wake, about.nowMs))).split("\n");
  const lines = plan.hosts.flatMap((host, index) => [rows[index]!, ...notesOf(host)]);
  const skipped = plan.skipped.map(({ name, why }) => `Left alone: ${name}: ${why}.`);
  return [`${count} will be ERASED and receive ${image}:`, ...lines, ...skipped, ...common].join("\n");
}

function anyText(plan: DeployPlanBody, image: string, { timeZone }: About): string[] {
  const { network, model, most, untilMs } = plan.limits ?? {};
  const which = [
    ...(model === undefined ? [] : [`of the model ${model}`]),
    ...(network === undefined ? [] : [`in the network ${network}`]),
  ];
  const until = untilMs === undefined ? "until the session is stopped" : `until ${whenText(untilMs, timeZone)}`;
  return [
    `EVERY host ${which.length === 0 ? "" : `${which.join(" ")} `}that boots from the network from now on will be ERASED, once, and receive ${image},`,
    `known or unknown, ${until}${most === undefined ? "" : `, at most ${most} of them`}. A disk that holds something encrypted, a member of a RAID or of`,
    "LVM, or something else than after its last restore, is left alone unless the rule allows it.",
    `Disk: ${plan.disk ?? "as is set for each host"}`,
  ];
}

/** Who goes first, and what stops it. */
function turnsOf({ waves }: DeployPlanBody): string[] {
  if (waves === null) return [];
  const { canary, batches, batch, mostFailed } = waves;
  const first =
    canary.length === 0
      ? []
      : [
          `First: ${canary.join(", ")}. The others begin when that is up again under its name, and nobody else if it fails.`,
        ];
  const then = `${canary.length === 0 ? "They go" : "Then"} ${batches === 1 ? `all ${batch}` : `${batch} at a time, ${batches} times`}; nobody else begins when more than ${mostFailed} fail.`;
  return [...first, then];
}

function timesOf({ waitFor, maxWaitMs, startAtMs, estimate }: DeployPlanBody, { timeZone, nowMs }: About): string[] {
  const begins =
    startAtMs === null ? [] : [`It begins ${whenText(startAtMs, timeZone)}, in ${formatDuration(startAtMs - nowMs)}.`];
  const basis =
    estimate.basis === "past"
      ? `as the last ${estimate.hosts === 1 ? "host" : `${estimate.hosts} hosts`} took`
      : "by its size";
  return [
    ...begins,
    `The stream starts when ${waitFor} ${waitFor === 1 ? "host is" : "hosts are"} ready, or ${formatDuration(maxWaitMs)} after the first.`,
    `About ${formatDuration(estimate.seconds * 1000)} (${basis}).`,
  ];
}

const afterwardsWords: Readonly<Record<Afterwards, string>> = {
  reboot: "the machines restart",
  "power-off": "the machines switch themselves off",
  kexec: "the restored Linux starts at once, without the firmware",
  wait: "the machines stay as they are until somebody presses Enter there",
};

type PlannedFit = Pick<DeployPlanBody, "grow" | "ids" | "verify" | "afterwards" | "alive">;

/** What becomes of disk and machine afterwards, where it is not what nobody has to think about. */
function fitOf({ grow, ids, verify, ...after }: PlannedFit): string[] {
  return [
    ...(grow === "keep" ? ["A larger disk: every partition stays as large as in the image."] : []),
    ...(ids === "renew" ? ["Disk, partitions and file systems get new numbers (UUIDs)."] : []),
    ...(verify === "none" ? ["The disks are not read back."] : []),
    ...(verify.startsWith("sampled") ? [`Of each disk a part is read back: ${verify.split(" ")[0]}.`] : []),
    ...(after.afterwards === "reboot" ? [] : [`Afterwards: ${afterwardsWords[after.afterwards]}.`]),
    ...(after.alive
      ? ["A job of the first start is put into each system; a host is done when its system has called this server."]
      : []),
  ];
}

const eraseWords: Readonly<Record<EraseMethod, string>> = {
  quick: "partition tables, and the rest where the disk does that by itself in a minute",
  discard: "the whole disk is discarded (TRIM)",
  zeros: "all that the image does not write becomes zero",
  secure: "the disk destroys everything by itself (sanitize)",
  none: "nothing but what differs from the image; what the image leaves free keeps its old content",
};

type PlannedHost = DeployPlanBody["hosts"][number];

function rowOf(host: PlannedHost, isWoken: boolean, nowMs: number): string[] {
  const isAsleep = nowMs - host.lastSeenMs > AWAKE_MS;
  const notes = [...(isWoken && isAsleep ? ["not awake: will be woken"] : []), host.warning].filter(
    (note) => note !== "",
  );
  return [
    `  ${host.name}`,
    host.mac,
    host.model || "unknown model",
    host.disks.map(({ path, sizeBytes }) => `${path} ${formatSize(sizeBytes)}`).join(", ") || "no disk",
    `${host.lastSeenMs === 0 ? "never seen" : `last seen ${ago(nowMs - host.lastSeenMs)}`}${notes.length === 0 ? "" : `   ! ${notes.join("; ")}`}`,
  ];
}

/** What stands out: a rule that is not every host's, and what the disks hold, which the order confirms. */
function notesOf(host: PlannedHost): string[] {
  const rule = host.rule === DEFAULT_DISK_RULE ? [] : [`    disk: ${host.rule}`];
  const contents = host.contents.filter((text) => !text.endsWith(": nothing")).map((text) => `    holds ${text}`);
  return [...rule, ...contents];
}
