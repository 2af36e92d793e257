import { readFile } from "node:fs/promises";
import { text as streamText } from "node:stream/consumers";
import { Command } from "commander";
import { Fault } from "../../fault.ts";
import type { HostBody, ImportedBody } from "../../server/api/host-schemas.ts";
import {
  type HostRow,
  parseHostsCsv,
  parseHostsJson,
  writeHostsCsv,
  writeHostsJson,
} from "../../server/hosts/host-list.ts";
import { withServer } from "../client.ts";
import { configOptions } from "../settings/configuration.ts";
import { examples, globalOptions, outputOptions, print, printResult } from "../terminal/output.ts";
import { selectOf } from "./care.ts";

/** `bootcast host add`: a host that has not been seen yet. */
export function hostAddCommand(): Command {
  const command = new Command("add").description(
    "Adds a host before it appears: when its card is seen, it has this name, and it is approved.",
  );
  examples(command, [
    "bootcast host add 52:54:00:12:34:56 --name lab-07 --group room-b",
    "bootcast host add 52-54-00-12-34-57 --label kiosk --label floor:2",
  ]);
  const more = (label: string, labels: readonly string[] = []) => [...labels, label];
  return configOptions(globalOptions(command))
    .argument("<mac>", "the MAC address of one of its cards")
    .option("--name <name>", "its name (default: as the setting hosts.names says)")
    .option("--serial <number>", "its serial number; a machine that shows another one is not this host")
    .option("--group <group>", "its group")
    .option("--label <label>", "a label; may be repeated", more)
    .option("--note <text>", "a note")
    .option("--disk <rule>", "which of its disks orders are for")
    .action((mac: string, options: AddOptions) => {
      const { label, disk, ...rest } = options;
      const given = { name: rest.name, serial: rest.serial, group: rest.group, note: rest.note };
      const [row] = parseHostsJson(JSON.stringify([{ mac, ...given, labels: label, diskRule: disk }]));
      return withServer(command, async (api) => {
        printResult(
          await api.post<HostBody>("/api/v1/hosts", row),
          ({ name, mac }) => `${name} (${mac}) is known now.`,
        );
      });
    });
}

type AddOptions = {
  readonly name?: string;
  readonly serial?: string;
  readonly group?: string;
  readonly label?: readonly string[];
  readonly note?: string;
  readonly disk?: string;
};

/** `bootcast host import`: hosts as a list says. */
export function hostImportCommand(): Command {
  const command = new Command("import").description(
    "Makes hosts as a list says (CSV or JSON): new ones are added, known ones changed, all or none. What is not in the list stays. A list may lock hosts; it unlocks none, and who waits for approval goes on waiting without --approve.",
  );
  examples(command, [
    "bootcast host import room-b.csv --dry-run    # says what it would change",
    "bootcast host import room-b.csv",
    "bootcast host import room-b.csv --approve    # also those that wait for approval",
    "bootcast host export | ssh other bootcast host import -",
  ]);
  return configOptions(globalOptions(command))
    .argument(
      "<file>",
      "columns mac, name, serial, group, labels, note, disk_rule, approved, lock, lock_until; - reads standard input",
    )
    .option("--dry-run", "only say what it would do")
    .option("--approve", "approve whoever is in the list: they may be given orders that erase")
    .action(async (file: string, { dryRun = false, approve = false }: { dryRun?: boolean; approve?: boolean }) => {
      const text = await readList(file);
      const hosts = /^[\s\ufeff]*[[{]/.test(text) ? parseHostsJson(text) : parseHostsCsv(text);
      await withServer(command, async (api) => {
        const done = await api.post<ImportedBody>("/api/v1/hosts/import", {
          hosts,
          isTrial: dryRun,
          approves: approve,
        });
        printResult({ ...done, isTrial: dryRun }, () => importText(done, dryRun));
      });
    });
}

function importText({ added, changed, same, unapproved }: ImportedBody, isTrial: boolean): string {
  const lines = [
    ...added.map((name) => `  ${name}  new`),
    ...changed.map(({ name, what }) => `  ${name}  ${what.join(", ")}`),
  ];
  const head = `${added.length} added, ${changed.length} changed, ${same} as they were.`;
  const waiting =
    unapproved.length === 0
      ? []
      : [
          `Approved by nobody, so nothing of them is erased: ${unapproved.join(", ")}. --approve approves the whole list.`,
        ];
  return [...lines, isTrial ? `It would be: ${head} Nothing was changed.` : head, ...waiting].join("\n");
}

/** `bootcast host export`: the hosts as a list that can be kept, changed and imported. */
export function hostExportCommand(): Command {
  const command = new Command("export").description(
    "Prints what people said of hosts as a list that can be imported: JSON, or CSV for a spreadsheet.",
  );
  examples(command, ["bootcast host export > room.json", "bootcast host export --csv room-b > room-b.csv"]);
  return configOptions(globalOptions(command))
    .argument("[hosts...]", "hosts, groups, label=… (default: all)")
    .option("--csv", "as a table")
    .action((words: string[], { csv = false }: { csv?: boolean }) =>
      withServer(command, async (api) => {
        const select = words.length === 0 ? "" : `?select=${encodeURIComponent(selectOf(words))}`;
        const { hosts } = await api.get<{ hosts: HostBody[] }>(`/api/v1/hosts${select}`);
        const rows = hosts.map(rowOf);
        if (outputOptions().json) printResult({ hosts: rows }, String);
        else print(csv ? writeHostsCsv(rows) : writeHostsJson(rows));
      }),
    );
}

/** Whoever imports it elsewhere is to know who was not approved, and who is to be left alone. */
function rowOf({ mac, name, serial, group, labels, note, diskRule, isApproved, lock }: HostBody): HostRow {
  return {
    mac,
    name,
    ...(serial === "" ? {} : { serial }),
    group,
    labels,
    note,
    diskRule,
    ...(isApproved ? {} : { isApproved }),
    ...(lock === null ? {} : { lock: { reason: lock.reason, untilMs: lock.untilMs } }),
  };
}

async function readList(file: string): Promise<string> {
  try {
    return file === "-" ? await streamText(process.stdin) : await readFile(file, "utf8");
  } catch (error) {
    throw new Fault(
      "HOST_LIST_MISSING",
      {
        what: `The list ${file} cannot be read.`,
        why: (error as Error).message,
        fix: 'Give the path of a file; "bootcast host export" makes one.',
      },
      error,
    );
  }
}
