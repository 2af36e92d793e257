import type { Manifest } from "../../images/manifest.ts";
import type { PackReader } from "../../images/pack-reader.ts";
import { StoredDisk } from "../../images/stored-disk.ts";
import { ImageThreads } from "../images/image-threads.ts";
import { type WriteImageOptions, writeImage } from "../images/write-image.ts";

/**
 * Writes an image of the store as a file that other programs read. What is
 * unused in it becomes zeros: a hole, or a run without content.
 *
 * @throws {Fault} those of `writeImage`; PACK_MISSING, PACK_DAMAGED
 */
export async function exportImage(
  packs: PackReader,
  manifest: Manifest,
  path: string,
  options: WriteImageOptions,
): Promise<void> {
  const threads = new ImageThreads();
  try {
    const disk = new StoredDisk(packs, manifest, threads.unpack);
    await writeImage({ source: disk, ranges: () => disk.ranges() }, path, options);
  } finally {
    await threads.close();
  }
}
