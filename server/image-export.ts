import { randomUUID } from "node:crypto";
import { type FileHandle, link, lstat, open, rename, unlink } from "node:fs/promises";
import { Fault } from "../fault.ts";
import { CELL_BYTES } from "../images/cell.ts";
import type { Manifest } from "../images/manifest.ts";
import { decodePack } from "../images/pack.ts";
import { placesOfPack } from "../images/pack-places.ts";
import type { PackReader } from "../images/pack-reader.ts";

export type ExportProgress = { readonly doneBytes: number; readonly totalBytes: number };

/**
 * Writes an image as a raw disk image with holes where it is zero or unused.
 * The file gets its name when it is complete; a file of that name is never replaced.
 *
 * @throws {Fault} FILE_EXISTS, DISK_FULL, PACK_MISSING, PACK_DAMAGED
 */
export async function exportRaw(
  packs: PackReader,
  manifest: Manifest,
  path: string,
  options: { readonly onProgress?: (progress: ExportProgress) => void; readonly signal?: AbortSignal } = {},
): Promise<void> {
  await refuseExisting(path);
  const temporary = `${path}.${randomUUID()}.part`;
  const file = await open(temporary, "wx");
  try {
    await file.truncate(manifest.diskBytes);
    await writeCells(packs, manifest, file, options);
    await file.sync();
    await giveName(temporary, path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG") throw diskFull(path, manifest.diskBytes, error);
    throw error;
  } finally {
    await file.close();
    await unlink(temporary).catch(() => {});
  }
}

/** Linking never replaces a file that came meanwhile. The FAT of a USB stick has no links: there a last look must do. */
async function giveName(temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path);
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (code !== "EEXIST" && !["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"].includes(code)) throw error;
    await refuseExisting(path);
    await rename(temporary, path);
  }
}

async function writeCells(
  packs: PackReader,
  manifest: Manifest,
  file: FileHandle,
  options: { readonly onProgress?: (progress: ExportProgress) => void; readonly signal?: AbortSignal },
): Promise<void> {
  const places = placesOfPack(manifest);
  const totalBytes = manifest.packs.reduce((sum, { storedBytes }) => sum + storedBytes, 0);
  let doneBytes = 0;
  for (const [number, pack] of manifest.packs.entries()) {
    options.signal?.throwIfAborted();
    const cells = decodePack(await packs.read(pack, number), pack);
    for (const { index, cell } of places.get(number)) await writeAll(file, cells[index]!, cell * CELL_BYTES);
    doneBytes += pack.storedBytes;
    options.onProgress?.({ doneBytes, totalBytes });
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, at, bytes.length - at, offset + at);
    at += bytesWritten;
  }
}

async function refuseExisting(path: string): Promise<void> {
  const isThere = await lstat(path).then(
    () => true,
    () => false,
  );
  if (!isThere) return;
  throw new Fault("FILE_EXISTS", {
    what: `${path} exists already.`,
    why: "An export never replaces a file.",
    fix: 'Give another name, or remove the file first. A disk is written with "bootcast restore".',
  });
}

function diskFull(path: string, diskBytes: number, cause: unknown): Fault {
  return new Fault(
    "DISK_FULL",
    {
      what: `There is no room for ${path}; what was written of it is removed.`,
      why: `The disk image has ${diskBytes} bytes, less what is empty in it.`,
      fix: "Make room or export to another file system.",
    },
    cause,
  );
}
