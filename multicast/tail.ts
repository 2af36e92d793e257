import { TAIL_PAUSE_UNIT_MS } from "./packet.ts";
import { TailPause } from "./tail-pause.ts";

/** A pass of a `once` stream is over when nobody has asked for so long after it. */
const TAIL_QUIET_MS = 1_500;

/** The time when everything was sent that is known to be needed: who still lacks something says so. In milliseconds. */
export class Tail {
  readonly #pause = new TailPause();
  /** Since when nothing but requests can give work. */
  #quietSince = 0;

  /** It begins now. @param everyMs over how long all receivers can ask */
  start(everyMs: number, now: number): void {
    this.#pause.start(everyMs, now);
  }

  /** A request was heard. */
  onRequest(): void {
    this.#pause.onRequest();
  }

  /** Something is, or was, sent: the quiet begins anew. */
  onWork(now: number): void {
    this.#quietSince = now;
  }

  /** Whether nobody has asked for so long that nobody will. @param everyMs how often each receiver may ask */
  isQuiet(everyMs: number, now: number): boolean {
    return now - this.#quietSince >= TAIL_QUIET_MS + everyMs;
  }

  /** What the next canary says: everything before `blockCount` was sent, and how long the room's pause is. */
  canary(blockCount: number, now: number): { block: number; symbol: number; plannedParity: number } {
    this.#pause.look(now);
    const pause = Math.ceil(this.#pause.ms / TAIL_PAUSE_UNIT_MS);
    return { block: blockCount, symbol: pause >> 8, plannedParity: pause & 0xff };
  }
}
