import type { ByteRange } from "../block.ts";
import { freeRangesOf } from "./bitmap.ts";
import { attributeType, HOLE, NtfsVolume, ntfsFile, repaired, type Stream } from "./ntfs-volume.ts";
import { type BlockRun, expect, type FreeSpace, piecesOf, type Volume } from "./volume.ts";

const VOLUME_IS_DIRTY = 0x1;
const NO_CLIENT = 0xffff;
const RESTART_VOLUME_IS_CLEAN = 0x2;
/** No record of a log's restart page is larger. */
const RESTART_PAGE_BYTES = 4096;
/** The root folder of a system has a few dozen entries: 16 MiB of them are hundred thousand. */
const MOST_INDEX_BYTES = 16 << 20;
const NUMBER_MASK = 0xffff_ffff_ffffn;
const NOT_PLAIN = 0x0001 | 0x4000 | 0x8000;

/**
 * The free clusters of an NTFS volume, from its bitmap.
 *
 * It is believed when Windows has unmounted it: neither marked dirty, nor a log that
 * is still open, nor hibernated. "Fast startup" makes every shutdown a hibernation.
 */
export async function readNtfsFreeSpace(volume: Volume): Promise<FreeSpace> {
  const ntfs = await NtfsVolume.open(volume);
  const { clusters, clusterBytes } = ntfs;
  if (await isHibernated(ntfs)) {
    return {
      state: "dirty",
      problem: "holds a hibernated Windows, or one that was shut down with fast startup",
      fix: 'start Windows and shut it down with "shutdown /s /t 0" after "powercfg /h off"',
    };
  }
  if ((await isMarkedDirty(ntfs)) || !(await isLogClosed(ntfs))) {
    return {
      state: "dirty",
      problem: "was not unmounted by Windows",
      fix: 'start Windows and shut it down, or run "chkdsk /f" on it ("ntfsfix -d" where there is no Windows)',
    };
  }
  const bitmap = await ntfs.stream(ntfsFile.bitmap, attributeType.data, "");
  const bitmapBytes = Math.ceil(clusters / 8);
  expect(bitmap !== undefined && bitmap.initializedBytes >= bitmapBytes, "its bitmap is too short");
  expect(
    bitmap.runs.every(({ first }) => first !== HOLE),
    "its bitmap has holes",
  );
  const pieces = piecesOf(volume, bitmap.runs, clusterBytes, bitmapBytes);
  const shape = { startBytes: volume.startBytes, blockBytes: clusterBytes, blocks: clusters };
  return { state: "known", ranges: freeRangesOf(pieces, shape) };
}

/**
 * Where the content of the first of `names` in the root folder lies, and of all
 * others: only files that are nothing but clusters of their own.
 */
export async function findNtfsFiles(volume: Volume, names: readonly string[]): Promise<(readonly ByteRange[])[]> {
  const ntfs = await NtfsVolume.open(volume);
  const found = await rootEntries(ntfs, names);
  const files: ByteRange[][] = [];
  for (const number of found.values()) {
    const attributes = await ntfs.attributes(number);
    const stream = await ntfs.stream(number, attributeType.data, "");
    const parents = attributes?.filter(({ type }) => type === attributeType.fileName) ?? [];
    const isPlain = stream !== undefined && (stream.flags & NOT_PLAIN) === 0 && parents.every(isInRoot);
    if (!isPlain || parents.length === 0) continue;
    files.push(rangesOf(stream, ntfs));
  }
  return files;
}

function rangesOf({ runs }: Stream, { clusterBytes, volume }: NtfsVolume): ByteRange[] {
  return runs
    .filter(({ first }) => first !== HOLE)
    .map(({ first, count }: BlockRun) => ({
      startBytes: volume.startBytes + first * clusterBytes,
      endBytes: volume.startBytes + (first + count) * clusterBytes,
    }));
}

function isInRoot({ value }: { readonly value?: Buffer }): boolean {
  return value !== undefined && value.length >= 66 && Number(value.readBigUInt64LE(0) & NUMBER_MASK) === ntfsFile.root;
}

