import { constants, lstat, open, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { BlockSource } from "../../images/block.ts";
import type { ForeignRange } from "../../images/foreign-image.ts";
import {
  bandNumberOf,
  damagedBundle,
  decodeBundleInfo,
  MAX_BUNDLE_INFO_BYTES,
  sparseBundleSource,
} from "../../images/sparse-bundle.ts";
import { encryptedBundle } from "./zip.ts";

/** True for a folder that says it is a sparse bundle. */
export async function isSparseBundle(path: string): Promise<boolean> {
  const found = await stat(join(path, "Info.plist")).catch(() => undefined);
  return found?.isFile() === true && (await stat(join(path, "bands")).catch(() => undefined))?.isDirectory() === true;
}

/**
 * Opens a sparse bundle where it lies.
 *
 * @throws {Fault} SPARSE_BUNDLE_DAMAGED, ENCRYPTED_KIND
 */
export async function openSparseBundle(
  path: string,
): Promise<{ readonly source: BlockSource; ranges(): Iterable<ForeignRange> }> {
  if ((await stat(join(path, "Info.plist"))).size > MAX_BUNDLE_INFO_BYTES)
    throw damagedBundle("Its Info.plist is too long.");
  const token = await stat(join(path, "token")).catch(() => undefined);
  if ((token?.size ?? 0) > 0) throw encryptedBundle();
  const info = decodeBundleInfo(await readFile(join(path, "Info.plist")));
  const bands = new Map<number, number>();
  for (const name of await readdir(join(path, "bands"))) {
    const band = bandNumberOf(name);
    if (band === undefined) continue;
    const found = await lstat(join(path, "bands", name));
    // A link in a bundle from elsewhere could name any file of this machine.
    if (!found.isFile()) throw damagedBundle(`Band ${name} is a link, a folder or another thing that is no file.`);
    bands.set(band, found.size);
  }
  return sparseBundleSource(info, bands, (band, offset, length) => readBand(join(path, "bands"), band, offset, length));
}

async function readBand(directory: string, band: number, offset: number, length: number): Promise<Uint8Array> {
  // Opened for each read: a bundle has more bands than a process may have open files.
  const file = await open(join(directory, band.toString(16)), constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const bytes = Buffer.allocUnsafeSlow(length);
    for (let at = 0; at < length; ) {
      const { bytesRead } = await file.read(bytes, at, length - at, offset + at);
      if (bytesRead === 0) throw damagedBundle(`Band ${band.toString(16)} became shorter while it was read.`);
      at += bytesRead;
    }
    return bytes;
  } finally {
    await file.close();
  }
}
