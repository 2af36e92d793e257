import { styleText } from "node:util";
import { Command } from "commander";
import type { Config } from "../../server/config/config.ts";
import { type Finding, isProblem } from "../../server/doctor/finding.ts";
import { DEFAULT_TTL } from "../../server/stream/hub.ts";
import { ownOptions } from "../settings/configuration.ts";
import { interfaceAddress } from "../settings/interface-address.ts";
import { duration, parsePort } from "../settings/option-values.ts";
import { configOf } from "../settings/read-configuration.ts";
import { Exit, examples, fail, globalOptions, printResult, say } from "../terminal/output.ts";
import { probeExtras } from "./boot-image-probe.ts";
import { isUnreachable, probeBootFiles } from "./boot-probes.ts";
import { probeBsdpServers } from "./bsdp-probe.ts";
import { examineHere, examineHost } from "./examine.ts";
import { probeFlooding, probeLan } from "./lan-probes.ts";
import { probeBundles } from "./nbi-probes.ts";

const DEFAULT_DEADLINE_MS = 4_000;

/** `bootcast doctor`: looks at what can go wrong, and says what is wrong and what to do about it. */
export function doctorCommand(): Command {
  const command = new Command("doctor").description(
    "Looks at this machine, its networks and its server, and says what is wrong and what mends it: within five seconds, as root more than as another user. Exit code 1 when something fails.\n\n" +
      "With --server it fetches the boot files from a server as a machine would, looks for other BSDP servers beside it, and, while a stream is sent, whether that reaches this machine without being asked for. Exit code 10 when nothing answers.\n\n" +
      "With --with a host that waits in the agent is asked whether the server's streams would reach it: some datagrams are sent to their group.\n\n" +
      "With --interface it looks at a network of this machine as a stream would: querier, free group, link.",
  );
  examples(command, [
    "sudo bootcast doctor                            # everything here",
    "bootcast doctor --server 10.77.0.1              # from another machine: does what machines fetch arrive?",
    "bootcast doctor --with lab-07                   # does lab-07, which waits for an order, hear the group of streams?",
    "bootcast doctor --interface eth0                # may streams be sent there?",
  ]);
  return globalOptions(ownOptions(command))
    .option("--server <address>", "the server's address or name, as the machines reach it")
    .option("--with <host>", "ask this host, which waits for an order, what it hears")
    .option("--interface <name|address>", "look at this network as a stream would before its first byte")
    .option("--tftp-port <port>", "its TFTP port", parsePort, 69)
    .option("--http-port <port>", "its HTTP port", parsePort, 8440)
    .option(
      "--deadline <time>",
      "the longest time for each probe: 4s, 1m, or seconds (default 4s)",
      duration({ leastMs: 1, mostMs: 600_000 }),
    )
    .action(async (options: DoctorFlags) => {
      try {
        await examine(options, configOf(command));
      } catch (error) {
        fail(error);
      }
    });
}

type DoctorFlags = {
  readonly with?: string;
  readonly server?: string;
  readonly interface?: string;
  readonly tftpPort: number;
  readonly httpPort: number;
  readonly deadline?: number;
};

async function examine(flags: DoctorFlags, config: Config): Promise<void> {
  const { server, deadline: deadlineMs = DEFAULT_DEADLINE_MS } = flags;
  if (flags.with !== undefined) {
    say(`asking ${flags.with} what it hears: at most ten seconds`);
    tell(await examineHost(flags.with, config), null);
    return;
  }
  if (server === undefined && flags.interface === undefined) {
    say("looking at this machine, its networks and its server: at most five seconds");
    tell(await examineHere(config), null);
    return;
  }
  const files = server === undefined ? [] : await examineServer({ ...flags, server, deadlineMs }, config);
  const network = flags.interface === undefined ? [] : await examineNetwork(flags.interface, config);
  const isWell = tell([...files, ...network], server ?? null);
  const boots = files.filter(({ probe }) => probe.startsWith("tftp ") || probe.startsWith("http "));
  if (!isWell && server !== undefined && isUnreachable(boots)) process.exitCode = Exit.unreachable;
}

/** Prints a line each; the exit code says whether all is well. */
function tell(probes: readonly Finding[], server: string | null): boolean {
  const isWell = probes.every(({ status }) => status !== "fail");
  printResult({ server, ok: isWell, problems: probes.filter(isProblem).length, probes }, () =>
    probes.map(lineOf).join("\n"),
  );
  if (!isWell) process.exitCode = Exit.failed;
  return isWell;
}

async function examineServer(
  { server, tftpPort, httpPort, deadlineMs }: DoctorFlags & { readonly server: string; readonly deadlineMs: number },
  config: Config,
): Promise<Finding[]> {
  say(`asking ${server}: TFTP port ${tftpPort}, HTTP port ${httpPort}`);
  const [files, bsdp, bundles, extras] = await Promise.all([
    probeBootFiles({ server, tftpPort, httpPort, deadlineMs }),
    probeBsdpServers({ server, deadlineMs }),
    probeBundles(config),
    probeExtras(config),
  ]);
  // Who is not there is not asked once more.
  const flooding = isUnreachable(files) ? [] : await probeFlooding({ server, httpPort, deadlineMs });
  return [...files, ...(bsdp === undefined ? [] : [bsdp]), ...bundles, ...extras, ...flooding];
}

function examineNetwork(name: string, { values }: Config): Promise<Finding[]> {
  const address = interfaceAddress(name);
  say(`looking at the network of ${name}`);
  return probeLan({
    interfaceAddress: address,
    group: values["multicast.group"],
    port: values["multicast.port"],
    rateBytesPerSecond: values["multicast.rate"],
    ttl: DEFAULT_TTL,
  });
}

function lineOf({ status, probe, detail, fix }: Finding): string {
  const line = `${wordOf(status)}  ${probe.padEnd(24)}  ${detail}`;
  return fix === undefined ? line : `${line}\n      fix: ${fix}`;
}

/** Never by colour alone, and what was not looked at in a pale one. */
function wordOf(status: Finding["status"]): string {
  const colours = { ok: "green", warn: "yellow", fail: "red", skip: "dim" } as const;
  return styleText(colours[status], status.padEnd(4), { stream: process.stdout });
}
