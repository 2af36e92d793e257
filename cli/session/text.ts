import { formatDuration, formatSize } from "../../agent/disk/sizes.ts";
import { formatRate } from "../../multicast/rate.ts";
import type { ListedSessionBody, SessionBody, SessionHostBody } from "../../server/api/schemas.ts";
import { figuresLine, receiversTable } from "../stream/figures.ts";
import { ago } from "../terminal/ago.ts";
import { faultText } from "../terminal/output.ts";
import { table } from "../terminal/table.ts";
import { timeZoneOf, whenText } from "./when.ts";

/** A stream of a session on one line. */
export function streamText(stream: SessionBody["streams"][number]): string {
  const hosts = `${stream.receivers} ${stream.receivers === 1 ? "receiver" : "receivers"}`;
  const waiting = stream.waitingFor === "" ? "" : `, ${stream.waitingFor}`;
  return `${stream.state}${waiting}, ${hosts}, ${stream.group}:${stream.port}, at most ${formatRate(stream.rateBytesPerSecond)}`;
}

/** What one host does now, or how it ended, on one line. */
export function hostLine(host: SessionHostBody): string {
  if (host.order === "failed") return `failed: ${host.fault?.what ?? "no reason given"}`;
  if (host.heldBy !== "") return `held: ${host.heldBy}`;
  if (host.order === "pending") return "pending: waits for the host to boot from the network";
  const kept = host.kept === null ? "" : `; ${keptText(host.kept)}`;
  if (host.order === "done") return `done in ${formatDuration(host.totalMs)}${kept}`;
  if (host.order === "cancelled") return "cancelled";
  const percent = host.percent === null ? "" : ` ${Math.floor(host.percent / 5) * 5} %`;
  const slow = host.slow === "" ? "" : `  <- ${host.slow}`;
  return `${host.state}${percent}${host.detail === "" ? "" : `  ${host.detail}`}${kept}${slow}`;
}

function keptText({ bytes, receivedBytes }: NonNullable<SessionHostBody["kept"]>): string {
  return `${formatSize(bytes)} were right already, ${formatSize(receivedBytes)} came`;
}

/** One line a session. */
export function sessionTable(sessions: readonly ListedSessionBody[]): string {
  if (sessions.length === 0) return "No session yet. Order one: bootcast deploy IMAGE --to HOST --plan";
  const rows = sessions.map((session) => [
    String(session.id),
    session.imageVersion === 0 ? session.image : `${session.image} v${session.imageVersion}`,
    toText(session, session.from ?? "", session.counts.all),
    session.state,
    countText(session.counts),
    ago(Date.now() - session.createdAtMs),
  ]);
  return table([["SESSION", "IMAGE", "TO", "STATE", "HOSTS", "ORDERED"], ...rows]);
}

/** Where it goes; a capture comes from somewhere. */
function toText({ kind, to, target }: Pick<SessionBody, "kind" | "to" | "target">, from: string, all: number): string {
  if (kind === "capture") return `captured from ${from}`;
  return to === "any" ? "any" : (target ?? `${all} named`);
}

const orders = ["done", "failed", "running", "pending", "cancelled"] as const;

function countText(hosts: Readonly<Record<(typeof orders)[number], number>>): string {
  return (
    orders
      .map((order) => [hosts[order], order] as const)
      .filter(([count]) => count > 0)
      .map(([count, order]) => `${count} ${order}`)
      .join(", ") || "none yet"
  );
}

function whatText(session: SessionBody): string {
  const version = session.imageVersion === 0 ? "its next version" : `version ${session.imageVersion}`;
  const { hosts } = session;
  if (session.kind === "capture") {
    return `${session.image}, ${version}, ${toText(session, hosts.map(({ name }) => name).join(", "), hosts.length)}`;
  }
  return `${session.image} ${version} to ${session.to === "any" ? "any host" : (session.target ?? "named hosts")}`;
}

function countsOf({ hosts }: SessionBody): Record<(typeof orders)[number], number> {
  const counts = { done: 0, failed: 0, running: 0, pending: 0, cancelled: 0 };
  for (const { order } of hosts) counts[order] += 1;
  return counts;
}

/** What the session as a whole waits for, or has stopped for. */
export function standingLines(session: SessionBody, timeZone: string): string[] {
  const { state, startAtMs, startedAtMs, halted, limits, retryOf, leftMs } = session;
  if (state !== "active") return retryOf === null ? [] : [`Those that failed in session ${retryOf}.`];
  const { network, model, most, untilMs } = limits ?? {};
  const only = [
    ...(model === undefined ? [] : [`model ${model}`]),
    ...(network === undefined ? [] : [`network ${network}`]),
    ...(most === undefined ? [] : [`at most ${most}`]),
    ...(untilMs === undefined ? [] : [`until ${whenText(untilMs, timeZone)}`]),
  ];
  return [
    ...(retryOf === null ? [] : [`Those that failed in session ${retryOf}.`]),
    ...(startedAtMs === null && startAtMs !== null ? [`Begins ${whenText(startAtMs, timeZone)}.`] : []),
    ...(only.length === 0 ? [] : [`Only ${only.join(", ")}.`]),
    ...(halted === null ? [] : [`STOPPED: ${halted.why} ${halted.fix}`]),
    // To the half minute: every second another line would say nothing new.
    ...(leftMs === null
      ? []
      : [`About ${formatDuration(Math.ceil(leftMs / 30_000) * 30_000)} until all that receive are through.`]),
  ];
}

/** The whole session, with the time that each host spent in each state. */
export function sessionText(session: SessionBody): string {
  const head = `Session ${session.id}: ${whatText(session)}, ${session.state}, ${countText(countsOf(session))}`;
  const streams = session.streams.flatMap((stream) => [
    `Stream ${streamText(stream)}`,
    ...(stream.state === "open" ? [] : [`  ${figuresLine(stream.figures)}`]),
    ...(stream.figures.receivers.length === 0 ? [] : [receiversTable(stream.figures)]),
  ]);
  const rows = session.hosts.map((host) => [
    host.name,
    host.order,
    host.totalMs === 0 ? "-" : formatDuration(host.totalMs),
    Object.entries(host.timings)
      .map(([state, ms]) => `${state} ${formatDuration(ms)}`)
      .join(", ") || "-",
  ]);
  const kept = session.hosts.flatMap((host) => (host.kept === null ? [] : [`${host.name}: ${keptText(host.kept)}`]));
  const faults = session.hosts.flatMap(({ name, fault }) =>
    fault === null ? [] : [`${name}: ${faultText(fault).trimEnd()}`],
  );
  const hosts = rows.length === 0 ? [] : [table([["HOST", "ORDER", "TIME", "OF WHICH"], ...rows])];
  const standing = standingLines(session, timeZoneOf(undefined));
  return [head, ...standing, ...streams, ...hosts, ...kept, ...faults].join("\n");
}
