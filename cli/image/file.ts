import { existsSync, statSync } from "node:fs";
import { readInto } from "../../images/block.ts";
import type { FileSource } from "../../server/images/file-source.ts";
import { type DiskImage, openImage } from "../../server/images/open-image.ts";
import { isSparseBundle } from "../../server/images/sparse-bundle-folder.ts";
import { say } from "../terminal/output.ts";
import { progressLine } from "../terminal/progress.ts";
import { type PassphraseFlags, passphraseOf } from "./passphrase.ts";

/**
 * Opens a disk image of any format for a command: asks for the passphrase, and
 * shows how far unpacking is.
 *
 * @throws {Fault} those of `openImage`
 */
export async function openImageFile(
  path: string,
  flags: PassphraseFlags,
  options: { readonly signal?: AbortSignal } = {},
): Promise<DiskImage> {
  const progress = progressLine("unpacking");
  const passphrase = passphraseOf(flags, path);
  return openImage(path, {
    ...(passphrase && { passphrase }),
    ...(options.signal && { signal: options.signal }),
    log: say,
    onProgress: (doneBytes, totalBytes) => progress.update(doneBytes, totalBytes),
  }).finally(() => progress.end());
}

/** The disk of an image, for what reads raw ones. */
export function fileSourceOf(image: DiskImage): FileSource {
  const { source, sectorBytes } = image;
  return {
    sizeBytes: source.sizeBytes,
    sectorBytes,
    read: (offset, length) => source.read(offset, length),
    readInto: (offset, target) => readInto(source, offset, target),
    close: () => image.close(),
  };
}

/** Whether a name is that of a file (or a sparse bundle), which then counts before an image of the store. */
export async function isImageFile(path: string): Promise<boolean> {
  if (!existsSync(path)) return false;
  return !statSync(path).isDirectory() || isSparseBundle(path);
}
