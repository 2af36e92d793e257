import { TAIL_PAUSE_UNIT_MS } from "./packet.ts";

const LEAST_MS = TAIL_PAUSE_UNIT_MS;
const MOST_MS = 255 * TAIL_PAUSE_UNIT_MS;
const LOOK_EVERY_MS = 200;
/** Requests in one look that are too few, and too many: between 25 and 60 a second. */
const FEW = 5;
const MANY = 12;

/**
 * Over how long a room spreads its requests at the end of a pass.
 *
 * How many hosts still lack something is not known then: usually very few of
 * them. So the sender begins carefully, by how many hosts there are, and goes
 * by how many requests really come.
 */
export class TailPause {
  #ms = LEAST_MS;
  #lookAt = 0;
  #requests = 0;

  get ms(): number {
    return this.#ms;
  }

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
    if (this.#requests < FEW) this.#ms = within(this.#ms / 2);
    else if (this.#requests > MANY) this.#ms = within(this.#ms * 2);
    this.#lookAt = now + LOOK_EVERY_MS;
    this.#requests = 0;
  }
}

function within(ms: number): number {
  return Math.min(MOST_MS, Math.max(LEAST_MS, ms));
}
