import type { Logger } from "pino";
import { Fault } from "../../fault.ts";
import type { Afterwards, AgentState } from "../contract.ts";
import { formatDuration } from "../disk/sizes.ts";

/** A machine that nobody comes to starts its disk then. */
export const STAY_MS = 12 * 3600_000;

/** How a machine can be left. Each comes back only when it did not work. */
export type Leaving = {
  /** Writes everything out and restarts the machine. */
  reboot(): Promise<void>;
  powerOff(): Promise<void>;
  /** Starts the kernel that was loaded before. */
  startKernel(): Promise<void>;
  /** Resolves when somebody presses Enter on the machine's console, or when `mostMs` is over. */
  enterPressed(mostMs: number): Promise<void>;
};

/**
 * The last step: does what was ordered, and restarts the machine when that does not work. The restored disk is
 * complete either way.
 */
export async function leave(
  how: Afterwards,
  machine: Leaving,
  { say, log }: { say(state: AgentState, text: string): void; readonly log: Logger },
): Promise<void> {
  const instead = (error: unknown, what: string) => {
    log.error({ err: error }, what);
    const why = error instanceof Fault ? error.what : String(error);
    say("rebooting", `${what}: ${why} It restarts instead.`);
  };
  if (how === "power-off") {
    try {
      await machine.powerOff();
      say("rebooting", "This machine did not switch itself off. It restarts instead.");
    } catch (error) {
      instead(error, "switching off failed");
    }
  }
  if (how === "kexec") {
    try {
      await machine.startKernel();
    } catch (error) {
      instead(error, "the restored kernel was not started");
    }
  }
  if (how === "wait") {
    say("done", `Press Enter to restart. Otherwise it restarts in ${formatDuration(STAY_MS)}.`);
    await machine.enterPressed(STAY_MS);
  }
  try {
    await machine.reboot();
  } catch (error) {
    log.error({ err: error }, "the restart failed");
    say("rebooting", "This machine cannot restart itself: switch it off and on.");
  }
}
