import { Command } from "commander";
import type { ScriptResult } from "../../agent/contract.ts";
import { contentText, describeDisk } from "../../agent/contract.ts";
import { formatSize } from "../../agent/disk/sizes.ts";
import type { EventBody, HostBody } from "../../server/api/schemas.ts";
import { withServer } from "../client.ts";
import { configOptions } from "../settings/configuration.ts";
import { ago } from "../terminal/ago.ts";
import { examples, faultText, globalOptions, printResult, say } from "../terminal/output.ts";
import { table } from "../terminal/table.ts";
import { hostBootCommand } from "./boot.ts";
import { hostSetCommand } from "./set.ts";

/** `bootcast host …`: the registered hosts. */
export function hostCommand(): Command {
  const command = new Command("host").description("The machines that this server has met.");
  examples(command, [
    "bootcast host list",
    "bootcast host show lab-07              # its disks, and what happened to it",
    "bootcast host rename lab-07 teacher",
    "bootcast host boot lab-07 --secure-boot on",
    'bootcast host set lab-07 --disk "smallest transport=nvme"',
    "bootcast host forget lab-07            # when it appears again it is a new host",
  ]);
  return command
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(renameCommand())
    .addCommand(hostBootCommand())
    .addCommand(hostSetCommand())
    .addCommand(forgetCommand());
}

function listCommand(): Command {
  const command = new Command("list").description("Lists all hosts with their state.");
  examples(command, ["bootcast host list", "bootcast host list --json | jq '.hosts[] | select(.state == \"failed\")'"]);
  return configOptions(globalOptions(command)).action(() =>
    withServer(command, async (api) => {
      printResult(await api.get<{ hosts: HostBody[] }>("/api/v1/hosts"), ({ hosts }) => hostTable(hosts, Date.now()));
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
        printResult({ ...host, events }, () => hostText(host, events, Date.now()));
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
function hostTable(hosts: readonly HostBody[], nowMs: number): string {
  if (hosts.length === 0) {
    return "No host has appeared yet. Start a machine with network boot, and it will be here.";
  }
  const rows = hosts.map((host) => [
    host.name,
    host.mac,
    host.model || "-",
    host.percent === null ? host.state : `${host.state} ${Math.floor(host.percent)} %`,
    ago(nowMs - host.lastSeenMs),
    host.fault?.what ?? host.detail,
  ]);
  return table([["NAME", "MAC", "MODEL", "STATE", "SEEN", "DETAIL"], ...rows]);
}

function hostText(host: HostBody, events: readonly EventBody[], nowMs: number): string {
  const facts = [
    ["Name", host.name],
    ["Address", host.mac],
    ["Machine", `${host.vendor} ${host.model}`.trim() || "unknown"],
    ["Serial", host.serial || "none"],
    ["Firmware", `${host.firmware}, ${formatSize(host.memoryBytes)} memory`],
    ["State", `${host.state} since ${ago(nowMs - host.stateSinceMs)}`],
    ["Detail", host.detail || "-"],
    ["Seen", `${ago(nowMs - host.lastSeenMs)}, first ${new Date(host.firstSeenMs).toISOString()}`],
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
  return [table(facts), ...fault, "Events:", ...recent, boots].join("\n");
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
