import { LowRank } from "./low-rank.ts";

/** The least delays of each slice count: a receiver that looks every few milliseconds hears most datagrams late. */
const SLICE_MS = 20;
/**
 * One of the lowest, never the lowest of many: anybody can send a datagram that says that it was sent later than it was,
 * and all true ones would seem to wait from then on.
 */
const EACH_OF_SLICE = 8;
const MOST_OF_SLICE = 8;
const EACH_OF_STRETCH = 3;
const MOST_OF_STRETCH = 25;
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
type Stretch = { readonly at: number; readonly lows: LowRank };

/**
 * How long datagrams wait on their way, from the send times in them: above the shortest time that any of them took
 * lately. The two clocks need not agree, and may drift apart slowly.
 *
 * What is told is the standing queue: of the last fifth of a second, what three quarters of the 20 ms slices had at
 * least. Single late datagrams are not congestion. No single datagram changes anything, whatever time it says. Owns no
 * clock: times come in, in milliseconds.
 */
export class DelayMeter {
  #reference: number | undefined;
  readonly #slice = new LowRank(EACH_OF_SLICE, MOST_OF_SLICE);
  #sliceFrom: number | undefined;
  #slices: Low[] = [];
  #stretches: Stretch[] = [];
  #driftPerMs = 0;

  /** @param sendTimeTenthsMs as in the datagram: of the sender's clock, wraps at 16 bits */
  note(sendTimeTenthsMs: number, now: number): void {
    // First: it may find that the reference is that of another clock.
    this.#endSliceBefore(now);
    const tenths = modulo(now * 10 - sendTimeTenthsMs);
    this.#reference ??= tenths;
    // In the middle between -3.2 and 3.2 seconds, so that either way of it nothing wraps.
    const delayMs = (modulo(tenths - this.#reference + WRAP / 2) - WRAP / 2) / 10;
    this.#sliceFrom ??= now;
    this.#slice.add(delayMs);
  }

  /** Milliseconds above the least delay; undefined when nothing arrived in the last fifth of a second. */
  delayMs(now: number): number | undefined {
    this.#endSliceBefore(now);
    const recent = this.#slices.filter(({ at }) => at >= now - WINDOW_MS).map(({ leastMs }) => leastMs);
    if (recent.length === 0) return undefined;
    recent.sort((one, other) => one - other);
    return Math.max(0, recent[recent.length >> 2]! - this.#least(now));
  }

  /** The sender's clock is another one from now on: it was started again. */
  restart(): void {
    this.#reference = undefined;
    this.#slice.clear();
    this.#sliceFrom = undefined;
    this.#slices = [];
    this.#stretches = [];
    this.#driftPerMs = 0;
  }

  #endSliceBefore(now: number): void {
    const from = this.#sliceFrom;
    if (from === undefined || now < from + SLICE_MS) return;
    const leastMs = this.#slice.value;
    this.#slice.clear();
    this.#sliceFrom = undefined;
    if (this.#stretches.length > 0 && leastMs - this.#least(from) > JUMP_MS) {
      this.restart();
      return;
    }
    this.#slices = [...this.#slices.filter(({ at }) => at >= from - WINDOW_MS), { at: from, leastMs }];
    let stretch = this.#stretches.at(-1);
    if (stretch === undefined || from >= stretch.at + STRETCH_MS) {
      stretch = { at: from, lows: new LowRank(EACH_OF_STRETCH, MOST_OF_STRETCH) };
      this.#driftPerMs = driftOf(this.#stretches.map(({ at, lows }) => ({ at, leastMs: lows.value })));
      this.#stretches = [...this.#stretches.slice(1 - MOST_STRETCHES), stretch];
    }
    stretch.lows.add(leastMs);
  }

  #least(now: number): number {
    let least = Number.POSITIVE_INFINITY;
    for (const { at, lows } of this.#stretches) {
      // The first slices of a stretch may be anybody's.
      if (lows.count < EACH_OF_STRETCH && this.#stretches.length > 1) continue;
      least = Math.min(least, lows.value + (now - at) * this.#driftPerMs);
    }
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
