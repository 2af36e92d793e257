import { setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { cellId, isZero } from "../../images/cell.ts";
import { ID_BYTES } from "../../images/manifest.ts";

/** One thread of `cell-threads.ts`: it names cells that lie in memory that all share. */
export type CellThreadStart = { readonly memory: SharedArrayBuffer };

/** Where the cells lie, and how long each is. */
export type CellSpans = readonly { readonly at: number; readonly length: number }[];

/** The ids end to end, and for each cell whether it has one: cells of zeros have none. */
export type CellIds = { readonly ids: Uint8Array; readonly isData: readonly boolean[] };

/** Whatever waits for the network goes first. */
const NICE = 5;

const { memory } = workerData as CellThreadStart;

function idsOf(spans: CellSpans): CellIds {
  const ids = new Uint8Array(spans.length * ID_BYTES);
  const isData = spans.map(({ at, length }, index) => {
    const cell = new Uint8Array(memory, at, length);
    if (isZero(cell)) return false;
    ids.set(cellId(cell), index * ID_BYTES);
    return true;
  });
  return { ids, isData };
}

// On Linux a "process" is this thread.
setPriority(0, NICE);
parentPort?.on("message", (spans: CellSpans) => parentPort?.postMessage(idsOf(spans)));
parentPort?.postMessage("ready");
