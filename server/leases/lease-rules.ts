/**
 * When one of several servers on one database is taken for gone, and when it takes itself for gone. Nobody compares
 * clocks: each server counts a number up in the database, and the others look by their own clocks for how long it has
 * stayed the same. So a clock that is set, on whichever machine, ends no server and lets no two send one stream.
 */

/** A server whose number stays the same for so long is gone, by the clock of whoever looks. */
export const LEASE_MS = 8_000;
/** How often a server counts its number up. */
export const BEAT_EVERY_MS = 1_500;
/**
 * So much earlier a server stops by itself: clocks do not run equally fast, and something lies between its look at the
 * clock and the wire.
 */
export const MARGIN_MS = 2_000;

/**
 * A server that the database does not hear for so long ends, where others may have its work: its hosts wait for streams
 * that go on elsewhere, and go there when nobody answers here. Shorter failures of the database end nobody.
 */
export const CUT_OFF_MS = 120_000;

/** A server as its row shows it. */
export type ServerBeat = {
  readonly id: string;
  /** Another one after each start. */
  readonly incarnation: string;
  readonly beat: number;
};

/** Until when a server may send what is its own. Times are those of one clock that never runs backwards. */
export class OwnLease {
  #untilMs = Number.NEGATIVE_INFINITY;
  #isLost = false;

  get untilMs(): number {
    return this.#untilMs;
  }

  /** Counted up. @param sentMs when that was sent, not when it was answered: nobody can have seen it before */
  onBeat(sentMs: number): void {
    if (!this.#isLost) this.#untilMs = Math.max(this.#untilMs, sentMs + LEASE_MS - MARGIN_MS);
  }

  /** Another server has its work now, and it never gets it back. */
  lose(): void {
    this.#isLost = true;
    this.#untilMs = Number.NEGATIVE_INFINITY;
  }

  isHeld(nowMs: number): boolean {
    return nowMs < this.#untilMs;
  }
}

/** What one server has seen of the others. */
export class Watch {
  readonly #seen = new Map<string, ServerBeat & { readonly sinceMs: number }>();

  /**
   * @param servers all that are not known to be gone
   * @param nowMs when they had been read
   * @returns those that have been the same for a whole lease
   */
  observe(servers: readonly ServerBeat[], nowMs: number): ServerBeat[] {
    for (const id of this.#seen.keys()) if (servers.every((server) => server.id !== id)) this.#seen.delete(id);
    return servers.filter((server) => {
      const before = this.#seen.get(server.id);
      const isSame = before?.beat === server.beat && before.incarnation === server.incarnation;
      if (!isSame) this.#seen.set(server.id, { ...server, sinceMs: nowMs });
      return isSame && nowMs - before.sinceMs >= LEASE_MS;
    });
  }
}
