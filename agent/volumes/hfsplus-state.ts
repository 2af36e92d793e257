import type { BlockSource } from "../../images/block.ts";

/** Apple TN1150: the volume header lies 1024 bytes into the volume, all big-endian. */
const HEADER_AT = 1024;
const HEADER_BYTES = 512;
const UNMOUNTED_BIT = 1 << 8;
const JOURNALED_BIT = 1 << 13;
/** TN1150, journal info block flags. */
const JOURNAL_IN_VOLUME = 1;
const JOURNAL_NEEDS_INIT = 4;
const JOURNAL_MAGIC = 0x4a4e4c78;

/**
 * Whether the kernel's hfsplus driver may write to a volume. It mounts journaled
 * volumes for writing only by force and never replays a journal, so the journal
 * must be empty; and it must have been unmounted cleanly.
 *
 * @param volume the partition
 * @returns why not, in words; undefined when it may be written to
 */
export async function hfsPlusRefusal(volume: BlockSource): Promise<string | undefined> {
  if (volume.sizeBytes < HEADER_AT + HEADER_BYTES) return "it is too small to be an HFS+ volume";
  const header = view(await volume.read(HEADER_AT, HEADER_BYTES));
  const signature = String.fromCharCode(header.getUint8(0), header.getUint8(1));
  if (signature !== "H+" && signature !== "HX") return "it does not begin as an HFS+ volume";
  const attributes = header.getUint32(4);
  if ((attributes & UNMOUNTED_BIT) === 0) return "it was not unmounted cleanly before it was imaged";
  if ((attributes & JOURNALED_BIT) === 0) return undefined;
  const infoAt = header.getUint32(12) * header.getUint32(40);
  if (infoAt === 0 || infoAt + 52 > volume.sizeBytes) return "its journal cannot be found";
  const info = view(await readAligned(volume, infoAt, 52));
  const flags = info.getUint32(0);
  if ((flags & JOURNAL_NEEDS_INIT) !== 0) return undefined;
  if ((flags & JOURNAL_IN_VOLUME) === 0) return "its journal is on another disk";
  const journalAt = Number(info.getBigUint64(36));
  if (!Number.isSafeInteger(journalAt) || journalAt + 24 > volume.sizeBytes) return "its journal cannot be found";
  const journal = view(await readAligned(volume, journalAt, 24));
  // The journal is written in the order of the Mac's processor: PowerPC or Intel.
  const isBigEndian = journal.getUint32(0) === JOURNAL_MAGIC;
  if (!isBigEndian && journal.getUint32(0, true) !== JOURNAL_MAGIC) return "its journal cannot be read";
  const start = journal.getBigUint64(8, !isBigEndian);
  const end = journal.getBigUint64(16, !isBigEndian);
  return start === end ? undefined : "its journal still holds changes that only macOS can write out";
}

// Devices are read in whole sectors.
async function readAligned(volume: BlockSource, at: number, length: number): Promise<Uint8Array> {
  const from = Math.floor(at / 512) * 512;
  const to = Math.min(volume.sizeBytes, Math.ceil((at + length) / 512) * 512);
  return (await volume.read(from, to - from)).subarray(at - from, at - from + length);
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
