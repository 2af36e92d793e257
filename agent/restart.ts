import { writeFile } from "node:fs/promises";
import type { Logger } from "pino";
import type { Tools } from "./tools.ts";

/** Longer than any restart takes: whoever comes back after it was not restarted. */
const RESTART_WITHIN_MS = 30_000;

/**
 * Writes everything out and restarts the machine. When `reboot` does not do it,
 * the kernel is asked directly; only a machine on which both fail comes back.
 */
export async function restart(tools: Tools, log: Logger): Promise<void> {
  try {
    await tools.run("sync", [], { timeoutMs: 120_000 });
  } catch (error) {
    log.error({ err: error }, "sync failed");
  }
  try {
    await tools.run("reboot", ["-f"], { timeoutMs: RESTART_WITHIN_MS });
  } catch (error) {
    log.error({ err: error }, "reboot failed");
  }
  await new Promise((resolve) => setTimeout(resolve, RESTART_WITHIN_MS));
  await writeFile("/proc/sys/kernel/sysrq", "1").catch(() => undefined);
  await writeFile("/proc/sysrq-trigger", "b");
}
