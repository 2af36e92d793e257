import type { ListedSessionBody, SessionBody } from "../../api/schemas.ts";
import { byName } from "./room/selection.ts";

type SessionHost = SessionBody["hosts"][number];

/** Of a whole restore, the share of time that each step takes about: what a host's one bar shows. */
const steps: Readonly<Record<string, readonly [from: number, to: number]>> = {
  erasing: [0, 3],
  receiving: [3, 75],
  capturing: [3, 95],
  verifying: [75, 95],
  naming: [95, 98],
  finishing: [98, 99],
  rebooting: [99, 100],
};

/** How far one host is with its order, 0 to 100: one number that never goes back while the steps follow each other. */
export function hostPercent({ order, state, percent }: Pick<SessionHost, "order" | "state" | "percent">): number {
  if (order === "done") return 100;
  if (order !== "running") return 0;
  const [from, to] = steps[state] ?? [0, 0];
  return from + ((to - from) * Math.min(100, Math.max(0, percent ?? 0))) / 100;
}

/** The lower one of two middles. */
export function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor((values.length - 1) / 2)] ?? 0;
}

export type SessionFigures = {
  /** Of all its hosts together, 0 to 100. */
  readonly percent: number;
  readonly done: number;
  readonly failed: number;
  readonly all: number;
  readonly rateBytesPerSecond: number;
  readonly sentBytes: number;
  /** What half of the receivers lose at least, 0 to 1. */
  readonly lossShare: number;
  /** What its streams wait for; empty while they do not. */
  readonly waitingFor: string;
};

export function figuresOf({ hosts, streams }: Pick<SessionBody, "hosts" | "streams">): SessionFigures {
  const going = hosts.filter(({ order }) => order !== "failed" && order !== "cancelled");
  const sum = going.reduce((total, host) => total + hostPercent(host), 0);
  const figures = streams.map((stream) => stream.figures);
  const receivers = figures.flatMap((one) => one.receivers);
  return {
    percent: going.length === 0 ? 0 : sum / going.length,
    done: hosts.filter(({ order }) => order === "done").length,
    failed: hosts.filter(({ order }) => order === "failed").length,
    all: hosts.length,
    rateBytesPerSecond: figures.reduce((total, one) => total + one.rateBytesPerSecond, 0),
    sentBytes: figures.reduce((total, one) => total + one.sentBytes, 0),
    lossShare: median(receivers.map((one) => one.lossShare)),
    waitingFor: streams.find((stream) => stream.waitingFor !== "")?.waitingFor ?? "",
  };
}

/** The same of a session in the list. */
export function listedFigures(session: Pick<ListedSessionBody, "counts" | "atWork" | "streams">): SessionFigures {
  const { counts, atWork, streams } = session;
  const going = counts.all - counts.failed - counts.cancelled;
  const sum = atWork.reduce((total, one) => total + one.hosts * hostPercent({ order: "running", ...one }), 0);
  return {
    percent: going === 0 ? 0 : (counts.done * 100 + sum) / going,
    done: counts.done,
    failed: counts.failed,
    all: counts.all,
    rateBytesPerSecond: streams.reduce((total, one) => total + one.rateBytesPerSecond, 0),
    sentBytes: streams.reduce((total, one) => total + one.sentBytes, 0),
    // Where one image goes into several networks, the worst of them is looked at.
    lossShare: Math.max(0, ...streams.map((one) => one.lossShare)),
    waitingFor: streams.find((stream) => stream.waitingFor !== "")?.waitingFor ?? "",
  };
}

/** Those who failed first, in a large room they are far down otherwise; then by name as people count. */
export function troubleFirst<H extends Pick<SessionHost, "name" | "order">>(hosts: readonly H[]): H[] {
  const isWell = ({ order }: H) => Number(order !== "failed");
  return hosts.toSorted((one, other) => isWell(one) - isWell(other) || byName.compare(one.name, other.name));
}

type Startable = Pick<SessionBody, "state" | "kind" | "halted" | "startedAtMs"> & {
  readonly streams: readonly Pick<SessionBody["streams"][number], "state" | "receivers" | "waitingFor">[];
};

/** There is something that a person may not want to wait for: its time, or machines that do not come. */
export function canStart({ state, kind, halted, startedAtMs, streams }: Startable): boolean {
  if (state !== "active" || kind !== "deploy" || halted !== null) return false;
  const isWaiting = streams.some((one) => one.state === "open" && one.receivers > 0 && one.waitingFor !== "");
  return startedAtMs === null || isWaiting;
}
