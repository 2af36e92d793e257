import type { KeyObject } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { Fault } from "../../fault.ts";
import type { Manifest } from "../../images/manifest.ts";
import { decodeScanIndex, encodeScanIndex, type ScannedFile } from "../../images/scan-index.ts";
import { realDisk } from "../store/disk.ts";
import { isMissing, writeWhole } from "../store/files.ts";

/** Where the index of a disk image is looked for. */
export function scanIndexPath(path: string): string {
  return `${path.replace(/\/+$/, "")}.bootcast-scan`;
}

/** Bands of a sparse bundle of 8 MiB each: 8 TiB. */
const MOST_FILES = 1_000_000;

/**
 * What a disk image file looks like now; of a sparse bundle or a .dmg in
 * segments, all of its files.
 *
 * @throws {Fault} SCAN_KIND for a device: it changes, and no date says so
 */
export async function lookAtFile(path: string, format: string): Promise<ScannedFile> {
  const found = await stat(path, { bigint: true });
  if (!found.isFile() && !found.isDirectory()) throw notAFile(path);
  const all = found.isDirectory() ? await filesBelow(path) : [path, ...(await segmentsOf(path))];
  let sizeBytes = 0n;
  let modifiedNs = 0n;
  for (const file of all) {
    const { size, mtimeNs } = await stat(file, { bigint: true });
    sizeBytes += size;
    if (mtimeNs > modifiedNs) modifiedNs = mtimeNs;
  }
  return { format, files: all.length, sizeBytes: Number(sizeBytes), modifiedNs: String(modifiedNs) };
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .slice(0, MOST_FILES)
    .map((entry) => join(entry.parentPath, entry.name));
}

/** "disk.002.dmgpart" … of "disk.dmg"; "disk.img.ab" … of "disk.img.aa". */
async function segmentsOf(path: string): Promise<string[]> {
  const name = basename(path);
  const isPiece = name.endsWith(".dmg")
    ? (other: string) => other.startsWith(name.slice(0, -3)) && /^\d{3}\.dmgpart$/.test(other.slice(name.length - 3))
    : (other: string) =>
        /\.aa$/.test(name) && other.startsWith(name.slice(0, -2)) && /^[a-z]{2}$/.test(other.slice(-2));
  const names = await readdir(dirname(path));
  return names.filter((other) => other !== name && isPiece(other)).map((other) => join(dirname(path), other));
}

/** Writes an index under its name when all of it is on the disk; one that was there is replaced. */
export async function writeScanIndex(indexPath: string, file: ScannedFile, manifestBytes: Uint8Array): Promise<void> {
  await writeWhole(realDisk, dirname(indexPath), indexPath, encodeScanIndex(file, manifestBytes), "replace");
  await realDisk.syncDirectory(dirname(indexPath));
}

export type FoundIndex = { readonly manifest: Manifest; readonly manifestBytes: Uint8Array };

/**
 * The index of a disk image, when there is one and the file is still what was scanned.
 *
 * @returns undefined when there is none
 * @throws {Fault} SOURCE_CHANGED, SCAN_INDEX_INVALID, and those of `decodeManifest`
 */
export async function readScanIndex(
  path: string,
  indexPath: string,
  trusted: readonly KeyObject[],
): Promise<FoundIndex | undefined> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(indexPath);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  const { file, manifest, manifestBytes } = decodeScanIndex(bytes, trusted);
  const now = await lookAtFile(path, file.format);
  const isSame = now.sizeBytes === file.sizeBytes && now.modifiedNs === file.modifiedNs && now.files === file.files;
  if (!isSame) throw changed(path, indexPath);
  return { manifest, manifestBytes };
}

/** A disk image that is not what its index was made of. */
export function changed(path: string, indexPath: string): Fault {
  return new Fault("SOURCE_CHANGED", {
    what: `${path} was changed after it was scanned.`,
    why: `Its size or date is another one than ${indexPath} says: it was written to, or copied.`,
    fix: `Scan it again: "bootcast image scan ${path}". Or remove the index.`,
  });
}

function notAFile(path: string): Fault {
  return new Fault("SCAN_KIND", {
    what: `${path} cannot have a scan index.`,
    why: "It is a device: it may change at any time, and no date would say so.",
    fix: 'Import it: "bootcast image import". Or send it as it is: "bootcast stream --source" scans it each time.',
  });
}
