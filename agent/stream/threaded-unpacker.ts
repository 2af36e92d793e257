import type { Logger } from "pino";
import { Fault } from "../../fault.ts";
import type { AnsweringThread } from "../threads/answering-thread.ts";
import { startThread } from "../threads/start-thread.ts";
import { cellsIn, PLACE_BYTES, type Span, type UnpackFormat } from "./pack-work.ts";
import { unpackProgram } from "./unpack-program.ts";
import type { UnpackAnswer, UnpackOrder, UnpackStart } from "./unpack-thread.ts";
import type { Unpacker } from "./unpacker.ts";

/** One is unpacked, one is written, and one waits for either: more only take memory. */
const PLACES = 4;

/** What it works on is not in its heap: there is little, and it should not be left to grow. */
const THREAD_MEMORY = { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 64 };

const END = {
  code: "UNPACK_THREAD_ENDED",
  what: "The thread that unpacks the image ended. The disk is incomplete and does not boot.",
};

type Thread = AnsweringThread<UnpackOrder, UnpackAnswer>;

/**
 * A thread that repairs and unpacks in memory that it shares with this one, so that receiving is never held up.
 *
 * @param memory what repairs and ready packs are views into: the whole of a SharedArrayBuffer
 * @returns undefined where no thread can be started
 */
export async function openThreadedUnpacker(
  format: UnpackFormat,
  memory: Uint8Array,
  log: Logger,
): Promise<Unpacker | undefined> {
  if (!(memory.buffer instanceof SharedArrayBuffer)) return undefined;
  const places = new SharedArrayBuffer(PLACES * PLACE_BYTES);
  const start: UnpackStart = { format, symbols: memory.buffer, places };
  const about = { log, work: "to unpack in", end: END };
  const thread = await startThread<UnpackOrder, UnpackAnswer>(unpackProgram, start, THREAD_MEMORY, about);
  return thread === undefined ? undefined : new ThreadedUnpacker(thread, places);
}

class ThreadedUnpacker implements Unpacker {
  readonly mostPacks = PLACES;
  readonly #thread: Thread;
  readonly #places: SharedArrayBuffer;
  readonly #free = Array.from({ length: PLACES }, (_, place) => place);

  constructor(thread: Thread, places: SharedArrayBuffer) {
    this.#thread = thread;
    this.#places = places;
  }

  async repair({ bytes, missing, parity }: Parameters<Unpacker["repair"]>[0]): Promise<void> {
    await this.#thread.ask({ type: "repair", block: spanOf(bytes), missing, parity });
  }

  async unpack(...[{ pieces }, { digest, cellIds }]: Parameters<Unpacker["unpack"]>) {
    if (this.#thread.ended !== undefined) throw this.#thread.ended;
    const place = this.#free.pop();
    if (place === undefined) throw new Error("More packs were given to unpack than there is place for.");
    const free = () => {
      this.#free.push(place);
    };
    const names = { digest, cellIds };
    const answer = await this.#thread.ask({ type: "unpack", pieces: pieces.map(spanOf), names, place });
    if (answer.type === "unpacked") {
      const { at, length } = answer.cells;
      return { cells: cellsIn(new Uint8Array(this.#places, place * PLACE_BYTES + at, length)), free };
    }
    free();
    if (answer.type === "wrong") throw new Fault(answer.fault.code, answer.fault);
    throw new Error("The thread answered something else than it was asked.");
  }

  async close(): Promise<void> {
    await this.#thread.close();
  }
}

function spanOf({ byteOffset, length }: Uint8Array): Span {
  return { at: byteOffset, length };
}
