import { availableParallelism } from "node:os";
import type { Logger } from "pino";
import { type CellIdWork, cellWorkHere } from "../../images/cell-work.ts";
import { ID_BYTES } from "../../images/manifest.ts";
import { STRETCH_BYTES } from "../../images/verify.ts";
import { AlignedPlaces } from "../disk/aligned-memory.ts";
import { cellProgram } from "./cell-program.ts";
import type { CellIds, CellSpans, CellThreadStart } from "./cell-thread.ts";
import { startThread } from "./start-thread.ts";

/** More name cells faster than any disk gives them. */
const MOST_THREADS = 4;
/** Read from the disk while the threads are busy with others. */
const STRETCHES_AHEAD = 2;
/** What it works on is not in its heap: there is little, and it should not be left to grow. */
const THREAD_MEMORY = { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 32 };

const END = { code: "CELL_THREAD_ENDED", what: "The thread that compares the disk with the image ended." };

/** Names cells on other threads. Its memory is such that a disk can be read straight into it. */
export type CellThreads = CellIdWork & { close(): Promise<void> };

/**
 * Starts as many threads as there are cores; where none can be started, all is done on this one.
 *
 * @throws {Fault} CELL_THREAD_ENDED from `identify`, when the system ends one
 */
export async function openCellThreads(log: Logger): Promise<CellThreads> {
  const count = Math.min(MOST_THREADS, availableParallelism());
  const places = new AlignedPlaces(count + STRETCHES_AHEAD, STRETCH_BYTES);
  const start: CellThreadStart = { memory: places.memory };
  const about = { log, work: "to name cells in", end: END };
  const starting = Array.from({ length: count }, () =>
    startThread<CellSpans, CellIds>(cellProgram, start, THREAD_MEMORY, about),
  );
  const threads = (await Promise.all(starting)).filter((thread) => thread !== undefined);
  if (threads.length === 0) return { ...cellWorkHere(), close: async () => undefined };
  return {
    stretchesAtOnce: threads.length + STRETCHES_AHEAD,
    take(lengthBytes) {
      const place = places.take();
      if (place === undefined) throw new Error("More stretches are under way than there are places for.");
      return place.subarray(0, lengthBytes);
    },
    giveBack: (memory) => places.give(memory),
    async identify(cells) {
      const spans = cells.map(({ byteOffset, length }) => ({ at: byteOffset, length }));
      const idle = threads.reduce((least, thread) => (thread.waiting < least.waiting ? thread : least));
      const { ids, isData } = await idle.ask(spans);
      return isData.map((has, at) => (has ? ids.subarray(at * ID_BYTES, (at + 1) * ID_BYTES) : undefined));
    },
    async close() {
      await Promise.all(threads.map((thread) => thread.close()));
    },
  };
}
