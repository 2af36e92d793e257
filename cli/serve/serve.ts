import { existsSync } from "node:fs";
import { join } from "node:path";
import { Command, Option } from "commander";
import { type Logger, pino } from "pino";
import type { Fault } from "../../fault.ts";
import { hereOptions, setOption, storeKeyOption } from "../settings/configuration.ts";
import { configOf } from "../settings/read-configuration.ts";
import { Exit, examples, globalOptions, printResult } from "../terminal/output.ts";
import { reloadAtHangup } from "./reload.ts";
import { startServer } from "./server.ts";
import { serviceManager } from "./service-manager.ts";

/** After a signal everything has this long to end; then the process ends anyway. */
const STOP_WITHIN_MS = 5_000;

const logLevels = ["trace", "debug", "info", "warn", "error", "silent"];

/** `bootcast serve`: the server, until a signal ends it. */
export function serveCommand(): Command {
  const command = new Command("serve").description(
    "Runs the server in the foreground: boot answers, boot files, hosts and streams. Logs are JSON lines on stderr.",
  );
  examples(command, [
    "sudo bootcast serve                                      # beside the DHCP server that is there",
    "sudo bootcast serve --set network.interfaces=eth1        # on one network only",
    "bootcast serve --data-dir /tmp/bootcast --set network.dhcp=off --set tftp.port=0 --set http.port=0",
  ]);
  setOption(hereOptions(storeKeyOption(globalOptions(command))));
  return command
    .addOption(new Option("--log-level <level>", "how much is logged").choices(logLevels).default("info"))
    .action(async (options: { logLevel: string }) => {
      const config = configOf(command);
      const level = options.logLevel;
      // Results on stdout, messages on stderr: the ready line is the result.
      const log = pino(
        { level, base: null, redact: ["req.headers.authorization"] },
        pino.destination({ fd: 2, sync: true }),
      );
      // Whatever is made from here on is not for everybody, and nobody else writes it.
      process.umask(process.umask() | 0o027);
      const isInTerminal = process.stdout.isTTY || process.stderr.isTTY;
      const signal = nextSignal(isInTerminal ? ["SIGTERM", "SIGINT", "SIGHUP"] : ["SIGTERM", "SIGINT"]);
      const hangup = isInTerminal ? undefined : reloadAtHangup(() => configOf(command), log);
      // A start may take seconds (it looks for other DHCP servers). Stopped in the middle, nothing is there to lose.
      const server = await Promise.race([startServer(config, log), signal]);
      if (typeof server === "string") {
        log.info({ signal: server }, "stopped before it was ready");
        process.exit(Exit.done);
      }
      const addresses = server.interfaces.map(({ address }) => `http://${address}:${server.httpPort}`);
      const ready = {
        ready: true,
        addresses,
        https: server.https,
        tftpPort: server.tftpPort,
        dhcp: config.values["network.dhcp"],
        dataDir: config.dataDir,
        controlSocket: server.controlSocket,
        pid: process.pid,
      };
      printResult(
        ready,
        () =>
          `bootcast: ready, ${[...addresses, ...server.https].join(" ")} (tftp ${ready.tftpPort}, dhcp ${ready.dhcp}, data ${ready.dataDir})`,
      );
      const manager = serviceManager(process.env);
      hangup?.ready((next) => server.reload(next));
      manager?.ready(`serving ${[...addresses, ...server.https].join(" ")}`);
      if (!existsSync(join(config.dataDir, "boot", "vmlinuz"))) {
        log.warn({ fix: "bootcast boot-image build" }, "no boot image is there yet, so no machine can start");
      }
      const end = await Promise.race([signal, server.lost]);
      if (typeof end !== "string") log.error({ fault: end }, "another server has the database: this one ends");
      manager?.stopping();
      await stopOn(end, server.stop, log);
    });
}

/** The first of these. The same once more ends the process at once. */
function nextSignal(names: readonly NodeJS.Signals[]): Promise<string> {
  return new Promise((resolve) => {
    for (const name of names) {
      process.once(name, () => {
        process.once(name, () => process.exit(Exit.interrupted));
        resolve(name);
      });
    }
  });
}

async function stopOn(end: string | Fault, stop: () => Promise<void>, log: Logger): Promise<void> {
  if (typeof end === "string") log.info({ signal: end }, "stopping");
  const late = setTimeout(() => {
    log.error(`not stopped after ${STOP_WITHIN_MS} ms, ending anyway`);
    process.exit(Exit.failed);
  }, STOP_WITHIN_MS);
  await stop();
  clearTimeout(late);
  // Whatever a part may have left behind does not keep a stopped server alive.
  process.exit(typeof end === "string" ? Exit.done : Exit.failed);
}
