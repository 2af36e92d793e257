import type { Manifest } from "../../images/manifest.ts";
import type { PackReader } from "../../images/pack-reader.ts";
import { ImageThreads } from "./image-threads.ts";

export type UnpackPacksOptions = {
  readonly onProgress?: (donePacks: number, totalPacks: number) => void;
  readonly signal?: AbortSignal | undefined;
  /** Whether a pack is needed at all; all are unless told. */
  readonly isNeeded?: (number: number) => boolean;
};

/**
 * Reads all packs of an image, checks and unpacks them on all cores, and hands each to `use`: nearly in their order, and
 * several at the same time, so that the next are read and unpacked while some are written. At most 8 MiB a core are under way.
 *
 * @param use the cells are its own until it resolves; their memory is used again then
 * @throws {Fault} PACK_DAMAGED, PACK_INVALID, and what `packs` and `use` throw: the first of them, when nothing is under way any more
 */
export async function unpackPacks(
  packs: PackReader,
  manifest: Manifest,
  use: (number: number, cells: readonly Uint8Array[]) => Promise<void>,
  { onProgress, signal, isNeeded = () => true }: UnpackPacksOptions = {},
): Promise<void> {
  const threads = new ImageThreads();
  const needed = manifest.packs.flatMap((_, number) => (isNeeded(number) ? [number] : []));
  const total = needed.length;
  let next = 0;
  let done = 0;
  let failure: { readonly error: unknown } | undefined;
  const lane = async () => {
    while (next < total && failure === undefined) {
      const number = needed[next]!;
      next += 1;
      try {
        signal?.throwIfAborted();
        const entry = manifest.packs[number]!;
        const { cells, free } = await threads.unpack(await packs.read(entry, number), entry);
        await use(number, cells);
        free?.();
        done += 1;
        onProgress?.(done, total);
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: threads.stretchesAtOnce }, lane));
  } finally {
    await threads.close();
  }
  if (failure !== undefined) throw failure.error;
}
