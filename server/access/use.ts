/** How exactly "used" is written down: a page asks every second, and each write waits for the disk. */
const USED_EVERY_MS = 60_000;

/** Whether a use at `nowMs` is to be written down. Null: it was never used. */
export function isUseToBeWritten(usedAtMs: number | null, nowMs: number): boolean {
  return usedAtMs === null || usedAtMs < nowMs - USED_EVERY_MS;
}
