import { parentPort } from "node:worker_threads";
import { Fault } from "../../fault.ts";
import { cellId, isZero } from "../../images/cell.ts";
import { freeMemory } from "../../images/free-memory.ts";
import { ID_BYTES } from "../../images/manifest.ts";
import { decodePack, encodePack } from "../../images/pack.ts";
import { decodeChunk } from "../../images/udif/codecs.ts";
import { compressChunk } from "./compress-chunk.ts";
import type { Job, JobKind, Jobs, ThreadAnswer } from "./thread-jobs.ts";

/** One thread of `thread-pool.ts`: does one job after the other. */

type Done<Kind extends JobKind> = { readonly result: Jobs[Kind]["result"]; readonly handedOver?: Uint8Array };

const doers: { readonly [Kind in JobKind]: (given: Jobs[Kind]["given"]) => Done<Kind> | Promise<Done<Kind>> } = {
  identify({ cells }) {
    const ids = new Uint8Array(cells.length * ID_BYTES);
    const isData = new Uint8Array(cells.length);
    for (const [at, cell] of cells.entries()) {
      if (isZero(cell)) continue;
      isData[at] = 1;
      ids.set(cellId(cell), at * ID_BYTES);
    }
    return { result: { ids, isData } };
  },
  async pack({ cells, codec, level, cellIds, into }) {
    const options = { cellIds, memory: () => into, ...(level !== undefined && { level }) };
    const { digest, bytes } = await encodePack(cells, codec, options);
    return { result: { digest, lengthBytes: bytes.length } };
  },
  unpack({ stored, digest, cellIds, into }) {
    let at = 0;
    const cells = decodePack(stored, { digest, cellIds });
    for (const cell of cells) {
      into.set(cell, at);
      at += cell.length;
    }
    freeMemory(cells[0]!);
    return { result: at };
  },
  async compress({ codec, bytes, into }) {
    const coded = await compressChunk(codec, bytes);
    const isShorter = coded.length < into.length;
    if (isShorter) into.set(coded);
    const { length } = coded;
    freeMemory(coded);
    return { result: isShorter ? length : undefined };
  },
  async decode({ codec, bytes, length }) {
    const plain = await decodeChunk(codec, bytes, length);
    // Only what is exactly its own memory can be handed over without a copy.
    const result = plain.byteLength === plain.buffer.byteLength ? plain : Uint8Array.from(plain);
    return { result, handedOver: result };
  },
};

async function answer({ kind, given }: Job): Promise<void> {
  try {
    const { result, handedOver } = await (doers[kind] as (given: unknown) => Done<JobKind> | Promise<Done<JobKind>>)(
      given,
    );
    say({ result }, handedOver);
  } catch (error) {
    if (error instanceof Fault) say({ fault: error.toJSON() });
    else say({ problem: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
}

function say(message: ThreadAnswer, handedOver?: Uint8Array): void {
  parentPort!.postMessage(message, handedOver === undefined ? [] : [handedOver.buffer as ArrayBuffer]);
}

let work = Promise.resolve();
parentPort!.on("message", async (job: Job | undefined) => {
  if (job !== undefined) {
    work = answer(job);
    return;
  }
  // Nothing stands for the end.
  await work;
  parentPort!.close();
});
