import { formatDuration } from "./sizes.ts";

/** Longer than the kernel's own patience with a disk, with its retries (patience.ts); some drivers have none. */
const MOST_MS = 30 * 60_000;

/** What the kernel was asked for, unless it neither did nor refused it in time: then it may never. */
export async function endsInTime<Result>(work: Promise<Result>, mostMs: number = MOST_MS): Promise<Result> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const why = `The kernel has neither done nor refused it within ${formatDuration(mostMs)}.`;
  const timer = setTimeout(() => reject(new Error(why)), mostMs);
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
