import { Command, Option } from "commander";
import type { HostBody, InventoryHistoryBody } from "../../server/api/host-schemas.ts";
import type { EventBody } from "../../server/api/schemas.ts";
import { type HostState, hostStates } from "../../server/hosts/host-status.ts";
import { withServer } from "../client.ts";
import { configOptions } from "../settings/configuration.ts";
import { examples, globalOptions, printResult, say } from "../terminal/output.ts";
import { hostBootCommand } from "./boot.ts";
import { hostApproveCommand, hostGroupCommand, hostLabelCommand, hostNoteCommand, selectOf } from "./care.ts";
import { hostEnrolmentCommand } from "./enrolment.ts";
import { hostTable, hostText } from "./host-text.ts";
import { hostAddCommand, hostExportCommand, hostImportCommand } from "./lists.ts";
import { hostLockCommand, hostUnlockCommand } from "./lock.ts";
import { hostLogCommand } from "./log.ts";
import { hostSetCommand } from "./set.ts";
import { hostWakeCommand } from "./wake.ts";

/** `bootcast host …`: the registered hosts. */
export function hostCommand(): Command {
  const command = new Command("host").description("The machines that this server has met.");
  examples(command, [
    "bootcast host list",
    "bootcast host show lab-07              # its disks, and what happened to it",
    "bootcast host log lab-07               # what its agent wrote down before it failed",
    "bootcast host rename lab-07 teacher",
    "bootcast host group room-b lab-07 lab-08",
    'bootcast host lock lab-07 --reason "exam machine" --for 3d',
    "bootcast host wake room-b",
    "bootcast host import room-b.csv --dry-run",
    "bootcast host forget lab-07            # when it appears again it is a new host",
  ]);
  return command
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(hostLogCommand())
    .addCommand(hostAddCommand())
    .addCommand(hostImportCommand())
    .addCommand(hostExportCommand())
    .addCommand(hostApproveCommand())
    .addCommand(hostEnrolmentCommand())
    .addCommand(renameCommand())
    .addCommand(hostGroupCommand())
    .addCommand(hostLabelCommand())
    .addCommand(hostLockCommand())
    .addCommand(hostUnlockCommand())
    .addCommand(hostNoteCommand())
    .addCommand(hostWakeCommand())
    .addCommand(hostBootCommand())
    .addCommand(hostSetCommand())
    .addCommand(forgetCommand());
}

function listCommand(): Command {
  const command = new Command("list").description("Lists hosts with their state.");
  examples(command, [
    "bootcast host list",
    "bootcast host list room-b",
    "bootcast host list label=kiosk --state failed",
    "bootcast host list --json | jq '.hosts[].status'",
  ]);
  return configOptions(globalOptions(command))
    .argument("[hosts...]", "hosts, groups, label=…, or group=…,label=… (default: all)")
    .addOption(new Option("--state <state>", "only those").choices(hostStates))
    .action((words: string[], { state }: { state?: HostState }) =>
      withServer(command, async (api) => {
        const query = new URLSearchParams({
          ...(words.length === 0 ? {} : { select: selectOf(words) }),
          ...(state === undefined ? {} : { state }),
        });
        const answer = await api.get<{ hosts: HostBody[] }>(`/api/v1/hosts?${query}`);
        const isFiltered = words.length > 0 || state !== undefined;
        printResult(answer, ({ hosts }) => hostTable(hosts, { nowMs: Date.now(), isFiltered }));
      }),
    );
}

function showCommand(): Command {
  const command = new Command("show").description("Shows one host and its last events.");
  examples(command, ["bootcast host show lab-07", "bootcast host show 52:54:00:12:34:56 --json"]);
  return configOptions(globalOptions(command))
    .argument("<host>", "name, id or MAC address")
    .action((word: string) =>
      withServer(command, async (api) => {
        const host = await api.get<HostBody>(pathOf(word));
        const { events } = await api.get<{ events: EventBody[] }>(
          `/api/v1/events?limit=10000&boots=false&host=${host.id}`,
        );
        const { history } = await api.get<InventoryHistoryBody>(`/api/v1/hosts/${host.id}/inventory-history?limit=20`);
        printResult({ ...host, inventoryHistory: history, events }, () =>
          hostText(host, { events, history, nowMs: Date.now() }),
        );
      }),
    );
}

function renameCommand(): Command {
  const command = new Command("rename").description("Gives a host another name; it takes effect at its next restore.");
  examples(command, ["bootcast host rename lab-07 teacher", "bootcast host rename 52:54:00:12:34:56 lab-12"]);
  return configOptions(globalOptions(command))
    .argument("<host>", "name, id or MAC address")
    .argument("<name>", "the new name")
    .action((word: string, name: string) =>
      withServer(command, async (api) => {
        printResult(await api.patch<HostBody>(pathOf(word), { name }), (host) => `${word} is now ${host.name}.`);
      }),
    );
}

function forgetCommand(): Command {
  const command = new Command("forget").description("Removes a host from the list; its disk is not touched.");
  examples(command, ["bootcast host forget lab-07", "bootcast host forget lab-07 --quiet"]);
  return configOptions(globalOptions(command))
    .argument("<host>", "name, id or MAC address")
    .action((word: string) =>
      withServer(command, async (api) => {
        printResult(await api.delete<HostBody>(pathOf(word)), (host) => `${host.name} (${host.mac}) is forgotten.`);
        say("When it appears again it is a new host and gets a free name.");
      }),
    );
}

function pathOf(word: string): string {
  return `/api/v1/hosts/${encodeURIComponent(word)}`;
}
