import { formatDuration } from "../../agent/disk/sizes.ts";
import { formatRate } from "../../multicast/rate.ts";
import type { SessionBody, SessionHostBody } from "../../server/api/schemas.ts";
import { hostLine, standingLines } from "./text.ts";

const BAR_WIDTH = 16;
/** In this order: what a person may have to do something about is at the top. */
const ranks: Readonly<Record<SessionHostBody["order"], number>> = {
  failed: 0,
  running: 1,
  pending: 2,
  cancelled: 3,
  done: 4,
};

export type Screen = {
  readonly columns: number;
  readonly rows: number;
  readonly timeZone: string;
};

/** A session as one table that fits the screen: a line a host, whoever is slow or has failed at the top. */
export function watchScreen(session: SessionBody, { columns, rows, timeZone }: Screen): string[] {
  // The time left is in the head.
  const head = [headOf(session), ...standingLines({ ...session, leftMs: null }, timeZone)];
  const sorted = session.hosts.toSorted(
    (one, other) => rankOf(one) - rankOf(other) || one.name.localeCompare(other.name, "en", { numeric: true }),
  );
  const room = Math.max(1, rows - head.length - 2);
  const shown = sorted.length > room ? sorted.slice(0, room - 1) : sorted;
  const width = Math.max(4, ...shown.map(({ name }) => name.length));
  const lines = shown.map((host) => `  ${host.name.padEnd(width)}  ${rowOf(host)}`);
  const more = sorted.length - shown.length;
  return [...head, ...lines, ...(more === 0 ? [] : [`  and ${more} more`])].map((line) => cut(line, columns));
}

function headOf(session: SessionBody): string {
  const { id, image, imageVersion, target, to, hosts, streams, leftMs } = session;
  const done = hosts.filter(({ order }) => order === "done").length;
  const failed = hosts.filter(({ order }) => order === "failed").length;
  const rate = streams.reduce((sum, { figures }) => sum + figures.rateBytesPerSecond, 0);
  const parts = [
    `session ${id}  ${image}${imageVersion === 0 ? "" : ` v${imageVersion}`} -> ${to === "any" ? "any" : (target ?? "hosts")}`,
    `${done} of ${hosts.length} done${failed === 0 ? "" : `, ${failed} failed`}`,
    ...(rate === 0 ? [] : [formatRate(rate)]),
    ...(leftMs === null ? [] : [`${formatDuration(leftMs)} left`]),
  ];
  return parts.join("   ");
}

function rowOf(host: SessionHostBody): string {
  if (host.order !== "running" || host.percent === null) return hostLine(host);
  const full = Math.round((BAR_WIDTH * host.percent) / 100);
  const bar = "#".repeat(full) + "-".repeat(BAR_WIDTH - full);
  const loss = host.lossShare === null || host.lossShare < 0.001 ? "" : `  lost ${(host.lossShare * 100).toFixed(1)} %`;
  const slow = host.slow === "" ? "" : `  <- ${host.slow}`;
  return `${host.state.padEnd(10)} ${bar} ${String(Math.floor(host.percent)).padStart(3)} %${loss}${slow}`;
}

function rankOf(host: SessionHostBody): number {
  return ranks[host.order] - (host.slow === "" ? 0 : 0.5);
}

function cut(line: string, columns: number): string {
  return line.length <= columns ? line : `${line.slice(0, Math.max(0, columns - 1))}…`;
}
