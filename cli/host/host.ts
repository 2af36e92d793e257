import { Command, Option } from "commander";
import type { ScriptResult } from "../../agent/contract.ts";
import { contentText, describeDisk } from "../../agent/contract.ts";
import { formatSize } from "../../agent/disk/sizes.ts";
import type { HostBody, InventoryHistoryBody } from "../../server/api/host-schemas.ts";
import type { EventBody } from "../../server/api/schemas.ts";
import { type HostState, hostStates } from "../../server/hosts/host-status.ts";
import { withServer } from "../client.ts";
import { configOptions } from "../settings/configuration.ts";
import { ago } from "../terminal/ago.ts";
import { examples, faultText, globalOptions, printResult, say } from "../terminal/output.ts";
import { table } from "../terminal/table.ts";
import { hostBootCommand } from "./boot.ts";
import { hostApproveCommand, hostGroupCommand, hostLabelCommand, hostNoteCommand } from "./care.ts";
import { hostAddCommand, hostExportCommand, hostImportCommand } from "./lists.ts";
import { hostLockCommand, hostUnlockCommand } from "./lock.ts";
import { hostSetCommand } from "./set.ts";
import { hostWakeCommand } from "./wake.ts";

/** `bootcast host …`: the registered hosts. */
export function hostCommand(): Command {
  const command = new Command("host").description("The machines that this server has met.");
  examples(command, [
    "bootcast host list",
    "bootcast host show lab-07              # its disks, and what happened to it",
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
    .addCommand(hostAddCommand())
    .addCommand(hostImportCommand())
    .addCommand(hostExportCommand())
    .addCommand(hostApproveCommand())
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
          ...(words.length === 0 ? {} : { select: words.join(" ") }),
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

/** One line a host. */
function hostTable(hosts: readonly HostBody[], about: { nowMs: number; isFiltered: boolean }): string {
  if (hosts.length === 0 && about.isFiltered) return "No host is like that.";
  if (hosts.length === 0) {
    return "No host has appeared yet. Start a machine with network boot, and it will be here.";
  }
  const rows = hosts.map((host) => [
    host.name,
    host.mac,
    host.model || "-",
    host.group ?? "-",
    stateText(host),
    seenText(host, about.nowMs),
    host.status.state === "failed" ? (host.fault?.what ?? host.status.detail) : host.status.detail,
  ]);
  return table([["NAME", "MAC", "MODEL", "GROUP", "STATE", "SEEN", "DETAIL"], ...rows]);
}

/** The word, and how far it is while its agent is at work. */
function stateText({ status, state, percent }: HostBody): string {
  const isAtWork = status.state === state && percent !== null;
  return isAtWork ? `${status.state} ${Math.floor(percent)} %` : status.state;
}

function seenText({ lastSeenMs }: HostBody, nowMs: number): string {
  return lastSeenMs === 0 ? "never" : ago(nowMs - lastSeenMs);
}

type Past = {
  readonly events: readonly EventBody[];
  readonly history: InventoryHistoryBody["history"];
  readonly nowMs: number;
};

function hostText(host: HostBody, { events, history, nowMs }: Past): string {
  const facts = [
    ["Name", host.name],
    ["Address", host.mac],
    ["Machine", `${host.vendor} ${host.model}`.trim() || "unknown"],
    ["Serial", host.serial || "none"],
    ["Firmware", `${host.firmware}, ${formatSize(host.memoryBytes)} memory`],
    ["State", `${stateText(host)}, ${ago(nowMs - host.status.sinceMs)}`],
    ["Detail", host.status.detail || "-"],
    ["Seen", `${seenText(host, nowMs)}, first ${new Date(host.firstSeenMs).toISOString()}`],
    ["Group", host.group ?? "none"],
    ["Labels", host.labels.join(" ") || "none"],
    ...(host.note === null ? [] : [["Note", host.note.replaceAll("\n", " / ")]]),
    ...(host.isApproved ? [] : [["Approved", `no: bootcast host approve ${host.name}`]]),
    ...host.disks.flatMap((disk) => [
      ["Disk", describeDisk(disk) + (disk.place === undefined ? "" : ` at ${disk.place}`)],
      ...(disk.holds === undefined ? [] : [["", `holds ${contentText(disk).replace(/^.*?: /, "")}`]]),
      ...(disk.failing === undefined ? [] : [["", `fails: ${disk.failing}`]]),
    ]),
    ["Disk rule", host.diskRule ?? "as for every host"],
    ...(host.restored === null ? [] : [["Restored", host.restored]]),
  ];
  const recent = events.slice(-15).map((event) => `  ${new Date(event.atMs).toISOString()}  ${eventText(event)}`);
  const fault = host.fault === null ? [] : [faultText(host.fault).trimEnd()];
  const boots = `How it booted: bootcast boot trace --host ${host.name} --no-follow`;
  const parts = history.flatMap(({ atMs, changes }) =>
    changes.map((change) => `  ${new Date(atMs).toISOString()}  ${partText(change)}`),
  );
  return [
    table(facts),
    ...fault,
    ...(parts.length === 0 ? [] : ["Parts:", ...parts]),
    "Events:",
    ...recent,
    boots,
  ].join("\n");
}

function partText({ what, from, to }: { what: string; from: string; to: string }): string {
  if (to === "") return `${what} gone: ${from}`;
  return from === "" ? `${what} new: ${to}` : `${what}: ${from} -> ${to}`;
}

function eventText({ kind, deployId, data }: EventBody): string {
  if (kind === "host.script") return scriptText(data);
  const session = deployId === null ? "" : `  session ${deployId}`;
  const state = data["state"] === undefined ? "" : `  ${data["from"]} -> ${data["state"]}  ${data["detail"] ?? ""}`;
  return `${kind}${session}${state}`.trimEnd();
}

/** How a script ended, with what it said below. */
function scriptText(data: EventBody["data"]): string {
  const { name, ended, code, seconds, output } = data as ScriptResult;
  const how = ended === "exited" ? `code ${code ?? "none"}` : ended;
  const said = output === "" ? [] : output.split("\n").slice(-20);
  return [`host.script  ${name}: ${how} after ${seconds} s`, ...said.map((line) => `      | ${line}`)].join("\n");
}
