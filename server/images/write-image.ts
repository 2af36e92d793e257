import { randomBytes } from "node:crypto";
import { unlink } from "node:fs/promises";
import type { BlockSource } from "../../images/block.ts";
import { Bmap } from "../../images/bmap.ts";
import type { ForeignRange } from "../../images/foreign-image.ts";
import { writeUdif } from "../../images/udif/write-udif.ts";
import { ImageThreads } from "./image-threads.ts";
import { OutputFile } from "./write-output.ts";
import { writeRaw } from "./write-raw.ts";

/** Raw disk with holes; the same with a `.bmap` beside it; .dmg packed with zlib; .dmg packed with xz. */
export const WRITTEN_FORMATS = ["raw", "sparse", "udzo", "ulmo"] as const;
export type WrittenFormat = (typeof WRITTEN_FORMATS)[number];

export type WriteImageOptions = {
  readonly format: WrittenFormat;
  /** Replaces a file of that name, when the new one is complete. */
  readonly isForced?: boolean;
  /** Bytes of the disk that are done, of all. */
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
  readonly signal?: AbortSignal;
};

/** A disk to be written, and what is known of it without reading. */
export type DiskToWrite = { readonly source: BlockSource; ranges?(): Iterable<ForeignRange> };

/** The file beside a sparse image: where bmaptool looks for it. */
export function bmapPath(path: string): string {
  return `${path}.bmap`;
}

/**
 * Writes a disk as an image file. The file, and its `.bmap`, get their names
 * when they are complete and safe on the disk; before, and after a failure,
 * nothing of them is there.
 *
 * @throws {Fault} FILE_EXISTS, FILE_KIND, FILE_NAME, FOLDER_MISSING, DISK_FULL, FILE_TOO_LARGE, IMAGE_SIZE; and what the source throws
 */
export async function writeImage(disk: DiskToWrite, path: string, options: WriteImageOptions): Promise<void> {
  const { format, isForced = false } = options;
  const file = await OutputFile.create(path, isForced);
  try {
    if (format === "sparse") return await writeSparse(disk, file, options);
    if (format === "raw") await writeRaw(disk.source, file, { ...options, ranges: disk.ranges?.() });
    else await writeDmg(disk, file, format === "udzo" ? "zlib" : "xz", options);
    await file.flush();
    options.signal?.throwIfAborted();
    await file.publish();
  } finally {
    await file.close();
  }
}

async function writeSparse(disk: DiskToWrite, file: OutputFile, options: WriteImageOptions): Promise<void> {
  const mapFile = await OutputFile.create(bmapPath(file.path), options.isForced ?? false);
  try {
    const bmap = new Bmap(disk.source.sizeBytes);
    await writeRaw(disk.source, file, { ...options, bmap, ranges: disk.ranges?.() });
    for (const piece of bmap.encode()) await mapFile.append(Buffer.from(piece));
    await file.flush();
    await mapFile.flush();
    options.signal?.throwIfAborted();
    // An old map must never lie beside a new image: it would copy only a part of it.
    if (options.isForced) await unlink(mapFile.path).catch(() => {});
    await file.publish();
    await mapFile.publish();
  } finally {
    await mapFile.close();
  }
}

async function writeDmg(
  disk: DiskToWrite,
  file: OutputFile,
  codec: "zlib" | "xz",
  { onProgress, signal }: WriteImageOptions,
): Promise<void> {
  const threads = new ImageThreads();
  try {
    await writeUdif(disk.source, (bytes) => file.append(bytes), {
      codec,
      compress: (bytes) => threads.compress(codec, bytes),
      memory: threads,
      // Enough that no thread waits while the oldest chunk is written.
      chunksAtOnce: threads.lanes + 4,
      segmentId: randomBytes(16),
      ranges: disk.ranges?.(),
      onProgress,
      signal,
    });
  } finally {
    await threads.close();
  }
}
