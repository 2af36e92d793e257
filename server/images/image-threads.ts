import { availableParallelism } from "node:os";
import { CELL_BYTES } from "../../images/cell.ts";
import type { CellWork } from "../../images/cell-work.ts";
import { ID_BYTES, type PackEntry } from "../../images/manifest.ts";
import { type EncodedPack, maxPackBytes, type PackCodec, type PackOptions } from "../../images/pack.ts";
import type { Unpacked } from "../../images/stored-disk.ts";
import { decodeChunk } from "../../images/udif/codecs.ts";
import type { CompressCodec } from "./compress-chunk.ts";
import { SharedMemory } from "./shared-memory.ts";
import type { JobKind, Jobs } from "./thread-jobs.ts";
import { ThreadPool } from "./thread-pool.ts";

/** Jobs beside those that run, so that no thread waits while the next one is read or the last one written. */
const JOBS_AHEAD = 4;

/** The threads that all of this process use. They end when nobody does. */
let shared: { readonly pool: ThreadPool; readonly memory: SharedMemory; users: number } | undefined;

/**
 * The cores, for the work on an image that computes: hashing and packing cells, unpacking packs, the chunks of .dmg.
 * Whoever needs them takes them for one image and closes them; the threads are the same for all of the process.
 */
export class ImageThreads implements CellWork {
  readonly lanes: number;
  readonly stretchesAtOnce: number;
  readonly #pool: ThreadPool;
  readonly #memory: SharedMemory;
  readonly #underWay = new Set<Promise<unknown>>();
  #isClosed = false;

  constructor() {
    this.lanes = availableParallelism();
    this.stretchesAtOnce = this.lanes + JOBS_AHEAD;
    shared ??= {
      pool: new ThreadPool(this.lanes),
      memory: new SharedMemory(this.lanes * 4 + JOBS_AHEAD * 2),
      users: 0,
    };
    shared.users += 1;
    this.#pool = shared.pool;
    this.#memory = shared.memory;
  }

  take(lengthBytes: number): Uint8Array {
    return this.#memory.take(lengthBytes);
  }

  giveBack(memory: Uint8Array): void {
    this.#memory.giveBack(memory);
  }

  async identify(cells: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return this.#lending(cells, async (lent) => {
      const { ids, isData } = await this.#run("identify", { cells: lent });
      return cells.map((_, at) => (isData[at] === 1 ? ids.subarray(at * ID_BYTES, (at + 1) * ID_BYTES) : undefined));
    });
  }

  async encodePack(
    cells: readonly Uint8Array[],
    codec: PackCodec,
    options: PackOptions & { readonly cellIds: Uint8Array },
  ): Promise<EncodedPack> {
    const { cellIds, level } = options;
    const into = this.take(maxPackBytes(cells.length));
    const { digest, lengthBytes } = await this.#into(into, () =>
      this.#lending(cells, (lent) =>
        this.#run("pack", { cells: lent, codec, level, cellIds: Uint8Array.from(cellIds), into }),
      ),
    );
    return { digest, bytes: into.subarray(0, lengthBytes), cellIds };
  }

  /** Checks and unpacks a pack as `decodePack` in images/pack.ts does; its cells are to be freed. */
  readonly unpack = async (
    bytes: Uint8Array,
    { digest, cellIds }: Pick<PackEntry, "digest" | "cellIds">,
  ): Promise<Unpacked> => {
    const count = cellIds.length / ID_BYTES;
    const into = this.take(count * CELL_BYTES);
    const names = { digest, cellIds: Uint8Array.from(cellIds) };
    const lengthBytes = await this.#into(into, () =>
      this.#lending([bytes], ([stored]) => this.#run("unpack", { stored: stored!, ...names, into })),
    );
    const plain = into.subarray(0, lengthBytes);
    const cells = Array.from({ length: count }, (_, at) => plain.subarray(at * CELL_BYTES, (at + 1) * CELL_BYTES));
    return { cells, free: () => this.giveBack(into) };
  };

  /** Packs one chunk of a .dmg, into memory that is to be given back; undefined when that does not make it shorter. */
  async compress(codec: CompressCodec, bytes: Uint8Array): Promise<Uint8Array | undefined> {
    const into = this.take(bytes.length);
    const lengthBytes = await this.#into(into, () =>
      this.#lending([bytes], ([lent]) => this.#run("compress", { codec, bytes: lent!, into })),
    );
    if (lengthBytes !== undefined) return into.subarray(0, lengthBytes);
    this.giveBack(into);
    return undefined;
  }

  /** As `decodeChunk`. zlib and xz run in libuv's threads anyway, and need not be lent to others. */
  readonly decodeChunk: typeof decodeChunk = (codec, bytes, length) => {
    if (codec !== "bzip2" && codec !== "adc") return decodeChunk(codec, bytes, length);
    return this.#lending([bytes], ([lent]) => this.#run("decode", { codec, bytes: lent!, length }));
  };

  /** What has not begun is rejected. Resolves when nothing is under way any more. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#pool.giveUp(this, ended());
    await Promise.allSettled(this.#underWay);
    if (shared?.pool !== this.#pool) return;
    shared.users -= 1;
    if (shared.users > 0) return;
    shared = undefined;
    // Who closed it may still be remembered for long, for instance by a stream.
    this.#memory.clear();
    await this.#pool.close();
  }

  #run<Kind extends JobKind>(kind: Kind, given: Jobs[Kind]["given"]): Promise<Jobs[Kind]["result"]> {
    if (this.#isClosed) return Promise.reject(ended());
    const running = this.#pool.run(kind, given, this);
    this.#underWay.add(running);
    const forget = () => this.#underWay.delete(running);
    running.then(forget, forget);
    return running;
  }

  /** Work that fills memory; when it fails, nobody will give that back. */
  async #into<Result>(memory: Uint8Array, work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      this.giveBack(memory);
      throw error;
    }
  }

  /** Copies into shared memory what does not lie in it already, for as long as `use` takes. */
  async #lending<Result>(
    pieces: readonly Uint8Array[],
    use: (lent: readonly Uint8Array[]) => Promise<Result>,
  ): Promise<Result> {
    const own: Uint8Array[] = [];
    const lent = pieces.map((piece) => {
      if (piece.buffer instanceof SharedArrayBuffer) return piece;
      const copy = this.#memory.take(piece.length);
      copy.set(piece);
      own.push(copy);
      return copy;
    });
    try {
      return await use(lent);
    } finally {
      for (const copy of own) this.#memory.giveBack(copy);
    }
  }
}

function ended(): Error {
  return new Error("The work on this image was ended.");
}
