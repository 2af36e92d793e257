import { Command } from "commander";
import { Fault } from "../../fault.ts";
import type { HostBody } from "../../server/api/host-schemas.ts";
import { type ApiClient, withServer } from "../client.ts";
import { configOptions } from "../settings/configuration.ts";
import { examples, globalOptions, printResult } from "../terminal/output.ts";

type Hosts = { hosts: HostBody[] };

const WHICH = "names, ids or MAC addresses of hosts, groups, label=…, or group=…,label=…";

/** `bootcast host approve`: hosts that appeared by themselves may be erased from now on, when somebody orders it. */
export function hostApproveCommand(): Command {
  const command = new Command("approve").description(
    'Approves hosts that appeared by themselves, where hosts.approve is "ask", or "token" and they showed none. Nothing of them is erased before.',
  );
  examples(command, [
    "bootcast host list --state new",
    "bootcast host approve lab-07 lab-08",
    "bootcast host approve --all            # whoever waits for it now",
  ]);
  return configOptions(globalOptions(command))
    .argument("[hosts...]", WHICH)
    .option("--all", "all that wait for it now")
    .action((words: string[], { all = false }: { all?: boolean }) => {
      if (words.length === 0 && !all)
        throw usage("It is not said which hosts are meant.", "bootcast host approve lab-07");
      return withServer(command, async (api) => {
        const to = all ? await waitingIn(api) : words;
        const answer = to.length === 0 ? { hosts: [] } : await api.post<Hosts>("/api/v1/hosts/approve", { to });
        printResult(answer, ({ hosts }) =>
          hosts.length === 0 ? "No host waits for approval." : `${namesOf(hosts)} may be given orders.`,
        );
      });
    });
}

async function waitingIn(api: ApiClient): Promise<string[]> {
  const { hosts } = await api.get<Hosts>("/api/v1/hosts");
  return hosts.filter(({ isApproved }) => !isApproved).map(({ id }) => id);
}

/** `bootcast host group`: hosts that belong together, a room for example. */
export function hostGroupCommand(): Command {
  const command = new Command("group").description("Puts hosts into a group, or into none. A host is in one group.");
  examples(command, [
    "bootcast host group room-b lab-07 lab-08",
    "bootcast host group room-b label=kiosk",
    "bootcast host group --none lab-07",
    "bootcast deploy lab-2026 --to room-b     # what groups are for",
  ]);
  return configOptions(globalOptions(command))
    .argument("<words...>", "the group (unless --none), and behind it the hosts")
    .option("--none", "into no group")
    .action((words: string[], { none = false }: { none?: boolean }) => {
      const group = none ? null : words[0]!;
      const to = none ? words : words.slice(1);
      if (to.length === 0) throw usage("It is not said which hosts are meant.", "bootcast host group room-b lab-07");
      return withServer(command, async (api) => {
        printResult(await api.post<Hosts>("/api/v1/hosts/group", { to, group }), ({ hosts }) =>
          group === null ? `In no group: ${namesOf(hosts)}.` : `In ${group}: ${namesOf(hosts)}.`,
        );
      });
    });
}

/** `bootcast host label`: words by which hosts are selected. */
export function hostLabelCommand(): Command {
  const command = new Command("label").description("Gives hosts labels, or takes them away. A host may have several.");
  examples(command, [
    "bootcast host label --add kiosk lab-07 lab-08",
    "bootcast host label --add floor:2 --remove floor:1 room-b",
    "bootcast deploy kiosk-2026 --to label=kiosk",
  ]);
  const more = (label: string, labels: readonly string[] = []) => [...labels, label];
  return configOptions(globalOptions(command))
    .argument("<hosts...>", WHICH)
    .option("--add <label>", "a label to give; may be repeated", more)
    .option("--remove <label>", "a label to take away; may be repeated", more)
    .action((to: string[], { add = [], remove = [] }: { add?: string[]; remove?: string[] }) => {
      if (add.length + remove.length === 0) {
        throw usage("No label is given.", "bootcast host label --add kiosk lab-07");
      }
      return withServer(command, async (api) => {
        printResult(await api.post<Hosts>("/api/v1/hosts/label", { to, add, remove }), ({ hosts }) =>
          hosts.map(({ name, labels }) => `${name}: ${labels.join(" ") || "no labels"}`).join("\n"),
        );
      });
    });
}

/** `bootcast host note`: what people want to remember of a host. */
export function hostNoteCommand(): Command {
  const command = new Command("note").description("Keeps a note with a host, or takes it away.");
  examples(command, ['bootcast host note lab-07 "new disk on 3 November"', "bootcast host note lab-07 --none"]);
  return configOptions(globalOptions(command))
    .argument("<host>", "name, id or MAC address")
    .argument("[text]", "the note")
    .option("--none", "no note")
    .action((word: string, text: string | undefined, { none = false }: { none?: boolean }) => {
      if ((text === undefined) !== none) {
        throw usage("Exactly one of a text and --none is needed.", 'bootcast host note lab-07 "fan is loud"');
      }
      return withServer(command, async (api) => {
        const path = `/api/v1/hosts/${encodeURIComponent(word)}`;
        printResult(await api.patch<HostBody>(path, { note: text ?? null }), ({ name, note }) =>
          note === null ? `${name} has no note.` : `${name}: ${note}`,
        );
      });
    });
}

/** Words as the query of a list has them, with spaces between: so "group=room-b, label=kiosk" has none within. */
export function selectOf(words: readonly string[]): string {
  return words.map((word) => word.replaceAll(/\s*([,=])\s*/g, "$1")).join(" ");
}

/** "lab-01, lab-02 and lab-03" */
export function namesOf(hosts: readonly { readonly name: string }[]): string {
  const names = hosts.map(({ name }) => name);
  return names.length < 2 ? (names[0] ?? "no host") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

function usage(what: string, example: string): Fault {
  return new Fault("USAGE", { what, why: "Nothing was changed.", fix: `Write it like: ${example}` });
}
