import { Command } from "commander";
import { Fault } from "../../fault.ts";
import type { Config } from "../../server/config/config.ts";
import { DEFAULT_TTL } from "../../server/stream/hub.ts";
import { ownOptions } from "../settings/configuration.ts";
import { interfaceAddress } from "../settings/interface-address.ts";
import { duration, parsePort } from "../settings/option-values.ts";
import { configOf } from "../settings/read-configuration.ts";
import { Exit, examples, fail, globalOptions, printResult, say } from "../terminal/output.ts";
import { probeExtras } from "./boot-image-probe.ts";
import { isUnreachable, type ProbeResult, probeBootFiles } from "./boot-probes.ts";
import { probeBsdpServers } from "./bsdp-probe.ts";
import { probeFlooding, probeLan } from "./lan-probes.ts";
import { probeBundles } from "./nbi-probes.ts";

const DEFAULT_DEADLINE_MS = 4_000;

/** `bootcast doctor`: fetches what a booting machine fetches, and says what is wrong and what to do about it. */
export function doctorCommand(): Command {
  const command = new Command("doctor").description(
    "Fetches the boot files from a server as a machine would, looks for other BSDP servers beside it (as root), and says what is wrong. Exit code 10 when nothing answers.\n\n" +
      "While the server sends a stream, it tells whether that reaches this machine without being asked for (as root). " +
      "With --interface it looks at a network of this machine as a stream would: querier, free group, link.",
  );
  examples(command, [
    "bootcast doctor --server 10.77.0.1",
    "bootcast doctor --server 127.0.0.1 --tftp-port 6969 --http-port 8440 --json",
    "bootcast doctor --interface eth0                # on the server: may streams be sent there?",
  ]);
  return globalOptions(ownOptions(command))
    .option("--server <address>", "the server's address or name, as the machines reach it")
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
  readonly server?: string;
  readonly interface?: string;
  readonly tftpPort: number;
  readonly httpPort: number;
  readonly deadline?: number;
};

async function examine(flags: DoctorFlags, config: Config): Promise<void> {
  const { server, tftpPort, httpPort, deadline: deadlineMs = DEFAULT_DEADLINE_MS } = flags;
  if (server === undefined && flags.interface === undefined) throw nothingToExamine();
  const files: ProbeResult[] = [];
  const others: ProbeResult[] = [];
  if (server !== undefined) {
    say(`asking ${server}: TFTP port ${tftpPort}, HTTP port ${httpPort}`);
    const [found, bsdp, bundles, extras] = await Promise.all([
      probeBootFiles({ server, tftpPort, httpPort, deadlineMs }),
      probeBsdpServers({ server, deadlineMs }),
      probeBundles(config),
      probeExtras(config),
    ]);
    // Who is not there is not asked once more.
    const flooding = isUnreachable(found) ? [] : await probeFlooding({ server, httpPort, deadlineMs });
    files.push(...found);
    others.push(...(bsdp === undefined ? [] : [bsdp]), ...bundles, ...extras, ...flooding);
  }
  if (flags.interface !== undefined) {
    const address = interfaceAddress(flags.interface);
    say(`looking at the network of ${flags.interface}`);
    others.push(
      ...(await probeLan({
        interfaceAddress: address,
        group: config.values["multicast.group"],
        port: config.values["multicast.port"],
        rateBytesPerSecond: config.values["multicast.rate"],
        ttl: DEFAULT_TTL,
      })),
    );
  }
  const probes = [...files, ...others];
  const isWell = probes.every(({ status }) => status !== "fail");
  printResult({ server: server ?? null, ok: isWell, probes }, () => probes.map(lineOf).join("\n"));
  if (!isWell) process.exitCode = server !== undefined && isUnreachable(files) ? Exit.unreachable : Exit.failed;
}

function nothingToExamine(): Fault {
  return new Fault("USAGE", {
    what: "It is not clear what is to be looked at.",
    why: "Neither a server nor an interface was given.",
    fix: "Give --server ADDRESS, --interface NAME, or both.",
  });
}

function lineOf({ status, probe, detail, fix }: ProbeResult): string {
  const line = `${status.padEnd(4)}  ${probe.padEnd(24)}  ${detail}`;
  return fix === undefined ? line : `${line}\n      fix: ${fix}`;
}
