import type { Logger } from "pino";
import type { HeardDate } from "../client/ask.ts";
import { formatDuration } from "../disk/sizes.ts";
import type { Tools } from "./tools.ts";

/** HTTP tells whole seconds, so less than this is no difference. */
const LEAST_DIFFERENCE_MS = 2_000;
/** A server whose own clock is plainly wrong is not followed. */
const EARLIEST_MS = Date.UTC(2025, 0, 1);
/** An answer that took longer says too little about when it was given. */
const LONGEST_WAY_MS = 5_000;

/**
 * What this machine's clock should say now, in milliseconds since 1970; undefined when it is right, or the server's date
 * cannot be believed. HTTP dates are cut to the second (RFC 9110, 6.6.1), so half a second is added.
 *
 * @param wallMs what the clock says now
 */
export function rightTime(heard: HeardDate, wallMs: number): number | undefined {
  const dateMs = Date.parse(heard.date);
  const wayMs = heard.answeredAtMs - heard.askedAtMs;
  if (!(dateMs >= EARLIEST_MS) || wayMs < 0 || wayMs > LONGEST_WAY_MS) return undefined;
  const right = dateMs + 500 + wayMs / 2;
  return Math.abs(right - wallMs) < LEAST_DIFFERENCE_MS ? undefined : right;
}

/**
 * Sets the system's clock by the server that this machine registered with, so that logs and the restored system's first
 * files have dates that fit together. Nothing that the agent decides depends on it, and the hardware's clock stays as it
 * is: it may be kept in local time for another system. What fails is logged.
 */
export async function setClock(heard: HeardDate, tools: Tools, log: Logger): Promise<void> {
  const wall = Date.now();
  const right = rightTime(heard, wall);
  if (right === undefined) return;
  const [from, to] = [new Date(wall).toISOString(), new Date(right).toISOString()];
  try {
    await tools.run("date", ["-u", "-s", `@${Math.round(right / 1000)}`], { timeoutMs: 5_000 });
    log.info({ from, to }, `the clock was ${formatDuration(Math.abs(right - wall))} wrong and is set by the server`);
  } catch (error) {
    log.warn({ err: error, from, to }, "the clock could not be set");
  }
}
