import { setTimeout as sleep } from "node:timers/promises";
import type { Manifest } from "../../images/manifest.ts";
import { type PackReader, readPackInto } from "../../images/pack-reader.ts";
import type { StreamLayout } from "../../multicast/layout.ts";
import { PackMemory } from "./pack-memory.ts";
import { packUnknown, unicastBusy } from "./stream-faults.ts";
import type { StreamRate } from "./stream-rate.ts";
import { UnicastPace } from "./unicast-pace.ts";

/** What goes by TCP is so much longer on the wire: 1448 bytes of 1514. */
const TCP_SHARE = 1.05;

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
   * @throws {Fault} PACK_UNKNOWN, UNICAST_BUSY, or what the pack's source throws
   */
  async read(digest: string): Promise<LentPack> {
    const place = this.#placeOf.get(digest);
    if (place === undefined) throw packUnknown(digest);
    const number = this.#layout.packNumbers[place]!;
    const lengthBytes = this.#layout.packBytes(place);
    await this.#awaitTurn(lengthBytes * TCP_SHARE);
    const bytes = this.#memory.take(lengthBytes);
    await readPackInto(this.#packs, this.#manifest.packs[number]!, number, bytes);
    return { bytes, giveBack: () => this.#memory.giveBack(bytes) };
  }

  /** How long the group leaves the wire to packs; 0 when it need not. */
  groupPauseMs(now: number): number {
    return this.#pace.groupPauseMs(now);
  }

  /** @param bytes all headers counted */
  async #awaitTurn(bytes: number): Promise<void> {
    const bytesPerSecond = this.#rate.onUnicast();
    const now = this.#now();
    const waitMs = this.#pace.admit({ bytes, bytesPerSecond, isGroupBusy: this.#isGroupBusy() }, now);
    if (waitMs === undefined) throw unicastBusy();
    if (waitMs > 0) await sleep(waitMs);
    this.#pace.onSent(bytes, bytesPerSecond, this.#now());
  }
}
