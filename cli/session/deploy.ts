import { Command, Option } from "commander";
import {
  type Afterwards,
  afterwards,
  type DiskIds,
  diskIds,
  type EraseMethod,
  eraseMethods,
  type Growth,
  growths,
} from "../../agent/contract.ts";
import { Fault } from "../../fault.ts";
import type { DeployRequestBody } from "../../server/api/schemas.ts";
import { withServer } from "../client.ts";
import { imageReference } from "../image/reference.ts";
import { configOptions } from "../settings/configuration.ts";
import { duration, parseCount, wholeNumber } from "../settings/option-values.ts";
import { examples, globalOptions } from "../terminal/output.ts";
import { planAndOrder } from "./order.ts";
import { parseWhen, timeZoneOf } from "./when.ts";

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
  readonly at?: string;
  readonly timeZone?: string;
  readonly canary?: readonly string[] | boolean;
  readonly batch?: number;
  readonly maxFailed?: number;
  readonly wake?: boolean;
  readonly network?: string;
  readonly model?: string;
  readonly most?: number;
  readonly until?: string;
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
    'bootcast deploy lab-debian --to room-b --at "fri 22:00" --canary --batch 10   # one host first, then ten at a time',
    'bootcast deploy mac-2026 --to any --model "iMac*" --most 20 --until 18:00     # of those that appear',
    "bootcast deploy lab-debian --to any --confirm any          # every host that appears, once",
    "bootcast deploy lab-debian --to lab-01 lab-02 --wait-for 2 --max-wait 10m --confirm 2-hosts",
    'bootcast deploy lab-debian --to lab-01 --disk "smallest transport=nvme|sata" --erase zeros',
    "bootcast deploy kiosk --to kiosk-01 kiosk-02 --erase none --verify sampled   # only what differs is sent and written",
  ]);
  configOptions(globalOptions(command));
  return command
    .argument("<image>", "an image in the store: its name, or name:version")
    .requiredOption("--to <hosts...>", 'hosts, groups, label=…; or the word "any": each host that appears, once')
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
    .option("--at <when>", 'begin later: "22:00", "fri 22:00", "2026-11-27 22:00", "+90m" (default: at once)')
    .option("--time-zone <name>", 'the time zone of --at and --until, "Europe/Berlin" (default: this machine\'s)')
    .option(
      "--canary [hosts...]",
      "these go first, or so many (default: one); the others begin when that is up again under its name",
    )
    .option("--batch <n>", "so many at a time; the next ones when those are through", parseCount)
    .option(
      "--max-failed <n>",
      "when more fail, nobody else begins (default: a tenth of the hosts, at least 1)",
      wholeNumber(0, 100_000),
    )
    .option("--wake", "start machines that are switched off (Wake-on-LAN) when their turn comes")
    .option("--network <range>", 'of any: only hosts of this network, "10.1.0.0/24"')
    .option("--model <pattern>", 'of any: only hosts of this model, "iMac*"')
    .option("--most <n>", "of any: only so many hosts", parseCount)
    .option("--until <when>", "of any: only hosts that appear before")
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
  const timeZone = timeZoneOf(options.timeZone);
  const clock = { nowMs: Date.now(), timeZone };
  const waves = wavesOf(options);
  const limits = limitsOf(options, clock);
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
    ...(options.at === undefined ? {} : { startAtMs: parseWhen(options.at, clock) }),
    ...(waves === undefined ? {} : { waves }),
    ...(options.wake === undefined ? {} : { wake: options.wake }),
    ...(limits === undefined ? {} : { limits }),
  };
  await withServer(command, (api) =>
    planAndOrder(api, request, { isPlan: options.plan === true, confirmed: options.confirm, timeZone }),
  );
}

/** Hosts that go one group after the other; undefined: all at once. */
function wavesOf({ canary, batch, maxFailed }: DeployOptions): DeployRequestBody["waves"] {
  if (canary === undefined && batch === undefined && maxFailed === undefined) return undefined;
  const first = canary === undefined || canary === false ? undefined : canary === true ? 1 : canary;
  const isNumber = Array.isArray(first) && first.length === 1 && /^\d+$/.test(first[0]!);
  return {
    ...(first === undefined
      ? {}
      : { canary: isNumber ? Number((first as readonly string[])[0]) : (first as string[] | 1) }),
    ...(batch === undefined ? {} : { batch }),
    ...(maxFailed === undefined ? {} : { mostFailed: maxFailed }),
  };
}

/** Which hosts that appear; undefined: every one. */
function limitsOf({ network, model, most, until }: DeployOptions, clock: Parameters<typeof parseWhen>[1]) {
  const limits = {
    ...(network === undefined ? {} : { network }),
    ...(model === undefined ? {} : { model }),
    ...(most === undefined ? {} : { most }),
    ...(until === undefined ? {} : { untilMs: parseWhen(until, clock) }),
  };
  return Object.keys(limits).length === 0 ? undefined : limits;
}
