/** A receiver waits 25 s for the first byte of a pack; most of that is for the way and for a slow disk. */
const MOST_WAIT_MS = 12_000;
/** At a rate of a few kilobytes a second a pack would stop the group for minutes. */
const MOST_PACK_MS = 2_000;
/** Each receiver fetches two at a time; see MOST_OF_AN_ADDRESS in join-limit.ts. */
const MOST_OF_AN_ADDRESS = 128;

/** A place in the row. */
export type Turn = { readonly address: string; readonly bytes: number };

/** How fast packs go now. */
type Speed = {
  readonly bytesPerSecond: number;
  /** Symbols are sent now, too. */
  readonly isGroupBusy: boolean;
};

/**
 * Keeps packs that receivers fetch by unicast within the stream's rate: one goes after the other, and while the group
 * is sent to, each takes half of the rate: the group pauses for as long as a pack takes at the full one. The addresses
 * that wait take turns, so who asks for many at once waits for itself and not the others for it.
 *
 * Owns no clock: times come in, in milliseconds.
 */
export class UnicastPace {
  /** Of each address that waits, the one whose turn it is first. */
  readonly #rows = new Map<string, Turn[]>();
  #freeAt = 0;
  #groupFreeAt = 0;

  /** Takes a place in the row. False when the address has too many, or they would wait too long to be worth it. */
  enter(turn: Turn, speed: Speed, now: number): boolean {
    const { address } = turn;
    const own = this.#rows.get(address) ?? [];
    if (own.length >= MOST_OF_AN_ADDRESS || this.#waitMs(address, own.length, speed, now) > MOST_WAIT_MS) return false;
    own.push(turn);
    this.#rows.set(address, own);
    return true;
  }

  /** Gives up a place; nothing happens when its turn has come. */
  leave(turn: Turn): void {
    const row = this.#rows.get(turn.address);
    const place = row?.indexOf(turn) ?? -1;
    if (row === undefined || place < 0) return;
    row.splice(place, 1);
    if (row.length === 0) this.#rows.delete(turn.address);
  }

  /** How long until the next pack may go; undefined while nobody waits. */
  nextInMs(now: number): number | undefined {
    return this.#rows.size === 0 ? undefined : Math.max(0, this.#freeAt - now);
  }

  /** The pack that goes out now; undefined when it is not the time, or nobody waits. */
  next({ bytesPerSecond, isGroupBusy }: Speed, now: number): Turn | undefined {
    const [first] = this.#rows;
    if (first === undefined || now < this.#freeAt) return undefined;
    const [address, row] = first;
    const turn = row.shift()!;
    // Behind all others.
    this.#rows.delete(address);
    if (row.length > 0) this.#rows.set(address, row);
    const packMs = timeOf(turn.bytes, bytesPerSecond);
    this.#freeAt = now + packMs * (isGroupBusy ? 2 : 1);
    this.#groupFreeAt = Math.max(now, this.#groupFreeAt) + packMs;
    return turn;
  }

  /** How long the group leaves the wire to packs; 0 when it need not. */
  groupPauseMs(now: number): number {
    return Math.max(0, this.#groupFreeAt - now);
  }

  // Before the next of an address that has `waiting` in the row go these, and at most one more of each other address.
  #waitMs(address: string, waiting: number, { bytesPerSecond, isGroupBusy }: Speed, now: number): number {
    let packsMs = 0;
    for (const [other, row] of this.#rows) {
      const before = other === address ? row : row.slice(0, waiting + 1);
      for (const { bytes } of before) packsMs += timeOf(bytes, bytesPerSecond);
    }
    return Math.max(0, this.#freeAt - now) + packsMs * (isGroupBusy ? 2 : 1);
  }
}

function timeOf(bytes: number, bytesPerSecond: number): number {
  return Math.min(MOST_PACK_MS, (bytes / bytesPerSecond) * 1_000);
}
