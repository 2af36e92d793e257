import type { TftpOption } from "./packet.ts";

/** What one transfer goes by, after the options were settled. */
export type TransferTerms = {
  readonly blockSize: number;
  readonly windowSize: number;
  /** What the client asked for, or the usual second; see `ReadTransfer`. */
  readonly retryAfterMs: number;
  /** For the OACK; empty: no OACK, start with DATA 1. */
  readonly accepted: readonly TftpOption[];
};

/** RFC 1350: what holds when nothing was asked. */
const defaults = { blockSize: 512, windowSize: 1, retryAfterMs: 1000 };

/** Longer waits than this would keep dead transfers for hours; the option is left out instead. */
const maxTimeoutSeconds = 30;

/**
 * Settles the options of one read request: RFC 2347, 2348 (blksize), 2349 (timeout, tsize), 7440 (windowsize).
 *
 * Only what was asked is answered, because EDK2 fails on an unrequested option. A value out of range is left out and
 * never fails the transfer. Unknown options are ignored.
 */
export function negotiate(
  asked: readonly TftpOption[],
  limits: { readonly fileBytes: number; readonly maxBlockSize: number; readonly maxWindowSize: number },
): TransferTerms {
  let { blockSize, windowSize, retryAfterMs } = defaults;
  const accepted: TftpOption[] = [];
  for (const [name, text] of asked) {
    const value = /^\d{1,10}$/.test(text) ? Number(text) : undefined;
    if (value === undefined) continue;
    if (name === "blksize" && value >= 8 && value <= 65464) {
      blockSize = Math.min(value, limits.maxBlockSize);
      accepted.push([name, String(blockSize)]);
    } else if (name === "windowsize" && value >= 1 && value <= 65535 && limits.maxWindowSize > 0) {
      windowSize = Math.min(value, limits.maxWindowSize);
      accepted.push([name, String(windowSize)]);
    } else if (name === "timeout" && value >= 1 && value <= maxTimeoutSeconds) {
      retryAfterMs = value * 1000;
      accepted.push([name, String(value)]);
    } else if (name === "tsize") {
      accepted.push([name, String(limits.fileBytes)]);
    }
  }
  return { blockSize, windowSize, retryAfterMs, accepted };
}
