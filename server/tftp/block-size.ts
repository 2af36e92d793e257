/** What an Ethernet frame holds: 1500 - 20 (IP) - 8 (UDP) - 4 (TFTP). Larger blocks become fragments that firmware drops. */
export const defaultMaxBlockSize = 1468;

/** Tried one after the other for a client that full-size blocks do not reach (VLAN, PPPoE, tunnels). */
const fallbacks = [1428, 512] as const;
const keepMs = 10 * 60 * 1000;
const maxClients = 1000;

/** Remembers for ten minutes which clients need smaller blocks. Pure: the time is an argument. */
export class BlockSizeMemory {
  readonly #clients = new Map<string, { readonly blockSize: number; readonly untilMs: number }>();

  /** The largest block for this client now. */
  limitFor(client: string, maxBlockSize: number, now: number): number {
    const known = this.#clients.get(client);
    if (known === undefined) return maxBlockSize;
    if (known.untilMs <= now) {
      this.#clients.delete(client);
      return maxBlockSize;
    }
    return Math.min(known.blockSize, maxBlockSize);
  }

  /**
   * Notes that the first block of this size never arrived.
   * @returns the size for the next try; undefined when there is no smaller one
   */
  shrink(client: string, failedBlockSize: number, now: number): number | undefined {
    const blockSize = fallbacks.find((size) => size < failedBlockSize);
    if (blockSize === undefined) return undefined;
    this.#clients.delete(client);
    this.#clients.set(client, { blockSize, untilMs: now + keepMs });
    const [oldest] = this.#clients.keys();
    if (this.#clients.size > maxClients && oldest !== undefined) this.#clients.delete(oldest);
    return blockSize;
  }
}
