import { Command, Option } from "commander";
import {
  type Afterwards,
  afterwards,
  DEFAULT_DISK_RULE,
  type DiskIds,
  diskIds,
  type EraseMethod,
  eraseMethods,
  type Growth,
  growths,
} from "../../agent/contract.ts";
import { formatDuration, formatSize } from "../../agent/disk/sizes.ts";
import { Fault } from "../../fault.ts";
import type { DeployPlanBody, DeployRequestBody } from "../../server/api/schemas.ts";
import { withServer } from "../client.ts";
import { imageReference } from "../image/reference.ts";
import { configOptions } from "../settings/configuration.ts";
import { duration, parseCount } from "../settings/option-values.ts";
import { ago } from "../terminal/ago.ts";
import { confirm, examples, globalOptions, printResult, say } from "../terminal/output.ts";
import { table } from "../terminal/table.ts";

/** A day, as for `bootcast stream`. */
const MOST_WAIT_MS = 86_400_000;

type DeployOptions = {
  readonly to: readonly string[];
  readonly waitFor?: number;
  readonly maxWait?: number;
  readonly disk?: string;
  readonly erase?: EraseMethod;
  readonly grow?: Growth;
  readonly ids?: DiskIds;
  readonly verify?: string;
  readonly then?: Afterwards;
  readonly alive?: boolean;
  readonly plan?: boolean;
  readonly confirm?: string;
};

/** `bootcast deploy`: orders an image onto hosts. */
export function deployCommand(): Command {
  const command = new Command("deploy").description(
    "Orders an image onto hosts. Their disks are ERASED when they next boot from the network, or at once when they wait.",
  );
  examples(command, [
    "bootcast deploy lab-debian --to lab-01 lab-02 --plan       # what would be erased",
    "bootcast deploy lab-debian --to lab-01                     # asks for the name, then orders",
    "bootcast deploy lab-debian --to any --confirm any          # every host that appears, once",
    "bootcast deploy lab-debian --to lab-01 lab-02 --wait-for 2 --max-wait 10m --confirm 2-hosts",
    'bootcast deploy lab-debian --to lab-01 --disk "smallest transport=nvme|sata" --erase zeros',
    "bootcast deploy kiosk --to kiosk-01 kiosk-02 --erase none --verify sampled   # only what differs is sent and written",
  ]);
  configOptions(globalOptions(command));
  return command
    .argument("<image>", "an image in the store: its name, or name:version")
    .requiredOption("--to <hosts...>", 'names of hosts, or the word "any": each host that appears, once')
    .option(
      "--wait-for <n>",
      "start the stream when so many hosts are ready (default: all named, 1 for any)",
      parseCount,
    )
    .option(
      "--max-wait <time>",
      "or so long after the first was ready: 90s, 10m, or seconds (default: 10m)",
      duration({ mostMs: MOST_WAIT_MS }),
    )
    .option(
      "--disk <rule>",
      'which disk, where a host has several: "smallest", "serial=S21*", "size=200G..2T transport=nvme" (default: the only one that fits)',
    )
    .addOption(
      new Option(
        "--erase <method>",
        "how it is erased, or none: what is right already stays, and only the rest is sent (default: quick)",
      ).choices(eraseMethods),
    )
    .addOption(
      new Option(
        "--grow <what>",
        "of a larger disk: the last partition and its file system, or keep all (default: last)",
      ).choices(growths),
    )
    .addOption(
      new Option("--ids <what>", "keep the image's disk numbers and UUIDs, or renew them (default: keep)").choices(
        diskIds,
      ),
    )
    .option(
      "--verify <how>",
      "how much of the disk is read back: whole, sampled, sampled=10%, or none (default: whole)",
    )
    .addOption(
      new Option("--then <what>", "what the machines do when they are restored (default: reboot)").choices(afterwards),
    )
    .option("--alive", "the restored systems say that they are up; a small job of their first start calls this server")
    .option("--no-alive", "they do not, whatever is set (hosts.alive)")
    .option("--plan", "show what would be erased, and order nothing")
    .option("--confirm <name>", "the name that would have to be typed, for scripts")
    .action((image: string, options: DeployOptions) => deploy(command, image, options));
}

