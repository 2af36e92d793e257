import { Command, InvalidArgumentError } from "commander";
import { type ProbeResult, probeBootFiles } from "./boot-probes.ts";
import { parsePort } from "./option-values.ts";
import { Exit, examples, globalOptions, printResult, say } from "./output.ts";

/** `bootcast doctor`: fetches what a booting machine fetches, and says what is wrong and what to do about it. */
export function doctorCommand(): Command {
  const command = new Command("doctor").description(
    "Fetches the boot files from a server as a machine would, and says what is wrong.",
  );
  examples(command, [
    "bootcast doctor --server 10.77.0.1",
    "bootcast doctor --server 127.0.0.1 --tftp-port 6969 --http-port 8440 --json",
  ]);
  return globalOptions(command)
    .requiredOption("--server <address>", "the server's address or name, as the machines reach it")
    .option("--tftp-port <port>", "its TFTP port", parsePort, 69)
    .option("--http-port <port>", "its HTTP port", parsePort, 8440)
    .option("--deadline <seconds>", "the longest time for each probe", secondsOf, 4)
    .action(async (options: { server: string; tftpPort: number; httpPort: number; deadline: number }) => {
      const { server, tftpPort, httpPort } = options;
      say(`asking ${server}: TFTP port ${tftpPort}, HTTP port ${httpPort}`);
      const probes = await probeBootFiles({ server, tftpPort, httpPort, deadlineMs: options.deadline * 1000 });
      const isWell = probes.every(({ status }) => status !== "fail");
      printResult({ server, ok: isWell, probes }, () => probes.map(lineOf).join("\n"));
      process.exitCode = isWell ? Exit.done : Exit.failed;
    });
}

function lineOf({ status, probe, detail, fix }: ProbeResult): string {
  const line = `${status.padEnd(4)}  ${probe.padEnd(24)}  ${detail}`;
  return fix === undefined ? line : `${line}\n      fix: ${fix}`;
}

function secondsOf(text: string): number {
  const seconds = Number(text);
  if (!(seconds > 0 && seconds <= 600)) throw new InvalidArgumentError("Give seconds, more than 0, at most 600.");
  return seconds;
}