async function isHibernated(ntfs: NtfsVolume): Promise<boolean> {
  const found = await rootEntries(ntfs, ["hiberfil.sys"]);
  for (const number of found.values()) {
    const stream = await ntfs.stream(number, attributeType.data, "");
    if (stream === undefined || stream.sizeBytes < 4096) continue;
    // Windows clears or renames the magic when it has resumed (ntfs-3g, volume.c).
    const magic = (await ntfs.read(stream, 0, 4)).toString("latin1").toLowerCase();
    if (magic === "hibr") return true;
  }
  return false;
}

async function isMarkedDirty(ntfs: NtfsVolume): Promise<boolean> {
  const attributes = await ntfs.attributes(ntfsFile.volume);
  const information = attributes?.find(({ type }) => type === attributeType.volumeInformation)?.value;
  expect(information !== undefined && information.length >= 12, "it does not say what it is");
  return (information.readUInt16LE(10) & VOLUME_IS_DIRTY) !== 0;
}

/** True when no restart page of the log names a user that has not ended, as ntfs-3g decides it (logfile.c). */
async function isLogClosed(ntfs: NtfsVolume): Promise<boolean> {
  const log = await ntfs.stream(ntfsFile.logFile, attributeType.data, "");
  expect(log !== undefined && log.sizeBytes >= 2 * RESTART_PAGE_BYTES, "it has no log");
  for (const at of [0, RESTART_PAGE_BYTES]) {
    const page = await ntfs.read(log, at, RESTART_PAGE_BYTES);
    const magic = page.toString("latin1", 0, 4);
    // A log that was emptied is all ones.
    if (magic !== "RSTR") continue;
    const restart = repaired(page, "RSTR");
    const areaAt = restart.readUInt16LE(24);
    expect(areaAt + 16 <= restart.length, "its log is damaged");
    const isOpen = restart.readUInt16LE(areaAt + 12) !== NO_CLIENT;
    if (isOpen && (restart.readUInt16LE(areaAt + 14) & RESTART_VOLUME_IS_CLEAN) === 0) return false;
  }
  return true;
}

/** The numbers of files in the root folder, by their names in lower case. */
async function rootEntries(ntfs: NtfsVolume, names: readonly string[]): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  const attributes = (await ntfs.attributes(ntfsFile.root)) ?? [];
  const root = attributes.find(({ type, name }) => type === attributeType.indexRoot && name === "$I30")?.value;
  expect(root !== undefined && root.length >= 32, "it has no root folder");
  collect(root.subarray(16), names, found);
  const nodes = await ntfs.stream(ntfsFile.root, attributeType.indexAllocation, "$I30");
  if (nodes === undefined) return found;
  const nodeBytes = root.readUInt32LE(8);
  expect(nodeBytes >= 512 && nodeBytes <= 65536 && nodeBytes % 512 === 0, "its root folder is damaged");
  const endBytes = Math.min(nodes.initializedBytes, MOST_INDEX_BYTES);
  for (let at = 0; at + nodeBytes <= endBytes; at += nodeBytes) {
    const node = await ntfs.read(nodes, at, nodeBytes);
    // Nodes that are not in use may hold anything.
    if (node.toString("latin1", 0, 4) === "INDX") collect(repaired(node, "INDX").subarray(24), names, found);
  }
  return found;
}

/** @param node from the index header on, which the places in it count from */
function collect(node: Buffer, names: readonly string[], found: Map<string, number>): void {
  const LAST = 2;
  const end = Math.min(node.readUInt32LE(4), node.length);
  for (let at = node.readUInt32LE(0); at + 16 <= end; ) {
    const length = node.readUInt16LE(at + 8);
    const isLast = (node.readUInt16LE(at + 12) & LAST) !== 0;
    if (isLast || length < 16 || at + length > end) return;
    const key = node.subarray(at + 16, at + length);
    if (key.length >= 66 && 66 + key.readUInt8(64) * 2 <= key.length) {
      const name = key.toString("utf16le", 66, 66 + key.readUInt8(64) * 2).toLowerCase();
      if (names.includes(name)) found.set(name, Number(node.readBigUInt64LE(at) & NUMBER_MASK));
    }
    at += length;
  }
}
