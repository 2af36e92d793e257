import { setTimeout as sleep } from "node:timers/promises";
import { formatDuration } from "../../agent/disk/sizes.ts";
import { Fault } from "../../fault.ts";
import type { SessionBody } from "../../server/api/schemas.ts";
import type { ApiClient } from "../client.ts";
import { figuresLine } from "../stream/figures.ts";
import { outputOptions, say } from "../terminal/output.ts";
import { Redrawn } from "../terminal/redrawn.ts";
import { hostLine, standingLines, streamText } from "./text.ts";
import { watchScreen } from "./watch-screen.ts";
import { timeZoneOf } from "./when.ts";

const LOOK_EVERY_MS = 1_000;
/** Live figures change all the time: a line of them is enough so often. */
const FIGURES_EVERY_MS = 10_000;

export type WatchOptions = { readonly hosts?: number; readonly maxTime?: number };

/** Shows every change of a session until its hosts are through, or so many of them. @throws {Fault} WATCH_TIMEOUT */
export async function watch(api: ApiClient, first: SessionBody, options: WatchOptions): Promise<SessionBody> {
  const untilMs = Date.now() + (options.maxTime ?? Number.POSITIVE_INFINITY);
  const show = shower();
  let session = first;
  for (;;) {
    show(session);
    const through = session.hosts.filter(({ order }) => order !== "pending" && order !== "running").length;
    if (session.state !== "active" || (options.hosts !== undefined && through >= options.hosts)) return session;
    if (Date.now() > untilMs) {
      throw new Fault("WATCH_TIMEOUT", {
        what: `Session ${session.id} is not finished: ${through} of ${options.hosts ?? session.hosts.length} hosts are through.`,
        why: `--max-time ${formatDuration(options.maxTime ?? 0)} has passed. ${waitingText(session)}`.trim(),
        fix: `It goes on. Look again with "bootcast session watch ${session.id}", or stop it.`,
      });
    }
    await sleep(LOOK_EVERY_MS);
    session = await api.get<SessionBody>(`/api/v1/sessions/${session.id}`);
  }
}

/** On a terminal a table in its place, elsewhere a line for each change. */
function shower(): (session: SessionBody) => void {
  const { quiet, json } = outputOptions();
  const { stderr } = process;
  if (stderr.isTTY && !quiet && !json) {
    const screen = new Redrawn(stderr);
    return (session) => {
      // A terminal of a program does not always say how large it is.
      const [columns, rows] = [stderr.columns || 80, stderr.rows || 24];
      screen.draw(watchScreen(session, { columns, rows, timeZone: timeZoneOf(undefined) }));
    };
  }
  const shown = new Map<string, string>();
  let figuresAtMs = Date.now() + FIGURES_EVERY_MS;
  return (session) => {
    for (const line of changes(session, shown)) say(line);
    if (Date.now() < figuresAtMs) return;
    figuresAtMs = Date.now() + FIGURES_EVERY_MS;
    for (const { state, figures } of session.streams) {
      if (state === "streaming") say(`session ${session.id}  stream ${figuresLine(figures)}`);
    }
  };
}

/** The lines that differ from those shown before: one for the stream, one a host. */
function changes(session: SessionBody, shown: Map<string, string>): string[] {
  const lines = new Map<string, string>();
  for (const line of standingLines(session, timeZoneOf(undefined))) lines.set(line, `session ${session.id}  ${line}`);
  for (const stream of session.streams)
    lines.set(stream.streamId, `session ${session.id}  stream ${streamText(stream)}`);
  for (const host of session.hosts) lines.set(host.id, `session ${session.id}  ${host.name}  ${hostLine(host)}`);
  const fresh = [...lines].filter(([key, line]) => shown.get(key) !== line);
  for (const [key, line] of fresh) shown.set(key, line);
  return fresh.map(([, line]) => line);
}

function waitingText(session: SessionBody): string {
  return session.hosts
    .filter(({ order }) => order === "pending" || order === "running")
    .map((host) => `${host.name}: ${hostLine(host)}.`)
    .join(" ");
}
