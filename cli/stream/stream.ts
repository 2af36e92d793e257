import { randomBytes } from "node:crypto";
import { Command, InvalidArgumentError, Option } from "commander";
import { pino } from "pino";
import { Fault } from "../../fault.ts";
import { keyFingerprint } from "../../images/signature.ts";
import { type JumboMode, jumboModes } from "../../multicast/frame-size.ts";
import { parseRate } from "../../multicast/rate.ts";
import { type RateMode, rateModes } from "../../multicast/rate-control.ts";
import { createHttp, listenTcp } from "../../server/http/http.ts";
import { type Advertisement, advertiseStream } from "../../server/network/dnssd.ts";
import { openStreamHub, type RunningStream } from "../../server/stream/hub.ts";
import { symbolBytesFor } from "../../server/stream/jumbo.ts";
import { openLanGuard } from "../../server/stream/lan-guard.ts";
import { metricsRoute } from "../../server/stream/metrics.ts";
import { streamRoutes } from "../../server/stream/routes.ts";
import { passphraseOptions } from "../image/passphrase.ts";
import { storeKeyOption } from "../settings/configuration.ts";
import { interfaceAddress } from "../settings/interface-address.ts";
import { duration, parsePort, wholeNumber } from "../settings/option-values.ts";
import { dataDirOf } from "../settings/read-configuration.ts";
import { interruption } from "../terminal/interruption.ts";
import { Exit, examples, fail, globalOptions, outputOptions, say } from "../terminal/output.ts";
import { configurationLines, DEFAULT_GROUP, DEFAULT_PORT, DEFAULT_RATE, streamConfiguration } from "./configuration.ts";
import { keepIdentity, readIdentity, type StreamIdentity } from "./identity.ts";
import { StreamObserver, showLine } from "./observer.ts";
import { openStreamSource, type SourceFlags } from "./open.ts";
import { keepHeapSmall } from "./small-heap.ts";
import { printSummary } from "./summary.ts";

const MOST_WAIT_MS = 86_400_000;
/** How often live figures come unless told: for programs, and as lines for people. */
const JSON_FIGURES_MS = 1_000;
const TEXT_FIGURES_MS = 10_000;
const LEAST_FIGURES_MS = 100;

type StreamFlags = SourceFlags & {
  readonly config?: string;
  readonly rate?: number;
  readonly mode?: RateMode;
  readonly group?: string;
  readonly port?: number;
  readonly interface?: string;
  readonly ttl?: number;
  readonly waitFor: number;
  /** Milliseconds. */
  readonly maxWait: number;
  readonly once?: boolean;
  readonly encrypt?: boolean;
  readonly jumbo: JumboMode;
  readonly allowWifi?: boolean;
  readonly advertise?: boolean;
  /** Milliseconds. */
  readonly figuresEvery?: number;
};

const jsonHelp = `
With --json every line on stdout is an object. Lines of type "figures" come all the time: state, waitingFor,
rateBytesPerSecond, sentBytes, pass, blocks, and of each receiver id, name, state, lossShare (0 to 1), packsDone,
packsTotal and missing: runs [first, count] of the blocks that it lacks, 64 at most (short gaps between them are counted as missing
then), or null before it has said so. Lines of type "network" say what was found out about the network:
probe, status (ok, warn), detail, fix. The last line has the type "result". The same figures are at
http://INTERFACE:PORT/metrics for Prometheus.`;

/** `bootcast stream`: sends one image to every machine that joins, as `asr -server` did. */
export function streamCommand(): Command {
  const command = new Command("stream")
    .description(
      "Sends one image by multicast to every machine that joins.\n\n" +
        "Nothing is sent before the first receiver joins. Without --once the stream loops while there are receivers. " +
        "The control connection (TCP) and the data (UDP) use the same port number.",
    )
    .option("--source <file|image>", "a disk image file, read in place, or NAME[:VERSION] of the store")
    .option("--relay <address>", "instead of --source: asr://HOST[:PORT][/IMAGE], a stream that is cast on from here")
    .option(
      "--relay-multicast",
      "with --relay: take it from its group, like any receiver, instead of asking for what is needed",
    )
    .option(
      "--relay-interface <name|address>",
      "with --relay-multicast: where the stream arrives (default: where its server is)",
    )
    .option("--trust <file>", "with --relay: public keys (PEM) whose images are accepted")
    .option("--data-dir <dir>", "where the store and the site's key are (BOOTCAST_DATA_DIR)")
    .option("--config <asr.plist>", "an asr server configuration; the options below win over it")
    .option(
      "--rate <rate>",
      `most that is sent, all headers counted: 60MB/s, 20000kbit (default ${DEFAULT_RATE})`,
      rateOf,
    )
    .addOption(
      new Option(
        "--mode <mode>",
        "fixed: always at the rate; normal: shares with others; background: leaves everything to them " +
          "(default normal; with an asr configuration fixed)",
      ).choices(rateModes),
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
    .option("--encrypt", "encrypt the stream: who only listens cannot read it, who joins it can")
    .addOption(
      new Option("--jumbo <when>", "auto: large frames where the network has them and every host gets them; off: never")
        .choices(jumboModes)
        .default("auto"),
    )
    .option("--allow-wifi", "also through a wireless card, which loses much and slows everybody there")
    .option("--advertise", "tell the network of it by DNS-SD (default: as the asr configuration says)")
    .option("--no-advertise", "do not")
    .option(
      "--figures-every <time>",
      "how often live figures are shown (default 1s with --json, otherwise 10s)",
      duration({ leastMs: LEAST_FIGURES_MS, mostMs: MOST_WAIT_MS }),
    )
    .addHelpText("after", jsonHelp)
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
    "bootcast stream --relay asr://10.77.0.1 --interface eth1                  # into the next network",
  ]);
  return globalOptions(storeKeyOption(passphraseOptions(command)));
}

