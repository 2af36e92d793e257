import { type BurstResult, CanaryBurst, type CanaryCount } from "./canary-burst.ts";
import type { Pace } from "./pacer.ts";
import { PacketKind } from "./packet.ts";
import type { Room } from "./room.ts";
import { LOST_AFTER_MS } from "./roster.ts";
import type { SenderOptions } from "./sender-words.ts";
import type { NextSymbols } from "./symbol-order.ts";

/** Before the stream starts: shows the receivers that the group arrives. */
const CANARY_EVERY_MS = 250;
/** After everything was sent: shows them that the sender waits for requests. */
const TAIL_CANARY_EVERY_MS = 40;
/** The canary after a burst shows the receivers whether its end was lost. */
const AFTER_BURST_MS = 50;

/** Shows that the group arrives, and nothing else. */
const canary: NextSymbols = { kind: PacketKind.canary, block: 0, symbol: 0, plannedParity: 0, count: 1 };

/** A canary to send now, or the time before which there is nothing to do. */
export type CanaryOrTime = NextSymbols | number;

/**
 * When the canaries of a stream go: before it starts, in the burst before its first symbol, while it is held, and after
 * everything was sent. Times are the caller's milliseconds.
 */
export class Canaries {
  readonly #room: Room;
  readonly #pacer: Pace;
  #at = 0;
  #burst: CanaryBurst | undefined;

  constructor(room: Room, pacer: Pace) {
    this.#room = room;
    this.#pacer = pacer;
  }

  /** The burst goes on, or its answers are waited for. */
  get isInBurst(): boolean {
    return this.#burst !== undefined;
  }

  beginBurst(burst: NonNullable<SenderOptions["burst"]>): void {
    this.#burst = new CanaryBurst(burst);
  }

  /** Nobody is left to answer. */
  dropBurst(): void {
    this.#burst = undefined;
  }

  onReport(id: string, count: CanaryCount | undefined): void {
    if (count !== undefined) this.#burst?.onReport(id, count);
  }

  /** While nothing else is sent. */
  whileWaiting(now: number): CanaryOrTime {
    if (this.#room.active === 0) return now + LOST_AFTER_MS;
    if (now < this.#at) return this.#at;
    const readyAt = this.#pacer.readyAt(now);
    if (readyAt > now) return readyAt;
    this.#at = now + CANARY_EVERY_MS;
    return canary;
  }

  /** Of the burst, only when the pace allows one; how the room took it, when it is over. */
  ofBurst(now: number): CanaryOrTime | BurstResult | undefined {
    const burst = this.#burst;
    if (burst === undefined) return undefined;
    if (!burst.isSent) {
      burst.onSent(now);
      this.#at = now + AFTER_BURST_MS;
      return canary;
    }
    const asked = this.#room.receivers.filter(({ state }) => state === "ready" || state === "receiving");
    const result = burst.result(
      asked.map(({ id }) => id),
      now,
    );
    if (result === undefined) return this.whileWaiting(now);
    this.#burst = undefined;
    return result;
  }

  /** After everything was sent, only when the pace allows one. @param make what it says */
  ofTail(make: () => NextSymbols, now: number): CanaryOrTime {
    if (now < this.#at) return this.#at;
    this.#at = now + TAIL_CANARY_EVERY_MS;
    return make();
  }
}
