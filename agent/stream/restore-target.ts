import type { Manifest } from "../../images/manifest.ts";
import type { PackSink } from "./pack-keeper.ts";
import { PackWriter } from "./pack-writer.ts";
import type { ReceiveOptions } from "./receive-options.ts";

type RestoreOptions = Pick<ReceiveOptions, "beforeWrite" | "held" | "keeper" | "target">;

/**
 * What a restore writes to, and what it has done there: it may receive by one description of the stream after another,
 * and erases once and writes every pack once.
 */
export class RestoreTarget implements PackSink {
  readonly #options: RestoreOptions;
  readonly #manifest: Manifest;
  readonly #sink: PackSink;
  /** Packs of the manifest that were written. */
  readonly #written = new Set<number>();
  #storedBytes = 0;
  #isErased = false;
  #isZeroed = false;
  #underWay = 0;
  /** When the erase or a write ended, or a write began where there was none. */
  #movedAt = 0;

  constructor(manifest: Manifest, options: RestoreOptions) {
    this.#manifest = manifest;
    this.#options = options;
    this.#sink = options.keeper?.sink ?? new PackWriter(manifest, options.target, options.held);
  }

  /** Bytes of the packs that came and were written, as they are stored. */
  get storedBytes(): number {
    return this.#storedBytes;
  }

  /** Whether the target was given to this restore, and may have something of it. */
  get isErased(): boolean {
    return this.#isErased;
  }

  /** Whether nothing is left for `writeZeros`. */
  get isZeroed(): boolean {
    return this.#isZeroed;
  }

  /** For how long no write has ended while one is under way, in milliseconds. */
  get standsMs(): number {
    return this.#underWay === 0 ? 0 : performance.now() - this.#movedAt;
  }

  /** When the target was last at work, by `performance.now`: now while a write is under way. */
  get busyAt(): number {
    return this.#underWay === 0 ? this.#movedAt : performance.now();
  }

  /** Whether this pack of the manifest is there already. */
  holds(number: number): boolean {
    const { held, keeper } = this.#options;
    return this.#written.has(number) || keeper?.holds(number) === true || held?.holdsPack(number) === true;
  }

  /** Whether what is there is to be said to the server. */
  get mayHold(): boolean {
    const { held, keeper } = this.#options;
    return this.#written.size > 0 || keeper !== undefined || held !== undefined;
  }

  /** Has the target erased. */
  async erase(): Promise<void> {
    const { isZeroed } = await this.#options.beforeWrite(this.#manifest);
    this.#isErased = true;
    this.#isZeroed = isZeroed;
    this.#movedAt = performance.now();
  }

  unpack(number: number, stored: Uint8Array): readonly Uint8Array[] {
    return this.#sink.unpack(number, stored);
  }

  async write(number: number, cells: readonly Uint8Array[]): Promise<void> {
    if (this.#underWay === 0) this.#movedAt = performance.now();
    this.#underWay += 1;
    try {
      await this.#sink.write(number, cells);
    } finally {
      this.#underWay -= 1;
      this.#movedAt = performance.now();
    }
    this.#written.add(number);
    this.#storedBytes += this.#manifest.packs[number]!.storedBytes;
  }

  /** Where the image has zeros, unless that is done. */
  async writeZeros(signal: AbortSignal): Promise<void> {
    if (this.#isZeroed) return;
    await this.#sink.writeZeros(signal);
    this.#isZeroed = true;
  }

  finish(): Promise<void> {
    return this.#sink.finish();
  }
}
