import { createHash } from "node:crypto";
import { type Static, Type } from "typebox";
import { StreamState } from "../../agent/contract.ts";
import { type RateMode, rateModes } from "../../multicast/rate-control.ts";
import type { Receiver, ReceiverState } from "../../multicast/roster.ts";

const states: readonly ReceiverState[] = ["joined", "ready", "receiving", "done", "failed", "left", "lost"];

/** One receiver of a stream as it is shown. */
export const ReceiverFigures = Type.Object({
  /** Tells apart receivers of one name: the registered host's id, otherwise one of this receiver alone. */
  id: Type.String(),
  name: Type.String(),
  state: Type.Unsafe<ReceiverState>({ type: "string", enum: [...states] }),
  /** Why it is not served with the others, one sentence; empty when it is. */
  why: Type.String(),
  /** Of the packets that were sent to it, the share that did not arrive: 0 to 1. */
  lossShare: Type.Number(),
  packsDone: Type.Number(),
  packsTotal: Type.Number(),
  /** A map of the blocks that it lacks, runs [first, count] (multicast/missing-map.ts); null before it has said so. */
  missing: Type.Union([Type.Array(Type.Tuple([Type.Number(), Type.Number()])), Type.Null()]),
});
export type ReceiverFigures = Static<typeof ReceiverFigures>;

/** What a stream does now: the lines of `bootcast stream --json`, the sessions of the API, and `/metrics`. */
export const StreamFigures = Type.Object({
  streamId: Type.String(),
  image: Type.String(),
  imageVersion: Type.Number(),
  state: StreamState,
  /** What it waits for; empty while it does not. */
  waitingFor: Type.String(),
  /** What goes over the wire now, all headers counted; an average of two seconds. */
  rateBytesPerSecond: Type.Number(),
  mode: Type.Unsafe<RateMode>({ type: "string", enum: [...rateModes] }),
  /** What it may send now, by its mode and beside the other streams of its interface. */
  mostBytesPerSecond: Type.Number(),
  /** Why that is less than its rate, one sentence; empty when it is not. */
  rateWhy: Type.String(),
  /** All that was sent so far, all headers counted. */
  sentBytes: Type.Number(),
  /** Datagrams that the system refused to send. */
  refused: Type.Number(),
  /** The pass that goes on or comes next; 1 is the first. */
  pass: Type.Number(),
  /** Blocks of the stream: what the maps count in. */
  blocks: Type.Number(),
  receivers: Type.Array(ReceiverFigures),
});
export type StreamFigures = Static<typeof StreamFigures>;

export function receiverFigures(receiver: Receiver): ReceiverFigures {
  const { name, state, symbolsReceived, symbolsLost, packsDone, packsTotal, missing } = receiver;
  const sent = symbolsReceived + symbolsLost;
  return {
    id: receiver.hostId ?? shownIdOf(receiver.id),
    name,
    state,
    why: receiver.aside?.why ?? "",
    lossShare: sent === 0 ? 0 : symbolsLost / sent,
    packsDone,
    packsTotal,
    missing: missing === undefined ? null : missing.map(([first, count]): [number, number] => [first, count]),
  };
}

// Whoever knows a receiver's own id can speak for it.
function shownIdOf(receiverId: string): string {
  return createHash("sha256").update(receiverId).digest("hex").slice(0, 12);
}
