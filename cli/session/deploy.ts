import { Command } from "commander";
import { Fault } from "../../fault.ts";
import type { DeployRequestBody } from "../../server/api/schemas.ts";
import { withServer } from "../client.ts";
import { imageReference } from "../image/reference.ts";
import { configOptions } from "../settings/configuration.ts";
import { parseCount } from "../settings/option-values.ts";
import { examples, globalOptions } from "../terminal/output.ts";
import { planAndOrder } from "./order.ts";
import { type OrderOptions, orderOf, orderOptions } from "./order-options.ts";
import { parseWhen, timeZoneOf } from "./when.ts";

type DeployOptions = OrderOptions & {
  readonly to: readonly string[];
  readonly at?: string;
  readonly timeZone?: string;
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
  command
    .argument("<image>", "an image in the store: its name, or name:version")
    .requiredOption("--to <hosts...>", 'hosts, groups, label=…; or the word "any": each host that appears, once');
  return orderOptions(command, "quick")
    .option("--at <when>", 'begin later: "22:00", "fri 22:00", "2026-11-27 22:00", "+90m" (default: at once)')
    .option("--time-zone <name>", 'the time zone of --at and --until, "Europe/Berlin" (default: this machine\'s)')
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
  const limits = limitsOf(options, clock);
  const request: DeployRequestBody = {
    image: name,
    to: isAny ? "any" : [...options.to],
    ...(version === undefined ? {} : { imageVersion: version }),
    ...orderOf(options),
    ...(options.at === undefined ? {} : { startAtMs: parseWhen(options.at, clock) }),
    ...(options.wake === undefined ? {} : { wake: options.wake }),
    ...(limits === undefined ? {} : { limits }),
  };
  await withServer(command, (api) =>
    planAndOrder(api, request, { isPlan: options.plan === true, confirmed: options.confirm, timeZone }),
  );
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