async function runStream(flags: StreamFlags): Promise<Exit> {
  keepHeapSmall();
  const interrupted = interruption();
  const configuration = await streamConfiguration(flags);
  const { group, port, rateBytesPerSecond, mode, ttl } = configuration;
  const address = interfaceAddress(flags.interface);
  const log = pino({ level: process.env["BOOTCAST_DEBUG"] ? "debug" : "warn" }, pino.destination(2));
  // An encrypted one has other bytes.
  const output = `${address}-${group}-${port}${flags.encrypt === true ? "-encrypted" : ""}`;
  const source = await openStreamSource(flags, { output, signal: interrupted.signal, log });
  const hub = openStreamHub({ log });
  const http = createHttp(log);
  const observer = new StreamObserver(() => stream);
  let stream: RunningStream;
  let advertised: Advertisement | undefined;
  try {
    await http.register(streamRoutes(hub));
    await http.register(metricsRoute(hub));
    await listenTcp(http, address, port, "--port");
    const before = await readIdentity(source.identityPath);
    const secret = before?.secret ?? new Uint8Array(randomBytes(32));
    stream = await hub.create({
      ...(before === undefined ? {} : { streamId: before.streamId }),
      manifest: source.manifest,
      manifestBytes: source.manifestBytes,
      signer: source.signer,
      packs: source.packs,
      group: before?.group ?? group,
      port,
      interfaceAddress: address,
      rateBytesPerSecond,
      symbolBytes: await symbolBytesFor(flags.jumbo, { interfaceAddress: address, rateBytesPerSecond }),
      mode,
      waitFor: flags.waitFor,
      maxWaitMs: flags.maxWait,
      once: flags.once === true,
      ...(flags.encrypt === true ? { encrypt: { secret } } : {}),
      ...(configuration.asr?.loopSuspend === undefined ? {} : { loopSuspend: configuration.asr.loopSuspend }),
      ttl,
      lan: openLanGuard({
        allowWifi: flags.allowWifi === true,
        // Behind a relay that was restarted its receivers wait at the old group.
        whenTaken: configuration.isGroupFixed || flags.relay !== undefined ? "refuse" : "next",
      }),
      onEvent: (event) => observer.onEvent(event),
    });
    source.onOpen(stream);
    await remember(source.identityPath, { streamId: stream.streamId, group: stream.description.group, secret });
    for (const line of configurationLines({ ...configuration, group: stream.description.group }, address))
      showLine(line);
    if (configuration.isAdvertised) {
      const { name, version } = source.manifest.tag;
      const key = keyFingerprint(source.signer);
      advertised = await advertiseStream({ address, port, image: `${name}:${version}`, key, log });
    }
    observer.start(flags.figuresEvery ?? (outputOptions().json ? JSON_FIGURES_MS : TEXT_FIGURES_MS));
    showLine("Ready to start accepting clients");
    interrupted.whenReceived(() => stream.stop("interrupted"));
    await stream.ended;
    if (interrupted.signal.aborted) return Exit.interrupted;
    if (observer.problem !== undefined) throw observer.problem;
    await source.finish();
    return printSummary(stream, source);
  } finally {
    observer.stop();
    await advertised?.stop();
    await hub.close();
    await http.close();
    await source.close();
    interrupted.dispose();
  }
}

/** A stream that cannot be gone on with is better than none. */
async function remember(path: string, identity: StreamIdentity): Promise<void> {
  try {
    await keepIdentity(path, identity);
  } catch (error) {
    say(`Should this stream be killed, its receivers cannot go on with the next one: ${(error as Error).message}`);
  }
}

function rateOf(text: string): number {
  try {
    return parseRate(text);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Fault ? `${error.why} ${error.fix}` : String(error));
  }
}
