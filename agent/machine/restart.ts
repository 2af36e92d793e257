import { writeFileSync } from "node:fs";
import type { Logger } from "pino";
import type { Tools } from "./tools.ts";

/** Longer than any restart takes: whoever comes back after it was not restarted. */
const RESTART_WITHIN_MS = 30_000;
const SYNC_WITHIN_MS = 120_000;
/** A disk that does not answer holds `sync` for ever, and is no reason to wait for it. */
const GONE_WITHIN_MS = 1_000;

/** The program that does it, and what the kernel's SysRq is asked for when that does not (Documentation/admin-guide/sysrq). */
const ways = { restart: { command: "reboot", key: "b" }, "switch off": { command: "poweroff", key: "o" } } as const;

/**
 * Writes everything out and restarts the machine. When `reboot` does not do it,
 * the kernel is asked directly; only a machine on which both fail comes back.
 */
export async function restart(tools: Tools, log: Logger): Promise<void> {
  await end("restart", tools, log);
}

/** The same, and the machine stays off. */
export async function switchOff(tools: Tools, log: Logger): Promise<void> {
  await end("switch off", tools, log);
}

async function end(how: keyof typeof ways, tools: Tools, log: Logger): Promise<void> {
  const { command, key } = ways[how];
  try {
    await tools.run("sync", [], { timeoutMs: SYNC_WITHIN_MS, goneWithinMs: GONE_WITHIN_MS });
  } catch (error) {
    log.error({ err: error }, "sync failed");
  }
  try {
    // -n: without a second sync.
    await tools.run(command, ["-n", "-f"], { timeoutMs: RESTART_WITHIN_MS, goneWithinMs: GONE_WITHIN_MS });
  } catch (error) {
    log.error({ err: error }, `${command} failed`);
  }
  await new Promise((resolve) => setTimeout(resolve, RESTART_WITHIN_MS));
  // At once: Node's other threads may all wait for a disk.
  try {
    writeFileSync("/proc/sys/kernel/sysrq", "1");
  } catch (error) {
    log.error({ err: error }, "SysRq is not to be had");
  }
  writeFileSync("/proc/sysrq-trigger", key);
  if (how === "switch off") await new Promise((resolve) => setTimeout(resolve, RESTART_WITHIN_MS));
}
