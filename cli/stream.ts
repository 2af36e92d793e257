import { readFile } from "node:fs/promises";
import { Command, InvalidArgumentError } from "commander";
import { pino } from "pino";
import { Fault } from "../fault.ts";
import { keyFingerprint } from "../images/signature.ts";
import { checkGroup } from "../multicast/group.ts";
import { formatRate, parseRate } from "../multicast/rate.ts";
import type { Receiver } from "../multicast/sender.ts";
import { createHttp, listenTcp } from "../server/http.ts";
import { openStreamHub, type RunningStream, type StreamEvent } from "../server/stream/hub.ts";
import { streamRoutes } from "../server/stream/routes.ts";
import { type AsrConfig, decodeAsrConfig } from "./asr-config.ts";
import { dataDirOf } from "./configuration.ts";
import { interfaceAddress } from "./interface-address.ts";
import { interruption } from "./interruption.ts";
import { duration, parsePort, wholeNumber } from "./option-values.ts";
import { Exit, examples, fail, globalOptions, outputOptions, print, say } from "./output.ts";
import { type PassphraseFlags, passphraseOptions } from "./passphrase.ts";
import { type ImageSource, openImageSource } from "./stream-source.ts";

const DEFAULT_GROUP = "239.192.66.1";
const DEFAULT_PORT = 7800;
const DEFAULT_RATE = "12MB/s";
const MOST_WAIT_MS = 86_400_000;

type StreamFlags = PassphraseFlags & {
  readonly source: string;
  readonly dataDir: string;
  readonly config?: string;
  readonly rate?: number;
  readonly group?: string;
  readonly port?: number;
  readonly interface?: string;
  readonly ttl?: number;
  readonly waitFor: number;
  /** Milliseconds. */
  readonly maxWait: number;
  readonly once?: boolean;
};

/** `bootcast stream`: sends one image to every machine that joins, as `asr -server` did. */
export function streamCommand(): Command {
  const command = new Command("stream")
    .description(
      "Sends one image by multicast to every machine that joins.\n\n" +
        "Nothing is sent before the first receiver joins. Without --once the stream loops while there are receivers. " +
        "The control connection (TCP) and the data (UDP) use the same port number.",
    )
    .requiredOption("--source <file|image>", "a disk image file, read in place, or NAME[:VERSION] of the store")
    .option("--data-dir <dir>", "where the store and the site's key are (BOOTCAST_DATA_DIR)")
    .option("--config <asr.plist>", "an asr server configuration; the options below win over it")
    .option(
      "--rate <rate>",
      `most that is sent, all headers counted: 60MB/s, 20000kbit (default ${DEFAULT_RATE})`,
      rateOf,
    )
    .option("--group <address>", `multicast group (default ${DEFAULT_GROUP})`)
    .option("--port <number>", `TCP and UDP port (default ${DEFAULT_PORT})`, parsePort)
    .option("--interface <name|address>", "the network to send to; needed when there are several")
    .option("--ttl <number>", "how many networks far (default 3)", wholeNumber(1, 255))
    .option("--wait-for <number>", "start when so many receivers are ready", wholeNumber(1, 100_000), 1)
    .option(
      "--max-wait <time>",
      "start so long after the first one is ready anyhow: 90s, 10m, or seconds; 0 waits for all",
      duration({ mostMs: MOST_WAIT_MS }),
      0,
    )
    .option("--once", "one pass, then the rest by unicast, then end")
    .action(async ({ dataDir, ...flags }: Omit<StreamFlags, "dataDir"> & { dataDir?: string }) => {
      try {
        process.exitCode = await runStream({ ...flags, dataDir: dataDirOf(dataDir) });
      } catch (error) {
        fail(error);
      }
    });
  examples(command, [
    "bootcast stream --source golden.raw --interface eth0 --rate 12MB/s",
    "bootcast stream --source lab-debian --wait-for 30 --max-wait 5m --once    # the room starts together",
    "bootcast stream --source golden.raw --config asrcast.plist                # asr's own configuration",
  ]);
  return globalOptions(passphraseOptions(command));
}

async function runStream(flags: StreamFlags): Promise<Exit> {
  const interrupted = interruption();
  const asr = flags.config === undefined ? undefined : decodeAsrConfig(await readConfig(flags.config), flags.config);
  const group = flags.group ?? asr?.group ?? DEFAULT_GROUP;
  checkGroup(group);
  const port = flags.port ?? asr?.port ?? DEFAULT_PORT;
  const rateBytesPerSecond = flags.rate ?? rateOfAsr(asr) ?? parseRate(DEFAULT_RATE);
  const ttl = flags.ttl ?? asr?.ttl ?? 3;
  const address = interfaceAddress(flags.interface);
  const log = pino({ level: process.env["BOOTCAST_DEBUG"] ? "debug" : "warn" }, pino.destination(2));
  say(`Scanning ${flags.source}...`);
  const source = await openImageSource(flags.source, {
    dataDir: flags.dataDir,
    onScan: () => undefined,
    passphrase: flags,
    signal: interrupted.signal,
  });
  const hub = openStreamHub({ log });
  const http = createHttp(log);
  try {
    await http.register(streamRoutes(hub));
    await listenTcp(http, address, port, "--port");
    const observer = new Observer(() => stream.waitingFor);
    const stream: RunningStream = await hub.create({
      manifest: source.manifest,
      manifestBytes: source.manifestBytes,
      signer: source.signer,
      packs: source.packs,
      group,
      port,
      interfaceAddress: address,
      rateBytesPerSecond,
      waitFor: flags.waitFor,
      maxWaitMs: flags.maxWait,
      once: flags.once === true,
      ttl,
      onEvent: (event) => observer.onEvent(event),
    });
    printConfiguration(asr, { group, port, rateBytesPerSecond, ttl, address });
    if (asr?.isAdvertised === true)
      say(`The stream is not advertised by DNS-SD: give the receivers asr://${address}:${port}.`);
    showLine("Ready to start accepting clients");
    interrupted.signal.addEventListener("abort", () => stream.stop("interrupted"), { once: true });
    await stream.ended;
    if (interrupted.signal.aborted) return Exit.interrupted;
    if (observer.problem !== undefined) throw observer.problem;
    return summary(stream, source);
  } finally {
    await hub.close();
    await http.close();
    await source.close();
    interrupted.dispose();
  }
}

