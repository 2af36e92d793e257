import { type BlockSource, readInto } from "../../images/block.ts";
import { BMAP_BLOCK_BYTES, type Bmap } from "../../images/bmap.ts";
import { type ForeignRange, rangesWithin } from "../../images/foreign-image.ts";
import { SharedMemory } from "./shared-memory.ts";
import { WriteBehind } from "./write-behind.ts";
import type { OutputFile } from "./write-output.ts";

const STEP_BYTES = 1 << 20;
/** Steps that are written while the next one is read. */
const STEPS_BEHIND = 4;
/** A hole is worth it from here on; shorter ones would only make the map of the file long. */
const LEAST_HOLE_BYTES = 16 * BMAP_BLOCK_BYTES;
const zeros = Buffer.alloc(BMAP_BLOCK_BYTES);

export type RawWriteOptions = {
  /** What is known of the disk: zero and unused stretches are not read. */
  readonly ranges?: Iterable<ForeignRange> | undefined;
  /** Learns what is written. */
  readonly bmap?: Bmap | undefined;
  readonly onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
};

/** Writes a disk as it is, with holes where it is zero. */
export async function writeRaw(source: BlockSource, file: OutputFile, options: RawWriteOptions): Promise<void> {
  const totalBytes = source.sizeBytes;
  await file.setLength(totalBytes);
  const memory = new SharedMemory(STEPS_BEHIND + 1);
  const writing = new WriteBehind(STEPS_BEHIND);
  try {
    await writeRanges(source, file, options, memory, writing);
    await writing.end();
  } finally {
    // Nobody may still write when the caller learns of a failure.
    await writing.settle();
  }
}

async function writeRanges(
  source: BlockSource,
  file: OutputFile,
  options: RawWriteOptions,
  memory: SharedMemory,
  writing: WriteBehind,
): Promise<void> {
  const totalBytes = source.sizeBytes;
  let at = 0;
  for (const { endBytes, state } of rangesWithin(options.ranges ?? [], 0, totalBytes)) {
    if (state !== "data") {
      // A block that only begins empty is read with what follows.
      const wholeEnd = endBytes === totalBytes ? endBytes : endBytes - (endBytes % BMAP_BLOCK_BYTES);
      at = Math.max(at, wholeEnd);
      options.onProgress?.(at, totalBytes);
      continue;
    }
    const dataEnd = Math.min(totalBytes, Math.ceil(endBytes / BMAP_BLOCK_BYTES) * BMAP_BLOCK_BYTES);
    while (at < dataEnd) {
      options.signal?.throwIfAborted();
      const length = Math.min(STEP_BYTES, dataEnd - at);
      const own = source.readInto && memory.take(length);
      const bytes = own ?? (await source.read(at, length));
      if (own !== undefined) await readInto(source, at, own);
      const start = at;
      const stretches = stretchesOfContent(bytes);
      for (const [from, to] of stretches) options.bmap?.add(start + from, bytes.subarray(from, to));
      await writing.add(async () => {
        for (const [from, to] of stretches) await file.write(start + from, bytes.subarray(from, to));
        if (own !== undefined) memory.giveBack(own);
      });
      at += length;
      options.onProgress?.(at, totalBytes);
    }
  }
}

/** The stretches of whole blocks that are not zero; short gaps between them count as content. */
function stretchesOfContent(bytes: Uint8Array): [number, number][] {
  const stretches: [number, number][] = [];
  for (let at = 0; at < bytes.length; at += BMAP_BLOCK_BYTES) {
    const end = Math.min(bytes.length, at + BMAP_BLOCK_BYTES);
    if (zeros.compare(bytes, at, end, 0, end - at) === 0) continue;
    const last = stretches.at(-1);
    if (last !== undefined && at - last[1] < LEAST_HOLE_BYTES) last[1] = end;
    else stretches.push([at, end]);
  }
  return stretches;
}
