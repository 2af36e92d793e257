import { Command, InvalidArgumentError } from "commander";
import { Fault } from "../../fault.ts";
import type { HostBody } from "../../server/api/host-schemas.ts";
import { withServer } from "../client.ts";
import { configOptions } from "../settings/configuration.ts";
import { duration } from "../settings/option-values.ts";
import { examples, globalOptions, printResult } from "../terminal/output.ts";
import { namesOf } from "./care.ts";

const MOST_LOCK_MS = 5 * 365 * 86_400_000;

type LockOptions = { readonly reason: string; readonly for?: number; readonly until?: number };

/** `bootcast host lock`: nothing of these hosts is erased, whatever is ordered. */
export function hostLockCommand(): Command {
  const command = new Command("lock").description(
    "Locks hosts: nothing of them is erased, whatever is ordered, and they start their own disks. An order that has not begun waits.",
  );
  examples(command, [
    'bootcast host lock lab-07 --reason "exam machine until Friday" --until "2026-11-27 18:00"',
    'bootcast host lock room-b --reason "exams" --for 3d',
    'bootcast host lock label=cnc --reason "ask mueller first"     # until somebody unlocks them',
  ]);
  return configOptions(globalOptions(command))
    .argument("<hosts...>", "hosts, groups, label=…")
    .requiredOption("--reason <text>", "what whoever finds it locked should know")
    .option("--for <time>", "for so long: 90m, 12h, 3d", duration({ leastMs: 60_000, mostMs: MOST_LOCK_MS }))
    .option("--until <when>", 'until then, in this machine\'s time zone: "2026-11-27 18:00"', moment)
    .action((to: string[], options: LockOptions) => {
      if (options.for !== undefined && options.until !== undefined) {
        throw new Fault("USAGE", {
          what: "Both --for and --until are given.",
          why: "Each says when the lock ends.",
          fix: "Give one of them, or none: then it is locked until somebody unlocks it.",
        });
      }
      const untilMs = options.for === undefined ? (options.until ?? null) : Date.now() + options.for;
      return withServer(command, async (api) => {
        const body = { to, reason: options.reason, untilMs };
        printResult(await api.post<{ hosts: HostBody[] }>("/api/v1/hosts/lock", body), ({ hosts }) => {
          const until = untilMs === null ? "until somebody unlocks them" : `until ${localText(untilMs)}`;
          return `Locked ${until}: ${namesOf(hosts)}.`;
        });
      });
    });
}

/** `bootcast host unlock` */
export function hostUnlockCommand(): Command {
  const command = new Command("unlock").description("Ends locks; orders that waited for that go on.");
  examples(command, ["bootcast host unlock lab-07", "bootcast host unlock room-b"]);
  return configOptions(globalOptions(command))
    .argument("<hosts...>", "hosts, groups, label=…")
    .action((to: string[]) =>
      withServer(command, async (api) => {
        printResult(
          await api.post<{ hosts: HostBody[] }>("/api/v1/hosts/unlock", { to }),
          ({ hosts }) => `Not locked: ${namesOf(hosts)}.`,
        );
      }),
    );
}

/** "2026-11-27 18:00" in this machine's time zone. */
function localText(atMs: number): string {
  const at = new Date(atMs);
  const two = (value: number) => String(value).padStart(2, "0");
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}`;
}

/** "2026-11-27", "2026-11-27 18:00", or with a time zone as ISO 8601 has it. */
function moment(text: string): number {
  const match = /^(\d{4}-\d{2}-\d{2})(?:[ T](\d{2}:\d{2})(?::\d{2})?(Z|[+-]\d{2}:\d{2})?)?$/.exec(text.trim());
  // A date alone would be midnight in London.
  const atMs = match === null ? Number.NaN : Date.parse(`${match[1]}T${match[2] ?? "00:00"}:00${match[3] ?? ""}`);
  if (Number.isFinite(atMs)) return atMs;
  throw new InvalidArgumentError('Write it like "2026-11-27 18:00".');
}