/** Says what happens while the stream runs. */
class Observer {
  problem: Fault | undefined;
  readonly #waitingFor: () => string;
  #waitShown = "";

  constructor(waitingFor: () => string) {
    this.#waitingFor = waitingFor;
  }

  onEvent(event: StreamEvent): void {
    this.#show(event);
    const waitingFor = event.type === "state" || event.type === "receiver" ? this.#waitingFor() : "";
    if (waitingFor !== "" && waitingFor !== this.#waitShown) say(`Waiting: ${waitingFor}.`);
    this.#waitShown = waitingFor;
  }

  #show(event: StreamEvent): void {
    switch (event.type) {
      case "state":
        if (event.state === "streaming") showLine(`Starting stream ${asrTime(new Date())}`);
        else say(`${event.state === "open" ? "Stream suspended" : "Stream ended"}: ${event.reason}.`);
        break;
      case "pass":
        say(`Pass ${event.pass} is over.`);
        break;
      case "receiver":
        say(receiverLine(event.receiver));
        break;
      case "over":
        say(`Over: ${event.reason}.`);
        break;
      case "problem":
        this.problem = event.fault;
        break;
    }
  }
}

function receiverLine({ name, state, symbolsReceived, symbolsLost }: Receiver): string {
  if (state !== "done") return `${name}: ${state}`;
  const sent = symbolsReceived + symbolsLost;
  const percent = sent === 0 ? 0 : (symbolsLost / sent) * 100;
  return `${name}: done, ${percent.toFixed(2)} % of its packets were lost`;
}

function summary(stream: RunningStream, source: ImageSource): Exit {
  const done = stream.receivers.filter(({ state }) => state === "done").length;
  const others = stream.receivers.filter(({ state }) => state !== "done");
  if (outputOptions().json) {
    const receivers = stream.receivers.map(({ name, state, symbolsReceived, symbolsLost }) => ({
      name,
      state,
      symbolsReceived,
      symbolsLost,
    }));
    const { name, version } = source.manifest.tag;
    print(
      JSON.stringify({
        image: name,
        imageVersion: version,
        streamId: stream.streamId,
        signedBy: keyFingerprint(source.signer),
        receivers,
      }),
    );
  } else {
    print(`${done} of ${stream.receivers.length} receivers restored ${source.manifest.tag.name}.`);
    for (const { name, state } of others) print(`  ${name}: ${state}`);
  }
  if (others.length === 0) return Exit.done;
  return done === 0 ? Exit.failed : Exit.someHostsFailed;
}

function printConfiguration(
  asr: AsrConfig | undefined,
  used: { group: string; port: number; rateBytesPerSecond: number; ttl: number; address: string },
): void {
  showLine("Multicast server configuration:");
  showLine(`\tData Rate: ${used.rateBytesPerSecond} (${formatRate(used.rateBytesPerSecond)})`);
  showLine(`\tMulticast Address: ${used.group}`);
  showLine(`\tPort: ${used.port}`);
  showLine(`\tMulticast TTL: ${used.ttl}`);
  const shown = new Set(["Data Rate", "Multicast Address", "Port", "Multicast TTL"]);
  for (const [key, value] of asr?.entries ?? []) if (!shown.has(key)) showLine(`\t${key}: ${value}`);
  showLine(`\tInterface: ${used.address}`);
}

// asr wrote these on stdout; with --json stdout is for the result alone.
function showLine(text: string): void {
  const { json, quiet } = outputOptions();
  if (!json && !quiet) print(text);
}

function rateOfAsr(asr: AsrConfig | undefined): number | undefined {
  if (asr === undefined) return undefined;
  return Math.min(asr.rateBytesPerSecond, asr.clientRateBytesPerSecond ?? Number.POSITIVE_INFINITY);
}

async function readConfig(path: string): Promise<Uint8Array> {
  // The article's own command line has this slash.
  const tolerant = path.replace(/(?<=\.plist)\/$/, "");
  try {
    return await readFile(tolerant);
  } catch (error) {
    throw new Fault(
      "ASR_CONFIG_INVALID",
      {
        what: `The server configuration ${path} cannot be read.`,
        why: (error as Error).message,
        fix: "Check the path.",
      },
      error,
    );
  }
}

/** "Tue May 31 05:09:31 2005", as asr and ctime(3) write it, in local time. */
function asrTime(time: Date): string {
  const [day = "", month = "", date = "", year = ""] = time.toDateString().split(" ");
  return `${day} ${month} ${date.replace(/^0/, " ")} ${time.toTimeString().slice(0, 8)} ${year}`;
}

function rateOf(text: string): number {
  try {
    return parseRate(text);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Fault ? `${error.why} ${error.fix}` : String(error));
  }
}
