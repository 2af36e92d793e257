import { contentText, describeDisk, type ScriptResult } from "../../agent/contract.ts";
import { formatSize } from "../../agent/disk/sizes.ts";
import type { HostBody, InventoryHistoryBody } from "../../server/api/host-schemas.ts";
import type { EventBody } from "../../server/api/schemas.ts";
import { ago } from "../terminal/ago.ts";
import { faultText } from "../terminal/output.ts";
import { table } from "../terminal/table.ts";

/** One line a host. */
export function hostTable(hosts: readonly HostBody[], about: { nowMs: number; isFiltered: boolean }): string {
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

function approvalFacts({ name, isApproved, lacks }: HostBody): string[][] {
  const command = `bootcast host approve ${name}`;
  if (!isApproved) return [["Approved", lacks === null ? `no: ${command}` : `${lackWords[lacks]}: ${command}`]];
  if (lacks === null) return [];
  return [["Refused", `a machine that says it is ${name} (${lackWords[lacks]}); to let it in: ${command}`]];
}

const lackWords = {
  none: "no, it showed no enrolment token",
  "too-old": "no, its boot image is too old to show an enrolment token",
  wrong: "no, its enrolment token is not, or no longer, this site's",
} as const;

type Past = {
  readonly events: readonly EventBody[];
  readonly history: InventoryHistoryBody["history"];
  readonly nowMs: number;
};

export function hostText(host: HostBody, { events, history, nowMs }: Past): string {
  const facts = [
    ["Name", host.name],
    ["Address", host.mac],
    ["Machine", `${host.vendor} ${host.model}`.trim() || "unknown"],
    ["Serial", host.serial || "none"],
    ["Firmware", host.lastSeenMs === 0 ? "not seen yet" : `${host.firmware}, ${formatSize(host.memoryBytes)} memory`],
    ["State", `${stateText(host)}, ${ago(nowMs - host.status.sinceMs)}`],
    ["Detail", host.status.detail || "-"],
    ["Seen", `${seenText(host, nowMs)}, first ${new Date(host.firstSeenMs).toISOString()}`],
    ["Group", host.group ?? "none"],
    ["Labels", host.labels.join(" ") || "none"],
    ...(host.note === null ? [] : [["Note", host.note.replaceAll("\n", " / ")]]),
    ...approvalFacts(host),
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
  return `${kind}${session}${state}${saidIn(kind, data)}`.trimEnd();
}

/** What people said of the host, behind the kind of event. */
function saidIn(kind: string, data: EventBody["data"]): string {
  const list = (key: string, sign: string) => ((data[key] ?? []) as string[]).map((each) => ` ${sign}${each}`).join("");
  switch (kind) {
    case "host.renamed":
      return `  ${data["from"]} -> ${data["to"]}`;
    case "host.group":
      return `  ${data["group"] ?? "none"}`;
    case "host.labels":
      return ` ${list("added", "+")}${list("removed", "-")}`;
    case "host.locked":
    case "host.unlocked":
      return `  ${data["reason"]}`;
    case "host.note":
      return `  ${String(data["note"] ?? "none").replaceAll("\n", " / ")}`;
    case "host.woken":
      return `  ${(data["macs"] as string[]).join(" ")}`;
    default:
      return "";
  }
}

/** How a script ended, with what it said below. */
function scriptText(data: EventBody["data"]): string {
  const { name, ended, code, seconds, output } = data as ScriptResult;
  const how = ended === "exited" ? `code ${code ?? "none"}` : ended;
  const said = output === "" ? [] : output.split("\n").slice(-20);
  return [`host.script  ${name}: ${how} after ${seconds} s`, ...said.map((line) => `      | ${line}`)].join("\n");
}
