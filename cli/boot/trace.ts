import { styleText } from "node:util";
import { Command } from "commander";
import type { TraceBody, TraceEntryBody } from "../../server/api/boot-schemas.ts";
import { type ApiClient, withServer } from "../client.ts";
import { configOptions } from "../settings/configuration.ts";
import { duration } from "../settings/option-values.ts";
import { interruption } from "../terminal/interruption.ts";
import { Exit, examples, globalOptions, outputOptions, print, say } from "../terminal/output.ts";
import { type LineStyle, storyHead, storyLine, traceLine } from "./trace-lines.ts";

const DEFAULT_SINCE_MS = 600_000;
/** Older boot events are removed from the database. */
const MOST_SINCE_MS = 7 * 86_400_000;

type TraceOptions = { readonly host?: string; readonly since?: number; readonly follow: boolean };

/** `bootcast boot trace`: who asked what to boot, what we answered, or why not. */
export function bootTraceCommand(): Command {
  const command = new Command("trace").description(
    "Shows who asks to boot and what comes of it: a line for each packet and file, as it happens. With --host, the last boot of one machine as a story. Kept for 7 days; --json prints one object a line.",
  );
  examples(command, [
    "bootcast boot trace                                # the last 10 minutes, then live until Ctrl-C",
    "bootcast boot trace --host lab-07                  # its last boot, in seconds from its first packet",
    "bootcast boot trace --host 52:54:00:12:34:56       # also a machine that nobody knows yet",
    "bootcast boot trace --since 2h --no-follow         # what happened in the last 2 hours",
    "bootcast boot trace --no-follow --json | jq -r 'select(.isRefusal) | .reason'",
  ]);
  return configOptions(globalOptions(command))
    .option("--host <host>", "only this machine: name, id or MAC address")
    .option(
      "--since <time>",
      "from this long ago: 90s, 10m, 2h (default: 10m; with --host the last boot)",
      duration({ mostMs: MOST_SINCE_MS }),
    )
    .option("--no-follow", "end after what is known, instead of waiting for more")
    .action((options: TraceOptions) => withServer(command, (api) => trace(api, options)));
}

async function trace(api: ApiClient, { host, since, follow }: TraceOptions): Promise<void> {
  const isStory = host !== undefined && since === undefined;
  const query = new URLSearchParams(host === undefined ? {} : { host });
  if (!isStory) query.set("since", String(Date.now() - (since ?? DEFAULT_SINCE_MS)));
  const last = isStory ? "&boot=last" : "";
  const { entries } = await api.get<TraceBody>(`/api/v1/boot/trace?${query}${last}&limit=10000`);
  const writer = new TraceWriter(isStory, lineStyle());
  writer.write(entries);
  if (!follow) {
    if (entries.length === 0) say(nothingText(host));
    return;
  }
  if (entries.length === 0) say(`${nothingText(host)} Waiting for the next packet.`);
  query.set("after", String(entries.at(-1)?.id ?? 0));
  const { signal, dispose } = interruption();
  try {
    for await (const entry of api.follow<TraceEntryBody>(`/api/v1/boot/trace?${query}`, signal)) writer.write([entry]);
  } catch (error) {
    if (!signal.aborted) throw error;
    // Ctrl-C is how one leaves; there is nothing to say about it.
    process.exitCode = Exit.interrupted;
  } finally {
    dispose();
  }
}

/** Prints entries; in a story, each boot below a heading of its own. */
class TraceWriter {
  readonly #isStory: boolean;
  readonly #style: LineStyle;
  #boot: number | undefined;
  #startMs = 0;

  constructor(isStory: boolean, style: LineStyle) {
    this.#isStory = isStory;
    this.#style = style;
  }

  write(entries: readonly TraceEntryBody[]): void {
    for (const entry of entries) {
      if (outputOptions().json) print(JSON.stringify(entry));
      else if (this.#isStory) this.#tell(entry, entries);
      else print(traceLine(entry, this.#style));
    }
  }

  #tell(entry: TraceEntryBody, entries: readonly TraceEntryBody[]): void {
    if (entry.boot !== this.#boot) {
      if (this.#boot !== undefined) print("");
      print(storyHead(entry, entries));
      this.#boot = entry.boot;
      this.#startMs = entry.atMs;
    }
    print(storyLine(entry, this.#startMs, this.#style));
  }
}

function lineStyle(): LineStyle {
  const { stdout } = process;
  return {
    columns: stdout.isTTY ? stdout.columns : undefined,
    paint: (color, text) => styleText(color, text, { stream: stdout }),
  };
}

function nothingText(host: string | undefined): string {
  return host === undefined
    ? "No machine has asked to boot in this time."
    : `${host} has not asked to boot. Is it on, on this network, and set to boot from it?`;
}
