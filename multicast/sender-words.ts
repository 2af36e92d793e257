import type { BurstResult } from "./canary-burst.ts";
import type { PacketKind } from "./packet.ts";
import type { Receiver } from "./roster.ts";

export type SenderState = "open" | "streaming" | "ended";

export type SenderAction =
  | {
      readonly type: "send";
      readonly kind: PacketKind;
      readonly block: number;
      readonly symbol: number;
      readonly plannedParity: number;
      readonly sequence: number;
      /** So many in a row: `symbol` and `sequence` are those of the first, and count on. One but for source symbols. */
      readonly count: number;
    }
  /** Nothing to do before `until`, unless a receiver joins or reports. */
  | { readonly type: "wait"; readonly until: number }
  | { readonly type: "over"; readonly reason: string };

export type SenderEvent =
  | { readonly type: "state"; readonly state: SenderState; readonly reason: string }
  | { readonly type: "pass"; readonly pass: number }
  | { readonly type: "receiver"; readonly receiver: Receiver }
  /** How the room took the burst of canaries before the first symbol. */
  | { readonly type: "burst"; readonly result: BurstResult };

export type SenderOptions = {
  /**
   * The number of the first datagram, 32 bits by chance: so receivers notice that a sender was started again, and do
   * not take its first datagrams for late ones of the sender before (as RFC 3550, 5.1).
   */
  readonly firstSequence: number;
  /** The stream starts when so many receivers are ready. */
  readonly waitFor: number;
  /** It starts so long after the first one is ready, with those who are; 0: waits for all without end. */
  readonly maxWaitMs: number;
  /** One pass only; then unicast until every receiver has reported its end. */
  readonly once: boolean;
  /** A receiver that is the only one is served by unicast (alone.ts); by the group unless told. */
  readonly isOneByUnicast?: boolean;
  /** After the pass of a `once` stream: over when no receiver got any further for so long. */
  readonly idleEndMs: number;
  /** Passes that are sent to nobody after the last receiver, as asr's "Loop Suspend"; none unless told. */
  readonly loopSuspend?: number;
  /** So many canaries at the stream's rate show before the first symbol what the network loses; none unless told. */
  readonly burst?: { readonly datagrams: number; readonly waitMs: number };
};
