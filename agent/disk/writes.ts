import type { FileHandle } from "node:fs/promises";
import { AlignedPlaces } from "./aligned-memory.ts";
import { endsInTime } from "./ends-in-time.ts";
import { firstBadSector, isBadSector } from "./fault.ts";

/** The longest single write: longer ones are no faster on any disk, and shorter ones let a failing sector be found sooner. */
const PLACE_BYTES = 1024 * 1024;
/** One is on the disk, one waits for it in the kernel, and two are being filled: the disk is never idle. */
const PLACES = 4;
/** Where the kernel keeps what is written, so much at most: more only hides a slow disk in memory. */
const MOST_UNFLUSHED_BYTES = 32 * 1024 * 1024;

/** Memory, and the bytes of the disk that are being written from it, or gathered to be. */
type Reserved = {
  readonly place: Uint8Array;
  readonly from: number;
  to: number;
  /** Resolves with `release`. */
  readonly done: Promise<void>;
  release(failure?: unknown): void;
};

export type DiskWritesParts = {
  readonly handle: Pick<FileHandle, "read" | "write" | "datasync">;
  /** The handle writes past the kernel's memory (O_DIRECT), whole sectors only. */
  readonly isDirect: boolean;
  readonly sectorBytes: number;
  /** Turns what the kernel said into a Fault. */
  readonly faultAt: (act: "write to" | "flush", offset: number | undefined, error: unknown) => Error;
  /** So long one write or flush may take; for tests. */
  readonly mostMs?: number;
};

/**
 * Writes behind its caller: what is given is copied, neighbours are gathered to large writes, and those are on their way to
 * the disk while the next are gathered. At most PLACES MiB wait, whatever the disk does, and they go to it in the order in
 * which they came; two that touch do not overtake each other. A write that fails is thrown by a later call.
 */
export class DiskWrites {
  readonly #parts: DiskWritesParts;
  readonly #places = new AlignedPlaces(PLACES, PLACE_BYTES);
  readonly #underWay = new Set<Reserved>();
  /** The last write, not sent yet: neighbours may follow. */
  #gathering: Reserved | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #failure: Error | undefined;
  #unflushedBytes = 0;
  #flushing: Promise<void> | undefined;

  constructor(parts: DiskWritesParts) {
    this.#parts = parts;
  }

  /** Takes all of `bytes`; the caller may use that memory again when it resolves. */
  async write(offset: number, bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      // One after the other: who waits for memory is not overtaken by who comes later.
      const took = this.#turn.then(() => this.#writePart(offset + done, bytes.subarray(done)));
      this.#turn = took.catch(() => undefined);
      done += await took;
    }
    if (this.#parts.isDirect) return;
    this.#unflushedBytes += bytes.length;
    // Writers wait here for the disk, so the kernel's memory stays small and progress means progress.
    if (this.#unflushedBytes >= MOST_UNFLUSHED_BYTES) await this.flush();
  }

  /** Resolves when all that was written before is on the disk, as far as it says so. */
  async settle(): Promise<void> {
    this.#send();
    await Promise.all([...this.#underWay].map(({ done }) => done));
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
    await endsInTime(this.#parts.handle.datasync(), this.#parts.mostMs).catch((error: unknown) => {
      throw this.#parts.faultAt("flush", undefined, error);
    });
  }

  /** @returns how many bytes it took */
  async #writePart(at: number, bytes: Uint8Array): Promise<number> {
    const gathered = this.#gather(at, bytes);
    if (gathered > 0) return gathered;
    const sector = this.#parts.isDirect ? this.#parts.sectorBytes : 1;
    const before = at % sector;
    const part = bytes.subarray(0, PLACE_BYTES - before);
    const length = Math.ceil((before + part.length) / sector) * sector;
    const reserved = await this.#reserve(at - before, length);
    const { place } = reserved;
    if (length === part.length) {
      place.set(part);
      this.#send();
      this.#gathering = reserved;
      if (length === PLACE_BYTES) this.#send();
      return part.length;
    }
    // A part of a sector: the rest of it stays as it is.
    try {
      await endsInTime(this.#parts.handle.read(place, 0, length, at - before), this.#parts.mostMs);
      place.set(part, before);
    } catch (error) {
      reserved.release(this.#parts.faultAt("write to", at, error));
      return part.length;
    }
    this.#put(place.subarray(0, length), at - before).then(() => reserved.release(), reserved.release);
    return part.length;
  }

  /** Adds bytes that follow what is being gathered. @returns how many; 0: they do not follow, or are no whole sectors */
  #gather(at: number, bytes: Uint8Array): number {
    const { isDirect, sectorBytes } = this.#parts;
    const open = this.#gathering;
    if (open === undefined || open.to !== at || (isDirect && bytes.length % sectorBytes !== 0)) return 0;
    const length = Math.min(bytes.length, PLACE_BYTES - (open.to - open.from));
    if (this.#failure !== undefined || this.#isTouched(at, length)) return 0;
    open.place.set(bytes.subarray(0, length), open.to - open.from);
    open.to += length;
    if (open.to - open.from === PLACE_BYTES) this.#send();
    return length;
  }

  /** What was gathered goes to the disk. */
  #send(): void {
    const open = this.#gathering;
    if (open === undefined) return;
    this.#gathering = undefined;
    this.#put(open.place.subarray(0, open.to - open.from), open.from).then(() => open.release(), open.release);
  }

  /** Waits until there is memory, and until nothing is under way to the same bytes; both are the caller's then. */
  async #reserve(from: number, length: number): Promise<Reserved> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      const place = this.#isTouched(from, length) ? undefined : this.#places.take();
      if (place === undefined) {
        // It may be what is being gathered that is in the way.
        this.#send();
        await Promise.race([...this.#underWay].map(({ done }) => done));
        continue;
      }
      const { promise: done, resolve } = Promise.withResolvers<void>();
      const reserved: Reserved = {
        place,
        from,
        to: from + length,
        done,
        release: (failure) => {
          if (failure !== undefined) this.#failure ??= failure instanceof Error ? failure : new Error(String(failure));
          this.#places.give(place);
          this.#underWay.delete(reserved);
          resolve();
        },
      };
      this.#underWay.add(reserved);
      return reserved;
    }
  }

  #isTouched(from: number, length: number): boolean {
    for (const write of this.#underWay) if (write.from < from + length && from < write.to) return true;
    return false;
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
    const { handle, mostMs } = this.#parts;
    for (let done = 0; done < bytes.length; ) {
      const write = handle.write(bytes, done, bytes.length - done, from + done);
      const { bytesWritten } = await endsInTime(write, mostMs);
      if (bytesWritten === 0) throw new Error("no progress");
      done += bytesWritten;
    }
  }
}
