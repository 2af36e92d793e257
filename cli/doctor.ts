import { Command } from "commander";
import { isUnreachable, type ProbeResult, probeBootFiles } from "./boot-probes.ts";
import { probeBsdpServers } from "./bsdp-probe.ts";
import { configOf, configOptions } from "./configuration.ts";
import { probeBundles } from "./nbi-probes.ts";
import { duration, parsePort } from "./option-values.ts";
import { Exit, examples, globalOptions, printResult, say } from "./output.ts";

const DEFAULT_DEADLINE_MS = 4_000;

/** `bootcast doctor`: fetches what a booting machine fetches, and says what is wrong and what to do about it. */
export function doctorCommand(): Command {
  const command = new Command("doctor").description(
    "Fetches the boot files from a server as a machine would, looks for other BSDP servers beside it (as root), and says what is wrong. Exit code 10 when nothing answers.",
  );
  examples(command, [
    "bootcast doctor --server 10.77.0.1",
    "bootcast doctor --server 127.0.0.1 --tftp-port 6969 --http-port 8440 --json",
  ]);
  return globalOptions(configOptions(command))
    .requiredOption("--server <address>", "the server's address or name, as the machines reach it")
    .option("--tftp-port <port>", "its TFTP port", parsePort, 69)
    .option("--http-port <port>", "its HTTP port", parsePort, 8440)
    .option(
      "--deadline <time>",
      "the longest time for each probe: 4s, 1m, or seconds (default 4s)",
      duration({ leastMs: 1, mostMs: 600_000 }),
    )
    .action(async (options: { server: string; tftpPort: number; httpPort: number; deadline?: number }) => {
      const { server, tftpPort, httpPort, deadline: deadlineMs = DEFAULT_DEADLINE_MS } = options;
      say(`asking ${server}: TFTP port ${tftpPort}, HTTP port ${httpPort}`);
      const [files, bsdp, bundles] = await Promise.all([
        probeBootFiles({ server, tftpPort, httpPort, deadlineMs }),
        probeBsdpServers({ server, deadlineMs }),
        probeBundles(configOf(command)),
      ]);
      const probes = [...files, ...(bsdp === undefined ? [] : [bsdp]), ...bundles];
      const isWell = probes.every(({ status }) => status !== "fail");
      printResult({ server, ok: isWell, probes }, () => probes.map(lineOf).join("\n"));
      if (!isWell) process.exitCode = isUnreachable(files) ? Exit.unreachable : Exit.failed;
    });
}

function lineOf({ status, probe, detail, fix }: ProbeResult): string {
  const line = `${status.padEnd(4)}  ${probe.padEnd(24)}  ${detail}`;
  return fix === undefined ? line : `${line}\n      fix: ${fix}`;
}
