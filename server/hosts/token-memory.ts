import type { EventLog } from "../events.ts";

/** What decides whether a host is let in. */
export type TokenRow = { readonly token_hash: string; readonly is_approved: number };

/** Another server's word may come so late. */
const KEPT_MS = 5_000;

/**
 * The tokens of hosts that were here a moment ago: a room that receives shows them every second. Whatever happens to a
 * host makes the next look one at the table.
 */
export class TokenMemory {
  readonly #rows = new Map<string, { readonly row: TokenRow; readonly readMs: number }>();
  #events = 0;

  constructor(events: Pick<EventLog, "subscribe">) {
    events.subscribe(({ hostId }) => {
      this.#events += 1;
      if (hostId !== null) this.#rows.delete(hostId);
    });
  }

  of(hostId: string): TokenRow | undefined {
    const known = this.#rows.get(hostId);
    return known !== undefined && performance.now() - known.readMs < KEPT_MS ? known.row : undefined;
  }

  /** Asks the table, and keeps what it says unless something happened meanwhile. */
  async read(hostId: string, look: () => Promise<TokenRow | undefined>): Promise<TokenRow | undefined> {
    const before = this.#events;
    const readMs = performance.now();
    const row = await look();
    if (row === undefined || this.#events !== before) this.#rows.delete(hostId);
    else this.#rows.set(hostId, { row, readMs });
    return row;
  }
}
