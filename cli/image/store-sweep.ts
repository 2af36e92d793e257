import type { Logger } from "pino";
import type { ImageStore } from "../../server/store/store.ts";
import { sweepStore } from "../../server/store/sweep.ts";

/**
 * Frees beside everything else what removals, imports and captures that were interrupted have left.
 *
 * @returns stops it, and waits until it has stopped
 */
export function sweptAtStart(store: ImageStore, log: Logger): () => Promise<void> {
  const stop = new AbortController();
  const swept = sweepStore(store, { now: Date.now(), signal: stop.signal }).then(
    (result) => {
      if (result.removedPacks > 0) log.info(result, "packs that no image needs were freed");
    },
    (error: unknown) => {
      if (!stop.signal.aborted) log.warn({ err: error }, "packs that no image needs were not freed");
    },
  );
  return async () => {
    stop.abort();
    await swept;
  };
}
