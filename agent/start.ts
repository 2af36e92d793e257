import { mkdirSync } from "node:fs";
import { uptime } from "node:os";
import pino from "pino";
import { parseSiteKeys, SITE_KEYS_PATH } from "./client/site-keys.ts";
import { agentConsole } from "./display/console.ts";
import { type Display, openDisplay } from "./display/terminal.ts";
import { toAll } from "./display/to-all.ts";
import { assertInsideBootImage } from "./machine/inside.ts";
import { parseKernelArguments } from "./machine/kernel-arguments.ts";
import { machinePorts } from "./machine/machine.ts";
import { thisMachine } from "./machine/machine-files.ts";
import { tools } from "./machine/tools.ts";
import { asFault, runAgent } from "./run.ts";

const LOG_DIRECTORY = "/run/bootcast";
/** Written by the build of the boot image. */
const VERSION_PATH = "/etc/bootcast/version";
/** /init names the text console that a person looks at here, where there is one; stdout goes to the other consoles. */
const SCREEN_VARIABLE = "BOOTCAST_SCREEN";
/** /init leaves there how to log in, when the boot image allows it. */
const REMOTE_SHELL_PATH = `${LOG_DIRECTORY}/remote-shell`;

/**
 * Runs the agent on this machine until it restarts. The console gets lines for
 * people, the log file gets everything.
 *
 * @param options.enrolmentPath a file with the enrolment token, for where the kernel's command line has none
 * @returns the exit code for /init, when the restart is already under way or impossible
 * @throws {Fault} NOT_IN_BOOT_IMAGE, before anything was done
 */
export async function startAgent(options: { readonly enrolmentPath?: string | undefined } = {}): Promise<number> {
  assertInsideBootImage(thisMachine);
  mkdirSync(LOG_DIRECTORY, { recursive: true });
  // Written at once: the last lines before a crash are the ones that matter.
  const logPath = `${LOG_DIRECTORY}/agent.log`;
  const destination = pino.destination({ dest: logPath, sync: true, mkdir: true });
  const log = pino({ level: "debug", base: null }, destination);
  const version = thisMachine.text(VERSION_PATH) || "unknown";
  const screenPath = process.env[SCREEN_VARIABLE] || undefined;
  const display = openScreen(screenPath, version);
  const lines = agentConsole((text) => process.stdout.write(text), uptime);
  const screen = toAll(display === undefined ? [lines] : [lines, display]);
  try {
    const outcome = await runAgent(
      machinePorts({
        version,
        files: thisMachine,
        tools,
        log,
        logPath,
        screen,
        screenPath,
        ...options,
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
  } finally {
    display?.close();
  }
}

function openScreen(path: string | undefined, version: string): Display | undefined {
  const remoteShell = thisMachine.text(REMOTE_SHELL_PATH);
  const facts = remoteShell === "" ? {} : { remoteShell };
  const nowMs = () => performance.now();
  return path !== undefined ? openDisplay(path, { version, facts, uptimeSeconds: uptime, nowMs }) : undefined;
}
