import type { BootTraceEntry } from "./boot-trace.ts";

/** So long identical packets are counted instead of told; doubled each time that they go on. */
const FIRST_WINDOW_MS = 2_000;
const LONGEST_WINDOW_MS = 60_000;
/** A machine this quiet is told at once again. */
const QUIET_MS = 120_000;
/** Different entries that are compared with. */
const MOST_REMEMBERED = 4_096;

/** An entry that came `times` more often, the last time at `atMs`. */
export type CountedEntry = { readonly entry: BootTraceEntry; readonly atMs: number; readonly times: number };

type Repeat = {
  readonly entry: BootTraceEntry;
  windowMs: number;
  untilMs: number;
  lastMs: number;
  times: number;
};

/**
 * Tells what is new from what one machine says again and again. Firmware that repeats its question after four seconds
 * and more is told each time; a machine that asks twice a second all night is told once a minute.
 */
export class BootRepeats {
  /** By what is the same, the one that was told longest ago first. */
  readonly #repeats = new Map<string, Repeat>();

  /** `overdue` was counted before and is told first. */
  note(entry: BootTraceEntry, atMs: number): { readonly isNew: boolean; readonly overdue: readonly CountedEntry[] } {
    const key = keyOf(entry);
    const known = this.#repeats.get(key);
    if (known !== undefined && atMs < known.untilMs) {
      known.times += 1;
      known.lastMs = atMs;
      return { isNew: false, overdue: [] };
    }
    const isGoingOn = known !== undefined && atMs - known.lastMs < QUIET_MS;
    const windowMs = isGoingOn ? Math.min(2 * known.windowMs, LONGEST_WINDOW_MS) : FIRST_WINDOW_MS;
    const overdue = known === undefined ? [] : countedOf(known);
    this.#repeats.delete(key);
    this.#repeats.set(key, { entry, windowMs, untilMs: atMs + windowMs, lastMs: atMs, times: 0 });
    if (this.#repeats.size > MOST_REMEMBERED) {
      const [oldest] = this.#repeats;
      if (oldest !== undefined) {
        this.#repeats.delete(oldest[0]);
        overdue.push(...countedOf(oldest[1]));
      }
    }
    return { isNew: true, overdue };
  }

  /** What was counted in windows that are over. */
  due(nowMs: number): CountedEntry[] {
    const due: CountedEntry[] = [];
    for (const [key, repeat] of this.#repeats) {
      if (nowMs < repeat.untilMs) continue;
      due.push(...countedOf(repeat));
      repeat.times = 0;
      if (nowMs - repeat.lastMs >= QUIET_MS) this.#repeats.delete(key);
    }
    return due;
  }

  /** Everything that was counted and not told. */
  rest(): CountedEntry[] {
    const rest = [...this.#repeats.values()].flatMap(countedOf);
    this.#repeats.clear();
    return rest;
  }
}

function countedOf({ entry, lastMs, times }: Repeat): CountedEntry[] {
  return times === 0 ? [] : [{ entry, atMs: lastMs, times }];
}

// How long a transfer took is in `detail`: the same file again is the same.
function keyOf({ mac, client, service, asked, answered, reason }: BootTraceEntry): string {
  return `${mac ?? client}\n${service}\n${asked}\n${answered}\n${reason}`;
}
