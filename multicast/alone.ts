import type { Aside, Receiver } from "./roster.ts";

/** Who got no further by unicast for so long gets the group after all: repairs get through where TCP does not. */
const STALLED_MS = 15_000;

/** Nobody else is there to be served together with. */
const ALONE: Aside = { cause: "alone", way: "unicast", why: "" };

/**
 * Whether a stream has one receiver only, which is then served by unicast: no switch floods a group that one port wants,
 * and it works where the group does not get through. With a second receiver the stream is for the group, until it is
 * left by all. Times are the caller's milliseconds.
 */
export class Alone {
  readonly #isWanted: boolean;
  #wereSeveral = false;
  #one: { readonly id: string; packsDone: number; furtherAt: number } | undefined;

  /** @param isWanted false: every receiver is served by the group */
  constructor(isWanted: boolean) {
    this.#isWanted = isWanted;
  }

  /** The only receiver is served by unicast now. */
  get isNow(): boolean {
    return this.#one !== undefined;
  }

  /** Somebody joined: served together they cost as much as one. */
  onJoin(active: number): void {
    if (active > 1) this.#end();
  }

  /** The stream has started, or was left by all: whoever is alone now may be so from the first symbol on. */
  begin(): void {
    this.#wereSeveral = false;
    this.#one = undefined;
  }

  /**
   * How the only one is served; undefined: by the group, or there is not only one.
   *
   * @param active receivers that are not finished, while the stream runs
   */
  judge(active: readonly Receiver[], now: number): Aside | undefined {
    const [only] = active;
    if (active.length > 1) this.#end();
    if (!this.#isWanted || this.#wereSeveral || only === undefined) return undefined;
    if (this.#one?.id !== only.id || only.packsDone > this.#one.packsDone) {
      this.#one = { id: only.id, packsDone: only.packsDone, furtherAt: now };
    }
    if (now - this.#one.furtherAt < STALLED_MS) return ALONE;
    this.#end();
    return undefined;
  }

  #end(): void {
    this.#wereSeveral = true;
    this.#one = undefined;
  }
}
