import type { Logger } from "pino";
import type { Join } from "../../agent/contract.ts";
import { SYMBOL_BYTES } from "../../multicast/description.ts";
import { mayBecomeOrdinary, whyOrdinary } from "../../multicast/frame-agreement.ts";
import { describedAnew } from "./stream-faults.ts";
import type { StreamWire } from "./stream-wire.ts";

/**
 * The size of a stream's frames: a stream of large ones becomes one of ordinary ones for a host that does not get them,
 * as long as nothing of its blocks was sent. All receivers are unknown to its new session: they join it anew, and learn
 * of the new description by that.
 */
export class StreamFrames {
  #wire: StreamWire;
  readonly #wireOf: (symbolBytes: number) => Promise<StreamWire>;
  readonly #onOrdinary: (before: StreamWire, why: string) => void;
  readonly #log: Logger;
  /** While it is made one of ordinary frames. */
  #fallingBack: Promise<void> | undefined;

  constructor(parts: {
    readonly wire: StreamWire;
    /** Makes it anew, with symbols of this size. */
    readonly wireOf: (symbolBytes: number) => Promise<StreamWire>;
    /** It has ordinary frames from now on: what was sent by before is to be closed. */
    readonly onOrdinary: (before: StreamWire, why: string) => void;
    readonly log: Logger;
  }) {
    this.#wire = parts.wire;
    this.#wireOf = parts.wireOf;
    this.#onOrdinary = parts.onOrdinary;
    this.#log = parts.log;
  }

  /** What the stream goes by now. */
  get wire(): StreamWire {
    return this.#wire;
  }

  get symbolBytes(): number {
    return this.#wire.description.symbolBytes;
  }

  /** For who understands symbols of so many bytes, and no larger ones. */
  async fit(mostSymbolBytes: number): Promise<void> {
    if (mostSymbolBytes < this.symbolBytes) await this.fallBack("an older agent asked for it");
  }

  /** @throws {Fault} STREAM_DESCRIBED_ANEW when who joins goes by another description */
  async agreeOn({ needs, ...join }: Join): Promise<void> {
    // Who needs nothing from the group goes by no description.
    if (needs?.length === 0) return;
    const why = whyOrdinary(join, this.symbolBytes);
    if (why !== undefined) await this.fallBack(why);
    const { name, symbolBytes = SYMBOL_BYTES } = join;
    if (symbolBytes !== this.symbolBytes) {
      throw describedAnew(name, { ofStream: this.symbolBytes, ofHost: symbolBytes });
    }
  }

  /** It becomes one of ordinary frames, if it can. One that has begun serves by unicast whom it does not reach. */
  fallBack(why: string): Promise<void> {
    if (!this.#canFallBack) return Promise.resolve();
    this.#fallingBack ??= this.#makeOrdinary(why).finally(() => {
      this.#fallingBack = undefined;
    });
    return this.#fallingBack;
  }

  get #canFallBack(): boolean {
    return mayBecomeOrdinary(this.symbolBytes > SYMBOL_BYTES, this.#wire.session);
  }

  async #makeOrdinary(why: string): Promise<void> {
    let wire: StreamWire;
    try {
      wire = await this.#wireOf(SYMBOL_BYTES);
    } catch (error) {
      // Whom the large ones do not reach is served by unicast.
      this.#log.warn({ err: error }, "the stream keeps its large frames");
      return;
    }
    // It began meanwhile: those who are ready get the large ones.
    if (!this.#canFallBack) {
      wire.socket.close();
      return;
    }
    const before = this.#wire;
    this.#wire = wire;
    this.#onOrdinary(before, why);
  }
}
