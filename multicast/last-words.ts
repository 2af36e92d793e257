import type { SenderAction } from "./sender-words.ts";

/** How long a stream that has ended stays for those who fetch the rest by unicast. Times are the caller's milliseconds. */
export class LastWords {
  readonly #idleEndMs: number;
  /** The last time that a receiver got further. */
  #furtherAt = 0;

  /** @param idleEndMs over when no receiver got any further for so long */
  constructor(idleEndMs: number) {
    this.#idleEndMs = idleEndMs;
  }

  /** Somebody got further, or may from now on. */
  onFurther(now: number): void {
    this.#furtherAt = now;
  }

  /** @param active receivers that have not reported their end */
  next(active: number, now: number): SenderAction {
    if (active === 0) return { type: "over", reason: "every receiver has reported its end" };
    const until = this.#furtherAt + this.#idleEndMs;
    if (now < until) return { type: "wait", until: Math.min(until, now + 1_000) };
    return { type: "over", reason: "the receivers that are left got no further" };
  }
}