async function deploy(command: Command, image: string, options: DeployOptions): Promise<void> {
  const isAny = options.to.includes("any");
  if (isAny && options.to.length > 1) {
    throw new Fault("USAGE", {
      what: 'The word "any" was given together with names.',
      why: "It already means every host that appears.",
      fix: 'Give only "--to any", or only names.',
    });
  }
  const { name, version } = imageReference(image);
  const request: DeployRequestBody = {
    image: name,
    to: isAny ? "any" : [...options.to],
    ...(version === undefined ? {} : { imageVersion: version }),
    ...(options.waitFor === undefined ? {} : { waitFor: options.waitFor }),
    ...(options.maxWait === undefined ? {} : { maxWaitMs: options.maxWait }),
    ...(options.disk === undefined ? {} : { disk: options.disk }),
    ...(options.erase === undefined ? {} : { erase: options.erase }),
    ...(options.grow === undefined ? {} : { grow: options.grow }),
    ...(options.ids === undefined ? {} : { ids: options.ids }),
    ...(options.verify === undefined ? {} : { verify: options.verify }),
    ...(options.then === undefined ? {} : { afterwards: options.then }),
    ...(options.alive === undefined ? {} : { alive: options.alive }),
  };
  await withServer(command, async (api) => {
    const plan = await api.post<DeployPlanBody>("/api/v1/deploys/plan", request);
    if (options.plan === true) {
      printResult(plan, planText);
      return;
    }
    say(planText(plan));
    await confirm(confirmationOf(plan, options.confirm), options.confirm);
    // The order is for exactly the hosts and the version that were shown.
    const { deployId } = await api.post<{ deployId: number }>("/api/v1/deploys", {
      ...request,
      imageVersion: plan.image.version,
      to: isAny ? "any" : plan.hosts.map(({ id }) => id),
      confirmed: plan.hosts.flatMap(({ contents }) => contents),
    });
    printResult({ session: deployId, plan }, () => `Session ${deployId} is ordered.`);
    say(
      `Hosts that wait begin now, others when they boot from the network. Follow it: bootcast session watch ${deployId}`,
    );
  });
}

/**
 * The word that must be typed: "any", the host's name, or for several hosts
 * how many there are ("12-hosts"); their names with commas do as well.
 */
function confirmationOf(plan: Pick<DeployPlanBody, "to" | "hosts">, given?: string): string {
  if (plan.to === "any") return "any";
  const names = plan.hosts.map(({ name }) => name);
  const joined = names.join(",");
  if (names.length === 1 || given === joined) return joined;
  return `${names.length}-hosts`;
}

/** What a person reads before saying yes. */
function planText(plan: DeployPlanBody, nowMs: number = Date.now()): string {
  const image = `${plan.image.name} version ${plan.image.version} (${formatSize(plan.image.diskBytes)} disk, ${formatSize(plan.image.storedBytes)} to send)`;
  const wait = `The stream starts when ${plan.waitFor} ${plan.waitFor === 1 ? "host is" : "hosts are"} ready, or ${formatDuration(plan.maxWaitMs)} after the first.`;
  const erase = `Erased: ${eraseWords[plan.erase]}.`;
  if (plan.to === "any") {
    return [
      `EVERY host that boots from the network from now on will be ERASED, once, and receive ${image},`,
      "known or unknown, until the session is stopped. A disk that holds something encrypted, a member of a RAID or of",
      "LVM, or something else than after its last restore, is left alone unless the rule allows it.",
      `Disk: ${plan.disk ?? "as is set for each host"}`,
      erase,
      ...fitOf(plan),
      wait,
    ].join("\n");
  }
  const count = plan.hosts.length === 1 ? "1 host" : `${plan.hosts.length} hosts`;
  const rows = table(plan.hosts.map((host) => rowOf(host, nowMs))).split("\n");
  const lines = plan.hosts.flatMap((host, index) => [rows[index]!, ...notesOf(host)]);
  return [`${count} will be ERASED and receive ${image}:`, ...lines, erase, ...fitOf(plan), wait].join("\n");
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

function rowOf(host: PlannedHost, nowMs: number): string[] {
  return [
    `  ${host.name}`,
    host.mac,
    host.model || "unknown model",
    host.disks.map(({ path, sizeBytes }) => `${path} ${formatSize(sizeBytes)}`).join(", ") || "no disk",
    `last seen ${ago(nowMs - host.lastSeenMs)}${host.warning === "" ? "" : `   ! ${host.warning}`}`,
  ];
}

/** What stands out: a rule that is not every host's, and what the disks hold, which the order confirms. */
function notesOf(host: PlannedHost): string[] {
  const rule = host.rule === DEFAULT_DISK_RULE ? [] : [`    disk: ${host.rule}`];
  const contents = host.contents.filter((text) => !text.endsWith(": nothing")).map((text) => `    holds ${text}`);
  return [...rule, ...contents];
}
