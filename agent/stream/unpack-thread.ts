import { setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { Fault, type FaultText } from "../../fault.ts";
import { type PackNames, PackWork, PLACE_BYTES, type Span, type UnpackFormat } from "./pack-work.ts";

/** The thread of `threaded-unpacker.ts`: it works in memory that both share, one order after the other. */
export type UnpackStart = {
  readonly format: UnpackFormat;
  /** What pieces and blocks lie in, and the places, PLACE_BYTES each. */
  readonly symbols: SharedArrayBuffer;
  readonly places: SharedArrayBuffer;
};

export type UnpackOrder =
  | {
      readonly type: "repair";
      readonly block: Span;
      readonly missing: readonly number[];
      readonly parity: readonly number[];
    }
  | { readonly type: "unpack"; readonly pieces: readonly Span[]; readonly names: PackNames; readonly place: number };

/** What became of each order, in their order; `cells` is counted from the place's beginning. */
export type UnpackAnswer =
  | { readonly type: "repaired" }
  | { readonly type: "unpacked"; readonly cells: Span }
  | { readonly type: "wrong"; readonly fault: FaultText & { readonly code: string } };

/** Receiving goes first: what this thread does not get done waits in memory, what is not received is lost. */
const NICE = 5;

const { format, symbols, places } = workerData as UnpackStart;
const work = new PackWork(format);

function carryOut(order: UnpackOrder): UnpackAnswer {
  if (order.type === "repair") {
    work.repair(new Uint8Array(symbols, order.block.at, order.block.length), order.missing, order.parity);
    return { type: "repaired" };
  }
  const pieces = order.pieces.map(({ at, length }) => new Uint8Array(symbols, at, length));
  try {
    const place = new Uint8Array(places, order.place * PLACE_BYTES, PLACE_BYTES);
    return { type: "unpacked", cells: work.unpack(pieces, order.names, place) };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const { code, what, why, fix } = error;
    return { type: "wrong", fault: { code, what, why, fix } };
  }
}

// On Linux a "process" is this thread.
setPriority(0, NICE);
parentPort?.on("message", (order: UnpackOrder) => parentPort?.postMessage(carryOut(order)));
parentPort?.postMessage("ready");
