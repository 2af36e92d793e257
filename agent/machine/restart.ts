import { writeFile } from "node:fs/promises";
import type { Logger } from "pino";
import type { Tools } from "./tools.ts";

/** Longer than any restart takes: whoever comes back after it was not restarted. */
const RESTART_WITHIN_MS = 30_000;

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
    await tools.run("sync", [], { timeoutMs: 120_000 });
  } catch (error) {
    log.error({ err: error }, "sync failed");
  }
  try {
    await tools.run(command, ["-f"], { timeoutMs: RESTART_WITHIN_MS });
  } catch (error) {
    log.error({ err: error }, `${command} failed`);
  }
  await new Promise((resolve) => setTimeout(resolve, RESTART_WITHIN_MS));
  await writeFile("/proc/sys/kernel/sysrq", "1").catch(() => undefined);
  await writeFile("/proc/sysrq-trigger", key);
  if (how === "switch off") await new Promise((resolve) => setTimeout(resolve, RESTART_WITHIN_MS));
}
