import { TAIL_PAUSE_UNIT_MS } from "./packet.ts";

const LEAST_MS = TAIL_PAUSE_UNIT_MS;
const MOST_MS = 0xffff * TAIL_PAUSE_UNIT_MS;
const LOOK_EVERY_MS = 80;
/** Requests in one look that the sender likes to hear: 75 a second. */
const WANTED = 6;
/** At most so much is taken back, or given, in one look: a look hears few, and chance is large. */
const SHORTEST = 0.3;
const LONGEST = 2.5;

/**
 * Over how long a room spreads its requests at the end of a pass.
 *
 * How many hosts still lack something is not known then: usually very few of
 * them. So the sender begins as if all did, and goes by how many requests
 * really come. Half a second later the three that lack something in a room of
 * 500 ask at once, and a room that all lacks something was never too loud.
 */
export class TailPause {
  #ms = LEAST_MS;
  #lookAt = 0;
  #requests = 0;

  get ms(): number {
    return this.#ms;
  }

  /** @param ms long enough for all to ask */
  start(ms: number, now: number): void {
    this.#ms = within(ms);
    this.#lookAt = now + LOOK_EVERY_MS;
    this.#requests = 0;
  }

  onRequest(): void {
    this.#requests += 1;
  }

  look(now: number): void {
    if (now < this.#lookAt) return;
    this.#ms = within(this.#ms * Math.min(LONGEST, Math.max(SHORTEST, this.#requests / WANTED)));
    this.#lookAt = now + LOOK_EVERY_MS;
    this.#requests = 0;
  }
}

function within(ms: number): number {
  return Math.min(MOST_MS, Math.max(LEAST_MS, ms));
}
