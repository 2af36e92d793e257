import { mkdirSync } from "node:fs";
import { uptime } from "node:os";
import pino from "pino";
import { agentConsole } from "./console.ts";
import { assertInsideBootImage } from "./inside.ts";
import { parseKernelArguments } from "./kernel-arguments.ts";
import { machinePorts } from "./machine.ts";
import { thisMachine } from "./machine-files.ts";
import { asFault, runAgent } from "./run.ts";
import { parseSiteKeys, SITE_KEYS_PATH } from "./site-keys.ts";
import { tools } from "./tools.ts";

const LOG_DIRECTORY = "/run/bootcast";
/** Written by the build of the boot image. */
const VERSION_PATH = "/etc/bootcast/version";

/**
 * Runs the agent on this machine until it restarts. The console gets lines for
 * people, the log file gets everything.
 *
 * @returns the exit code for /init, when the restart is already under way or impossible
 * @throws {Fault} NOT_IN_BOOT_IMAGE, before anything was done
 */
export async function startAgent(): Promise<number> {
  assertInsideBootImage(thisMachine);
  mkdirSync(LOG_DIRECTORY, { recursive: true });
  // Written at once: the last lines before a crash are the ones that matter.
  const destination = pino.destination({ dest: `${LOG_DIRECTORY}/agent.log`, sync: true, mkdir: true });
  const log = pino({ level: "debug", base: null }, destination);
  const screen = agentConsole((text) => process.stdout.write(text), uptime);
  try {
    const outcome = await runAgent(
      machinePorts({
        version: thisMachine.text(VERSION_PATH) || "unknown",
        files: thisMachine,
        tools,
        log,
        screen,
        kernel: parseKernelArguments(thisMachine.text("/proc/cmdline")),
        trusted: parseSiteKeys(thisMachine.text(SITE_KEYS_PATH)),
      }),
    );
    return outcome === "failed" ? 1 : 0;
  } catch (error) {
    // Before or after the journey: /init shows the code and restarts the machine.
    log.fatal({ err: error }, "the agent cannot go on");
    screen.failed(asFault(error), "untouched");
    return 1;
  }
}
