import type { BlockSource } from "../block.ts";
import { ChunkCache } from "./chunk-cache.ts";
import { decodeChunk, type PackedCodec } from "./codecs.ts";
import type { DataFork } from "./data-fork.ts";
import type { DiskRun, RunMap } from "./run-map.ts";

/** How chunks are unpacked. */
export type DiskSourceOptions = {
  /** Unpacked chunks that are kept in memory, in bytes; default 16 MiB. */
  readonly cacheBytes?: number;
  /** Chunks that are unpacked at the same time; default 4, as many as libuv has threads. */
  readonly chunksAtOnce?: number;
  /** Unpacks a chunk elsewhere, for instance in a worker; default `decodeChunk`. */
  readonly decode?: typeof decodeChunk;
};

const CACHE_BYTES = 16 * 2 ** 20;
const CHUNKS_AT_ONCE = 4;
/** How far ahead of a reader that goes from start to end; no more than two chunks for each one under way. */
const READ_AHEAD_BYTES = 4 * 2 ** 20;

/**
 * The disk that a .dmg stands for. Any place can be read; a reader that goes
 * from start to end finds the next chunks unpacked.
 *
 * Unused stretches read as zeros.
 */
export class DiskSource implements BlockSource {
  readonly sizeBytes: number;
  readonly #map: RunMap;
  readonly #fork: DataFork;
  readonly #cache: ChunkCache;
  readonly #chunksAtOnce: number;
  readonly #readAheadBytes: number;
  #nextSequential = -1;

  constructor(map: RunMap, fork: DataFork, options: DiskSourceOptions = {}) {
    this.sizeBytes = map.sizeBytes;
    this.#map = map;
    this.#fork = fork;
    this.#chunksAtOnce = options.chunksAtOnce ?? CHUNKS_AT_ONCE;
    const cacheBytes = options.cacheBytes ?? CACHE_BYTES;
    this.#readAheadBytes = Math.min(READ_AHEAD_BYTES, cacheBytes / 2);
    const decode = options.decode ?? decodeChunk;
    this.#cache = new ChunkCache(
      async (index) => {
        const { kind, startBytes, endBytes, offset, length } = map.run(index);
        return await decode(kind as PackedCodec, await fork.read(offset, length), endBytes - startBytes);
      },
      { capacityBytes: cacheBytes, mostAtOnce: this.#chunksAtOnce },
    );
  }

  /** @throws {Fault} UDIF_CHUNK, and what the file's source throws */
  async read(offset: number, length: number): Promise<Uint8Array> {
    if (length === 0) return new Uint8Array();
    const end = offset + length;
    const isSequential = offset === this.#nextSequential;
    this.#nextSequential = end;
    const first = this.#map.indexAt(offset);
    const run = this.#map.run(first);
    if (run.endBytes >= end) {
      const bytes = this.#piece(first, run, offset, end);
      if (isSequential) this.#readAhead(first + 1, end + this.#readAheadBytes);
      return (await bytes) ?? new Uint8Array(length);
    }
    const whole = Buffer.alloc(length);
    for (let index = first, at = offset; at < end; index += 1) {
      const next = this.#map.run(index);
      const pieceEnd = Math.min(next.endBytes, end);
      const piece = this.#piece(index, next, at, pieceEnd);
      // The chunks of this read, and those behind it only when the next read will want them.
      const ahead = pieceEnd + this.#readAheadBytes;
      this.#readAhead(index + 1, isSequential ? ahead : Math.min(ahead, end));
      const bytes = await piece;
      if (bytes !== undefined) whole.set(bytes, at - offset);
      at = pieceEnd;
    }
    return whole;
  }

  /** A stretch inside of one run; undefined for zeros. */
  async #piece(index: number, run: DiskRun, from: number, to: number): Promise<Uint8Array | undefined> {
    if (run.kind === "zero" || run.kind === "unused") return undefined;
    if (run.kind === "raw") return await this.#fork.read(run.offset + from - run.startBytes, to - from);
    const chunk = await this.#cache.get(index, run.endBytes - run.startBytes);
    return chunk.subarray(from - run.startBytes, to - run.startBytes);
  }

  /** Begins to unpack the chunks from run `first` on that begin before byte `until` of the disk. */
  #readAhead(first: number, until: number): void {
    const lastRun = Math.min(this.#map.count, first + this.#chunksAtOnce * 2);
    for (let index = first; index < lastRun; index += 1) {
      const { kind, startBytes, endBytes } = this.#map.run(index);
      if (startBytes >= until) return;
      if (kind === "zero" || kind === "unused" || kind === "raw") continue;
      // Who needs it gets the failure.
      this.#cache.get(index, endBytes - startBytes).catch(() => {});
    }
  }
}
