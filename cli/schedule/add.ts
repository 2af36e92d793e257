import { Command, Option } from "commander";
import { formatDuration } from "../../agent/disk/sizes.ts";
import { Fault } from "../../fault.ts";
import type { NewScheduleBody, ScheduleBody, SchedulePlanBody } from "../../server/api/schedule-schemas.ts";
import { cronOf } from "../../server/schedules/when.ts";
import { withServer } from "../client.ts";
import { imageReference } from "../image/reference.ts";
import { type OrderOptions, orderOf, orderOptions } from "../session/order-options.ts";
import { configOptions } from "../settings/configuration.ts";
import { duration } from "../settings/option-values.ts";
import { confirm, examples, globalOptions, printResult, say } from "../terminal/output.ts";
import { occurrenceTable } from "./text.ts";

const HOUR_MS = 3_600_000;

type AddOptions = OrderOptions & {
  readonly to: string[];
  readonly at?: string;
  readonly cron?: string;
  readonly timeZone?: string;
  readonly window?: number;
  readonly wake: boolean;
  readonly wakeBefore?: number;
  readonly quietHours?: string[];
  readonly missed?: "run" | "skip";
  readonly skipUsed?: boolean;
  readonly plan?: boolean;
  readonly confirm?: string;
};

/** `bootcast schedule add`. */
export function addCommand(): Command {
  const command = new Command("add").description(
    "Makes a schedule. Each time, hosts that are off are woken, and only what differs from the image is sent and written.",
  );
  examples(command, [
    'bootcast schedule add kiosks kiosk --to label=kiosk --at "03:00" --plan',
    'bootcast schedule add room-b lab-2026 --to room-b --at "fri 22:00" --window 4h --canary --batch 10',
    'bootcast schedule add room-b lab-2026 --to lab-01 --cron "0 22 1 * *" --time-zone Europe/Berlin --erase quick',
    'bootcast schedule add library kiosk --to lib-01 --at 12:00 --window 10h --quiet-hours "mon-fri 08:00-16:00"',
  ]);
  configOptions(globalOptions(command))
    .argument("<name>", "what it is called")
    .argument("<image>", "an image in the store: its name (the newest each time), or name:version")
    .requiredOption("--to <hosts...>", "names of hosts and groups, or label=…")
    .option("--at <when>", 'when: "03:00", "fri 22:00", "mon-fri 06:30"')
    .option("--cron <rule>", "or as five fields: minute, hour, day of the month, month, day of the week")
    .option("--time-zone <name>", 'the time zone, like "Europe/Berlin" (default: the server\'s)')
    .option(
      "--window <time>",
      "hosts that have not begun so long after are left alone (default: 2h)",
      duration({ leastMs: 300_000, mostMs: 7 * 24 * HOUR_MS }),
    )
    .option("--no-wake", "do not wake hosts that are off")
    .option(
      "--wake-before <time>",
      "give the order and wake the hosts so long before",
      duration({ mostMs: 2 * HOUR_MS }),
    )
    .option("--quiet-hours <hours...>", 'hours in which nothing begins, like "mon-fri 08:00-16:00"')
    .addOption(
      new Option(
        "--missed <what>",
        "of a time that came while the server was down: run it late while its window is open, or skip it (default: run)",
      ).choices(["run", "skip"]),
    )
    .option("--skip-used", "leave hosts alone whose own system runs when the time comes");
  return orderOptions(command, "none")
    .option("--plan", "show what it would do, and make nothing")
    .option("--confirm <name>", "the name that would have to be typed, for scripts")
    .action((name: string, image: string, options: AddOptions) => add(command, name, image, options));
}

async function add(command: Command, name: string, image: string, options: AddOptions): Promise<void> {
  const wanted = wantedOf(name, image, options);
  await withServer(command, async (api) => {
    const planned = await api.post<SchedulePlanBody>("/api/v1/schedules/plan", wanted);
    const timeZone = wanted.timeZone ?? "";
    if (options.plan === true) {
      printResult(planned, (plan) => planText(wanted, plan, timeZone));
      return;
    }
    say(planText(wanted, planned, timeZone));
    const doing = { does: "overwrites disks again and again", verb: "make this schedule" };
    await confirm(name, options.confirm, doing);
    const made = await api.post<ScheduleBody>("/api/v1/schedules", wanted);
    printResult(made, () => `The schedule ${name} is made.`);
    say(`What became of its times: bootcast schedule show ${name}`);
  });
}

function wantedOf(name: string, image: string, options: AddOptions): NewScheduleBody {
  const { at, cron } = options;
  if ((at === undefined) === (cron === undefined)) {
    throw new Fault("USAGE", {
      what: "Exactly one of --at and --cron is needed.",
      why: "The schedule would not know when.",
      fix: 'Give --at "fri 22:00", or --cron "0 22 * * 5".',
    });
  }
  const reference = imageReference(image);
  const { window: windowMs, wakeBefore: wakeBeforeMs, timeZone, quietHours, missed } = options;
  return {
    name,
    cron: cron ?? cronOf(at ?? ""),
    isWaking: options.wake,
    ...given({ skipsUsed: options.skipUsed, timeZone, windowMs, wakeBeforeMs, quietHours, missed }),
    deploy: {
      image: reference.name,
      to: options.to.includes("any") ? "any" : options.to,
      ...given({ imageVersion: reference.version }),
      ...orderOf(options),
    },
  };
}

type Given<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> };

/** Without what nobody gave. */
function given<T extends object>(values: T): Given<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Given<T>;
}

/** What a person reads before saying yes. */
function planText(wanted: NewScheduleBody, { next, plan }: SchedulePlanBody, timeZone: string): string {
  const { erase = "none", image, imageVersion } = wanted.deploy;
  const version = imageVersion === undefined ? "in its newest version" : `in version ${imageVersion}`;
  const isOne = plan?.hosts.length === 1;
  const get = isOne ? "gets" : "get";
  const how = erase === "none" ? `${get} what differs from` : `${isOne ? "is" : "are"} ERASED and ${get}`;
  const hosts =
    plan === null
      ? "Hosts that are busy or locked now"
      : isOne
        ? plan.hosts[0]!.name
        : `${plan.hosts.length} hosts (${plan.hosts.map((host) => host.name).join(", ")})`;
  return [
    `Each time: ${hosts} ${how} ${image} ${version}.`,
    ...(plan?.skipped ?? []).map(({ name, why }) => `  not now: ${name}, ${why}`),
    "A disk that holds something else than after its last restore is left alone: nobody is there to look at it.",
    ...(wanted.isWaking === false ? [] : ["Hosts that are off are woken."]),
    ...(wanted.skipsUsed === true ? ["Hosts whose own system runs then are left alone."] : []),
    ...(wanted.wakeBeforeMs ? [`The order is given ${formatDuration(wanted.wakeBeforeMs)} before its time.`] : []),
    occurrenceTable(next, timeZone),
  ].join("\n");
}
