/** The least delay of each slice counts: a receiver that looks every few milliseconds hears most datagrams late. */
const SLICE_MS = 20;
/** What is told is about so long. */
const WINDOW_MS = 200;
/** The least delay of all is looked for in so many stretches of five seconds: three minutes. */
const STRETCH_MS = 5_000;
const MOST_STRETCHES = 36;
/** From so many differences on, what most of them have in common is how the two clocks drift apart. */
const LEAST_DIFFERENCES = 6;
/** No two clocks of working machines drift more: 200 in a million. */
const MOST_DRIFT = 200e-6;
/** No queue of a LAN is so long: the sender's clock has begun anew. */
const JUMP_MS = 1_000;
const WRAP = 0x1_0000;

type Low = { readonly at: number; readonly leastMs: number };

/**
 * How long datagrams wait on their way, from the send times in them: above the shortest time that any of them took
 * lately. The two clocks need not agree, and may drift apart slowly.
 *
 * What is told is the standing queue: of the last fifth of a second, what three quarters of the 20 ms slices had at
 * least. Single late datagrams are not congestion. Owns no clock: times come in, in milliseconds.
 */
export class DelayMeter {
  #reference: number | undefined;
  #slice: { from: number; leastMs: number } | undefined;
  #slices: Low[] = [];
  #stretches: Low[] = [];
  #driftPerMs = 0;

  /** @param sendTimeTenthsMs as in the datagram: of the sender's clock, wraps at 16 bits */
  note(sendTimeTenthsMs: number, now: number): void {
    // First: it may find that the reference is that of another clock.
    if (this.#slice !== undefined && now >= this.#slice.from + SLICE_MS) this.#endSlice();
    const tenths = modulo(now * 10 - sendTimeTenthsMs);
    this.#reference ??= tenths;
    // In the middle between -3.2 and 3.2 seconds, so that either way of it nothing wraps.
    const delayMs = (modulo(tenths - this.#reference + WRAP / 2) - WRAP / 2) / 10;
    if (this.#slice === undefined) this.#slice = { from: now, leastMs: delayMs };
    else if (delayMs < this.#slice.leastMs) this.#slice.leastMs = delayMs;
  }

  /** Milliseconds above the least delay; undefined when nothing arrived in the last fifth of a second. */
  delayMs(now: number): number | undefined {
    if (this.#slice !== undefined && now >= this.#slice.from + SLICE_MS) this.#endSlice();
    const recent = this.#slices.filter(({ at }) => at >= now - WINDOW_MS).map(({ leastMs }) => leastMs);
    if (recent.length === 0) return undefined;
    recent.sort((one, other) => one - other);
    return Math.max(0, recent[recent.length >> 2]! - this.#least(now));
  }

  /** The sender's clock is another one from now on: it was started again. */
  restart(): void {
    this.#reference = undefined;
    this.#slice = undefined;
    this.#slices = [];
    this.#stretches = [];
    this.#driftPerMs = 0;
  }

  #endSlice(): void {
    if (this.#slice === undefined) return;
    const { from, leastMs } = this.#slice;
    this.#slice = undefined;
    if (this.#stretches.length > 0 && leastMs - this.#least(from) > JUMP_MS) {
      this.restart();
      return;
    }
    this.#slices = [...this.#slices.filter(({ at }) => at >= from - WINDOW_MS), { at: from, leastMs }];
    const stretch = this.#stretches.at(-1);
    if (stretch === undefined || from >= stretch.at + STRETCH_MS) {
      this.#stretches = [...this.#stretches.slice(1 - MOST_STRETCHES), { at: from, leastMs }];
      this.#driftPerMs = driftOf(this.#stretches.slice(0, -1));
    } else if (leastMs < stretch.leastMs) {
      this.#stretches[this.#stretches.length - 1] = { at: stretch.at, leastMs };
    }
  }

  #least(now: number): number {
    let least = Number.POSITIVE_INFINITY;
    for (const { at, leastMs } of this.#stretches) least = Math.min(least, leastMs + (now - at) * this.#driftPerMs);
    return least;
  }
}

// A queue that comes or goes shows in one difference, a drift in every one: so their median is the drift.
function driftOf(stretches: readonly Low[]): number {
  if (stretches.length <= LEAST_DIFFERENCES) return 0;
  const slopes = stretches.slice(1).map(({ at, leastMs }, before) => {
    const earlier = stretches[before]!;
    return (leastMs - earlier.leastMs) / (at - earlier.at);
  });
  slopes.sort((one, other) => one - other);
  return Math.max(-MOST_DRIFT, Math.min(MOST_DRIFT, slopes[slopes.length >> 1]!));
}

function modulo(value: number): number {
  return ((value % WRAP) + WRAP) % WRAP;
}
