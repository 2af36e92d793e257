/** The long-term bucket is filled at this share of the rate, so that with its depth no second ever exceeds the rate. */
const LONG_TERM_SHARE = 0.99;
const LONG_TERM_DEPTH_MS = 10;
/** A late timer's debt is paid back at most this much faster than the long-term rate. */
const CATCH_UP = 1.05;
const BURST_DEPTH_MS = 2;

/** Says when the next datagram may go. Times are the caller's milliseconds. */
export type Pace = {
  /** `now`, or later. */
  readyAt(now: number): number;
  /** Takes one datagram; only when `readyAt(now)` says so. */
  take(now: number): void;
  /** How many may go in a row then, without asking for each; one where it is not there. */
  most?(): number;
  /** From now on so many bytes per second on the wire. */
  setRate(rateBytesPerSecond: number): void;
};

/**
 * Decides when the next datagram may go, so that the stream is even: queues in
 * switches stay short, and a telephone call on the same link survives.
 *
 * Two buckets must both have room. The long-term bucket keeps the rate: in any
 * second the wire carries at most `rateBytesPerSecond` (one datagram more where
 * the rate is so low that a datagram is longer than 10 ms of it). The burst
 * bucket keeps it even: never more than 2 ms worth of data back to back, or one
 * datagram at low rates. When a timer comes late, what was missed is not paid
 * back at once but 5 % faster than usual, and what was missed longer than 10 ms
 * ago is never paid back.
 *
 * Times are the caller's milliseconds, with fractions.
 */
export class Pacer implements Pace {
  readonly #packetBytes: number;
  readonly #longTerm: Bucket;
  readonly #burst: Bucket;

  /** @param packetBytes one datagram as it counts on the wire, with all headers */
  constructor(rateBytesPerSecond: number, packetBytes: number, now: number) {
    this.#packetBytes = packetBytes;
    this.#longTerm = new Bucket(now);
    this.#burst = new Bucket(now);
    this.setRate(rateBytesPerSecond);
  }

  /** Also between two datagrams: what was saved up at the old rate is at most what the new one may save. */
  setRate(rateBytesPerSecond: number): void {
    const rate = (rateBytesPerSecond / 1000) * LONG_TERM_SHARE;
    this.#longTerm.set(rate, Math.max(rate * LONG_TERM_DEPTH_MS, this.#packetBytes));
    this.#burst.set(rate * CATCH_UP, Math.max(rate * BURST_DEPTH_MS, this.#packetBytes));
  }

  /** When the next datagram may go: `now`, or later. */
  readyAt(now: number): number {
    return Math.max(this.#longTerm.readyAt(this.#packetBytes, now), this.#burst.readyAt(this.#packetBytes, now));
  }

  /** Takes one datagram; only when `readyAt(now)` says so. */
  take(now: number): void {
    this.#longTerm.take(this.#packetBytes, now);
    this.#burst.take(this.#packetBytes, now);
  }

  /** Takes what may go now, at most `most` datagrams, and says how many: asking for each costs more than it should. */
  takeDue(most: number, now: number): number {
    const due = Math.min(most, this.#longTerm.holds(this.#packetBytes, now), this.#burst.holds(this.#packetBytes, now));
    this.#longTerm.take(due * this.#packetBytes, now);
    this.#burst.take(due * this.#packetBytes, now);
    return due;
  }
}

/** Holds at most `depth` bytes, gains `bytesPerMs`, starts with one take's worth at most: never a burst at the start. */
class Bucket {
  #bytesPerMs = 0;
  #depth = 0;
  #bytes = 0;
  #filledAt: number;

  constructor(now: number) {
    this.#filledAt = now;
  }

  set(bytesPerMs: number, depth: number): void {
    this.#bytesPerMs = bytesPerMs;
    this.#depth = depth;
    this.#bytes = Math.min(this.#bytes, depth);
  }

  readyAt(bytes: number, now: number): number {
    this.#fill(now);
    return this.#bytes >= bytes ? now : now + (bytes - this.#bytes) / this.#bytesPerMs;
  }

  /** How often so many bytes can be taken now. */
  holds(bytes: number, now: number): number {
    this.#fill(now);
    return Math.max(0, Math.floor(this.#bytes / bytes));
  }

  take(bytes: number, now: number): void {
    this.#fill(now);
    this.#bytes -= bytes;
  }

  // A clock that steps back adds nothing.
  #fill(now: number): void {
    this.#bytes = Math.min(this.#depth, this.#bytes + Math.max(0, now - this.#filledAt) * this.#bytesPerMs);
    this.#filledAt = Math.max(this.#filledAt, now);
  }
}
