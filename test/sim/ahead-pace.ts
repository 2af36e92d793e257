import type { Pace } from "../../multicast/pacer.ts";

/** Of the rate, what the thread that sends keeps to: see Pacer. */
const SHARE = 0.99;
/** How long a ring that is full is left alone: see server/stream/threaded-sender.ts. */
const FULL_MS = 8;

/** The pace of a sender whose datagrams wait in a ring: they are decided on up to so much earlier than they are sent. */
export class AheadPace implements Pace {
  readonly #packetBytes: number;
  readonly #aheadMs: number;
  #datagramMs = 0;
  /** When all that was taken has left. */
  #sentAt = 0;

  constructor(rateBytesPerSecond: number, packetBytes: number, aheadMs: number) {
    this.#packetBytes = packetBytes;
    this.#aheadMs = aheadMs;
    this.setRate(rateBytesPerSecond);
  }

  setRate(rateBytesPerSecond: number): void {
    this.#datagramMs = (this.#packetBytes / (rateBytesPerSecond * SHARE)) * 1_000;
  }

  readyAt(now: number): number {
    return this.#sentAt - now > this.#aheadMs - this.#datagramMs ? now + FULL_MS : now;
  }

  take(now: number): void {
    this.#sentAt = Math.max(this.#sentAt, now) + this.#datagramMs;
  }

  /** When the datagram that was taken last leaves. */
  get leavesAt(): number {
    return this.#sentAt;
  }
}
