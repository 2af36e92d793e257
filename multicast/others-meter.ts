/** Rates are means of so long: shorter ones show single bursts. */
const WINDOW_MS = 1_000;
/** Between two looks at the counter. */
const LOOK_EVERY_MS = 100;

type Look = { readonly at: number; readonly all: number; readonly own: number };

/**
 * What others send through a network card: what the card counts, without our own. Owns neither clock nor card: counters
 * (bytes) and times (milliseconds) come in.
 */
export class OthersMeter {
  #looks: Look[] = [];
  #own = 0;

  /** Our own bytes on the wire. */
  addOwn(bytes: number): void {
    this.#own += bytes;
  }

  /** Whether the counter is to be read again. */
  isDue(now: number): boolean {
    const last = this.#looks.at(-1);
    return last === undefined || now >= last.at + LOOK_EVERY_MS;
  }

  /** @param all the card's counter; one that is lower than before has begun anew */
  look(all: number, now: number): void {
    const last = this.#looks.at(-1);
    if (last !== undefined && all < last.all) this.#looks = [];
    this.#looks.push({ at: now, all, own: this.#own });
    while (this.#looks.length > 2 && this.#looks[1]!.at <= now - WINDOW_MS) this.#looks.shift();
  }

  /** The mean of the last second; undefined as long as less is known. */
  get bytesPerSecond(): number | undefined {
    const first = this.#looks[0];
    const last = this.#looks.at(-1);
    if (first === undefined || last === undefined || last.at - first.at < WINDOW_MS) return undefined;
    // What waits in our own queues was counted by us and not yet by the card.
    const bytes = Math.max(0, last.all - first.all - (last.own - first.own));
    return (bytes / (last.at - first.at)) * 1_000;
  }
}
