import type { Manifest } from "../../images/manifest.ts";
import { type PackReader, readPackInto } from "../../images/pack-reader.ts";
import type { StreamLayout } from "../../multicast/layout.ts";
import { PackMemory } from "./pack-memory.ts";
import { packUnknown, unicastBusy } from "./stream-faults.ts";
import type { StreamRate } from "./stream-rate.ts";
import { type Turn, UnicastPace } from "./unicast-pace.ts";

/** What goes by TCP is so much longer on the wire: 1448 bytes of 1514. */
const TCP_SHARE = 1.05;

/** Whose turn has not come by then is refused, and asks again: more came to the row than when it entered. */
const MOST_TURN_MS = 20_000;

/** Who fetches a pack. */
export type PackAsker = {
  /** Each address that waits has its turn: a plain IP address. */
  readonly address: string;
  /** It does not wait for the pack any more. */
  readonly signal: AbortSignal;
};

/** A pack in memory that is wanted back when it was sent; once. */
export type LentPack = { readonly bytes: Uint8Array; readonly giveBack: () => void };

/** The packs of a stream for who fetches them by unicast: within the rate of the stream, which pauses for them. */
export class UnicastPacks {
  readonly #manifest: Manifest;
  readonly #packs: PackReader;
  readonly #layout: StreamLayout;
  /** Of each digest, counted as in the layout. */
  readonly #placeOf: ReadonlyMap<string, number>;
  readonly #memory: PackMemory;
  readonly #rate: StreamRate;
  readonly #isGroupBusy: () => boolean;
  readonly #now: () => number;
  readonly #pace = new UnicastPace();
  /** What happens when the turn of each who waits has come. */
  readonly #onTurn = new Map<Turn, () => void>();
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: {
    readonly layout: StreamLayout;
    readonly manifest: Manifest;
    readonly packs: PackReader;
    readonly rate: StreamRate;
    /** The group has more to send than canaries, whether it got to it lately or not. */
    readonly isGroupBusy: () => boolean;
    readonly now: () => number;
  }) {
    const { layout, manifest } = parts;
    this.#manifest = manifest;
    this.#packs = parts.packs;
    this.#layout = layout;
    const places = [...layout.packNumbers.keys()];
    this.#placeOf = new Map(places.map((place) => [manifest.packs[layout.packNumbers[place]!]!.digest, place]));
    this.#memory = new PackMemory(places.reduce((most, place) => Math.max(most, layout.packBytes(place)), 0));
    this.#rate = parts.rate;
    this.#isGroupBusy = parts.isGroupBusy;
    this.#now = parts.now;
  }

  /**
   * A pack, when the stream's rate allows it.
   *
   * @throws {Fault} PACK_UNKNOWN, UNICAST_BUSY (also for who went away meanwhile), or what the pack's source throws
   */
  async read(digest: string, asker: PackAsker): Promise<LentPack> {
    const place = this.#placeOf.get(digest);
    if (place === undefined) throw packUnknown(digest);
    const number = this.#layout.packNumbers[place]!;
    const lengthBytes = this.#layout.packBytes(place);
    await this.#awaitTurn(lengthBytes * TCP_SHARE, asker);
    this.#rate.onSent(lengthBytes * TCP_SHARE);
    const bytes = this.#memory.take(lengthBytes);
    await readPackInto(this.#packs, this.#manifest.packs[number]!, number, bytes);
    return { bytes, giveBack: () => this.#memory.giveBack(bytes) };
  }

  /** How long the group leaves the wire to packs; 0 when it need not. */
  groupPauseMs(now: number): number {
    return this.#pace.groupPauseMs(now);
  }

  /** @param bytes all headers counted */
  async #awaitTurn(bytes: number, { address, signal }: PackAsker): Promise<void> {
    const turn: Turn = { address, bytes };
    const isIn = !signal.aborted && this.#pace.enter(turn, this.#speed(), this.#now());
    if (!isIn) throw unicastBusy();
    await new Promise<void>((resolve, reject) => {
      const settle = (end: () => void) => {
        clearTimeout(tooLong);
        signal.removeEventListener("abort", giveUp);
        this.#onTurn.delete(turn);
        end();
      };
      const giveUp = () => {
        this.#pace.leave(turn);
        settle(() => reject(unicastBusy()));
      };
      const tooLong = setTimeout(giveUp, MOST_TURN_MS);
      signal.addEventListener("abort", giveUp);
      this.#onTurn.set(turn, () => settle(resolve));
      this.#callNext();
    });
  }

  #callNext(): void {
    clearTimeout(this.#timer);
    for (let inMs = this.#pace.nextInMs(this.#now()); inMs !== undefined; inMs = this.#pace.nextInMs(this.#now())) {
      if (inMs > 0) {
        this.#timer = setTimeout(() => this.#callNext(), inMs);
        return;
      }
      const turn = this.#pace.next(this.#speed(), this.#now());
      if (turn !== undefined) this.#onTurn.get(turn)?.();
    }
  }

  #speed(): { bytesPerSecond: number; isGroupBusy: boolean } {
    return { bytesPerSecond: this.#rate.onUnicast(), isGroupBusy: this.#isGroupBusy() };
  }
}
