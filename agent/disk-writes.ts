import type { FileHandle } from "node:fs/promises";
import { AlignedPlaces } from "./aligned-memory.ts";
import { firstBadSector, isBadSector } from "./disk-fault.ts";

/** The longest single write: longer ones are no faster on any disk, and shorter ones let a failing sector be found sooner. */
const PLACE_BYTES = 1024 * 1024;
/** One is on the disk, one waits for it in the kernel, and two are being filled: the disk is never idle. */
const PLACES = 4;
/** Where the kernel keeps what is written, so much at most: more only hides a slow disk in memory. */
const MOST_UNFLUSHED_BYTES = 32 * 1024 * 1024;

type UnderWay = { readonly from: number; readonly to: number; readonly done: Promise<void> };
type Reserved = { readonly place: Uint8Array; release(failure?: unknown): void };

export type DiskWritesParts = {
  readonly handle: Pick<FileHandle, "read" | "write" | "datasync">;
  /** The handle writes past the kernel's memory (O_DIRECT), whole sectors only. */
  readonly isDirect: boolean;
  readonly sectorBytes: number;
  /** Turns what the kernel said into a Fault. */
  readonly faultAt: (act: "write to" | "flush", offset: number | undefined, error: unknown) => Error;
};

/**
 * Writes behind its caller: what is given is copied, and is on its way to the disk when the next one is asked for. At
 * most PLACES MiB wait, whatever the disk does, and they go to it in the order in which they came; two that touch do
 * not overtake each other. A write that fails is thrown by the next call.
 */
export class DiskWrites {
  readonly #parts: DiskWritesParts;
  readonly #places = new AlignedPlaces(PLACES, PLACE_BYTES);
  readonly #underWay = new Set<UnderWay>();
  #failure: Error | undefined;
  #unflushedBytes = 0;
  #flushing: Promise<void> | undefined;

  constructor(parts: DiskWritesParts) {
    this.#parts = parts;
  }

  /** Takes all of `bytes`; the caller may use that memory again when it resolves. */
  async write(offset: number, bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const at = offset + done;
      const sector = this.#parts.isDirect ? this.#parts.sectorBytes : 1;
      const before = at % sector;
      const part = bytes.subarray(done, done + PLACE_BYTES - before);
      const { place, release } = await this.#reserve(at - before, Math.ceil((before + part.length) / sector) * sector);
      try {
        // A part of a sector: the rest of it stays as it is.
        if (place.length !== part.length) await this.#parts.handle.read(place, 0, place.length, at - before);
        place.set(part, before);
      } catch (error) {
        release(this.#parts.faultAt("write to", at, error));
        continue;
      }
      this.#put(place, at - before).then(() => release(), release);
      done += part.length;
    }
    if (this.#parts.isDirect) return;
    this.#unflushedBytes += bytes.length;
    // Writers wait here for the disk, so the kernel's memory stays small and progress means progress.
    if (this.#unflushedBytes >= MOST_UNFLUSHED_BYTES) await this.flush();
  }

  /** Resolves when nothing is under way to the disk any more. */
  async settle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all([...this.#underWay].map(({ done }) => done));
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Resolves when all that was written survives a power cut. */
  async flush(): Promise<void> {
    // Several writers may come here at once: one fdatasync serves them, but only for what was written before it began.
    while (this.#flushing !== undefined) await this.#flushing;
    const flushing = this.#flush().finally(() => {
      this.#flushing = undefined;
    });
    this.#flushing = flushing.catch(() => undefined);
    await flushing;
  }

  async #flush(): Promise<void> {
    await this.settle();
    this.#unflushedBytes = 0;
    await this.#parts.handle.datasync().catch((error: unknown) => {
      throw this.#parts.faultAt("flush", undefined, error);
    });
  }

  /** Waits until there is memory, and until nothing is under way to the same bytes; both are the caller's then. */
  async #reserve(from: number, length: number): Promise<Reserved> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      const isTouched = [...this.#underWay].some((write) => write.from < from + length && from < write.to);
      const whole = isTouched ? undefined : this.#places.take();
      if (whole === undefined) {
        await Promise.race([...this.#underWay].map(({ done }) => done));
        continue;
      }
      const { promise: done, resolve } = Promise.withResolvers<void>();
      const underWay: UnderWay = { from, to: from + length, done };
      this.#underWay.add(underWay);
      const release = (failure?: unknown) => {
        if (failure !== undefined) this.#failure ??= failure instanceof Error ? failure : new Error(String(failure));
        this.#places.give(whole);
        this.#underWay.delete(underWay);
        resolve();
      };
      return { place: whole.subarray(0, length), release };
    }
  }

  async #put(place: Uint8Array, from: number): Promise<void> {
    try {
      await this.#writeAll(place, from);
    } catch (error) {
      const { sectorBytes, faultAt } = this.#parts;
      if (!isBadSector(error)) throw faultAt("write to", from, error);
      const tryRange = (at: number, length: number) =>
        this.#writeAll(place.subarray(at - from, at - from + length), at);
      throw faultAt("write to", await firstBadSector(from, place.length, sectorBytes, tryRange), error);
    }
  }

  async #writeAll(bytes: Uint8Array, from: number): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await this.#parts.handle.write(bytes, done, bytes.length - done, from + done);
      if (bytesWritten === 0) throw new Error("no progress");
      done += bytesWritten;
    }
  }
}
