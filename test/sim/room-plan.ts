import type { Ledger } from "./ledger.ts";

/** Small, so that a room of many is computed quickly. */
export const ORDINARY_SYMBOL_BYTES = 32;

/** What happens in a simulated room; everything follows from the seed. */
export type RoomPlan = {
  readonly seed: number;
  readonly receivers: number;
  readonly packs: number;
  readonly once: boolean;
  /** Share of the datagrams that each receiver loses by itself, and that arrive twice. */
  readonly loss: number;
  readonly duplicates: number;
  /** Datagrams are lost in bursts of so many on average; 1: each by itself. */
  readonly burst: number;
  /** Share of the datagrams that all lose together, and of the requests that do not reach the sender. */
  readonly sharedLoss: number;
  readonly feedbackLoss: number;
  /** Datagrams take up to so much longer than others: that is what reorders them. */
  readonly jitterMs: number;
  /** Share of the datagrams that a stranger follows with a forged one of right checksum. */
  readonly forged: number;
  /**
   * A stranger says so often in this time that everything was sent, with sequence numbers and pauses of its own: always
   * `pause`, in 10 ms, or any.
   */
  readonly forgedTails?: {
    readonly fromMs: number;
    readonly untilMs: number;
    readonly everyMs: number;
    readonly pause?: number;
  };
  /** The last receiver joins so late; the first one is switched off then. Undefined: all are there from the start. */
  readonly changeAtMs: number | undefined;
  readonly rateBytesPerSecond: number;
  /** Datagrams wait so long in a ring before they are sent, as with a thread that sends; none unless told. */
  readonly aheadMs?: number;
  readonly memoryBytes: number;
  /** How long one pack takes to be written. */
  readonly writeMs: number;
  /** False: what is missing comes only with repairs and further passes. */
  readonly hasUnicast: boolean;
  /** What the first receivers can less than the others, `slowHosts` of them (1); undefined: nothing. */
  readonly slow?: SlowHost;
  readonly slowHosts?: number;
  /** Share of the packs that each receiver holds when it joins, at random. */
  readonly held?: number;
  /** The sender is killed then, and starts again under the same stream id after so long; undefined: never. */
  readonly senderCrash?: { readonly atMs: number; readonly forMs: number };
  readonly symbolsPerBlock: number;
  /** The stream begins with large frames; undefined: ordinary ones. */
  readonly frames?: LargeFrames;
  /** Largest pack. */
  readonly packBytes: number;
};

export type SlowHost = {
  /** Datagrams that it loses besides. */
  readonly loss?: number;
  /** Its link takes no more, and has a buffer of 20 ms. */
  readonly linkBytesPerSecond?: number;
  /** How long one pack takes to be written. */
  readonly writeMs?: number;
};

export type LargeFrames = {
  /** Bytes of a symbol; ORDINARY_SYMBOL_BYTES are ordinary here. */
  readonly symbolBytes: number;
  /** To the last receivers, so many, no large frame comes through any more from `lackFromMs` on (0). */
  readonly lackingHosts: number;
  readonly lackFromMs?: number;
};

export type RoomResult = {
  /** When each datagram was sent, and what it had on the wire. */
  readonly sendTimes: readonly number[];
  readonly sendBytes: readonly number[];
  /** Of the stream as it was at the end. */
  readonly datagramBytes: number;
  readonly symbolBytes: number;
  /** Datagrams of symbols and repairs; canaries are not counted. */
  readonly symbolsSent: number;
  /** What the stream has: the least that can be sent. */
  readonly symbolCount: number;
  readonly ledger: Ledger;
  /** When each request reached the sender. */
  readonly feedbackTimes: readonly number[];
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly receivers: readonly {
    readonly isRight: boolean;
    readonly isDead: boolean;
    readonly mostHeldBytes: number;
    readonly unicastPacks: number;
    readonly doneAtMs: number;
    /** How it was served, each as the sender said. */
    readonly words: readonly string[];
  }[];
  readonly overReason: string;
};
