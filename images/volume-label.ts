import type { BlockSource } from "./block.ts";

/**
 * The name that people gave a volume, as far as it stands in a place that is found without reading much: ext, XFS,
 * Btrfs, FAT, NTFS, exFAT, HFS Plus, swap and LUKS 2. Empty when there is none, or when its place makes no sense.
 *
 * Sources: util-linux libblkid/src/superblocks; linux-ntfs documentation; Apple TN1150; exFAT specification.
 *
 * @param fileSystem as `fileSystemOf` calls it
 * @param startBytes where the volume begins in `source`
 */
export async function volumeLabel(source: BlockSource, startBytes: number, fileSystem: string): Promise<string> {
  const at = async (offset: number, length: number): Promise<Buffer> => {
    const isInside = offset >= 0 && Number.isSafeInteger(offset) && startBytes + offset + length <= source.sizeBytes;
    return isInside ? Buffer.from(await source.read(startBytes + offset, length)) : Buffer.alloc(length);
  };
  const label = await labelReaders[fileSystem]?.(at);
  return (label ?? "")
    .toWellFormed()
    .replaceAll(/[\p{Cc}\ufffd]/gu, "")
    .trim();
}

type ReadAt = (offset: number, length: number) => Promise<Buffer>;

const fixed =
  (offset: number, length: number) =>
  async (at: ReadAt): Promise<string> =>
    (await at(offset, length)).toString("utf8").replace(/\0.*$/s, "");

const ext = fixed(1024 + 120, 16);

const labelReaders: Readonly<Record<string, (at: ReadAt) => Promise<string>>> = {
  ext2: ext,
  ext3: ext,
  ext4: ext,
  xfs: fixed(108, 12),
  btrfs: fixed(0x10000 + 0x12b, 256),
  swap: fixed(1024 + 28, 16),
  luks: luksLabel,
  vfat: fatLabel,
  ntfs: ntfsLabel,
  exfat: exfatLabel,
  hfsplus: hfsPlusLabel,
  hfsx: hfsPlusLabel,
};

// Only version 2 has one.
async function luksLabel(at: ReadAt): Promise<string> {
  const header = await at(0, 72);
  return header.readUInt16BE(6) === 2 ? fixed(24, 48)(at) : "";
}

// In the boot sector; the one in the root folder is not always the same, and this one always has its place.
async function fatLabel(at: ReadAt): Promise<string> {
  const sector = await at(0, 512);
  const isFat32 = sector.toString("latin1", 82, 90) === "FAT32   ";
  const label = sector.toString("latin1", isFat32 ? 71 : 43, isFat32 ? 82 : 54);
  return label.trim() === "NO NAME" ? "" : label;
}

const NTFS_VOLUME_RECORD = 3;
const NTFS_VOLUME_NAME = 0x60;

// The file $Volume is the fourth record of the MFT, whose first clusters the boot sector names.
async function ntfsLabel(at: ReadAt): Promise<string> {
  const boot = await at(0, 512);
  const perCluster = boot.readUInt8(13);
  const clusterBytes = boot.readUInt16LE(11) * (perCluster > 128 ? 2 ** (256 - perCluster) : perCluster);
  const size = boot.readInt8(64);
  const recordBytes = size < 0 ? 2 ** -size : size * clusterBytes;
  if (recordBytes < 512 || recordBytes > 65_536) return "";
  const record = await at(
    Number(boot.readBigUInt64LE(48)) * clusterBytes + NTFS_VOLUME_RECORD * recordBytes,
    recordBytes,
  );
  if (record.toString("latin1", 0, 4) !== "FILE") return "";
  for (let offset = record.readUInt16LE(20); offset + 24 <= record.length; ) {
    const type = record.readUInt32LE(offset);
    const length = record.readUInt32LE(offset + 4);
    if (type > NTFS_VOLUME_NAME || length < 24) return "";
    if (type === NTFS_VOLUME_NAME) {
      const from = offset + record.readUInt16LE(offset + 20);
      return record.toString("utf16le", from, Math.min(record.length, from + record.readUInt32LE(offset + 16)));
    }
    offset += length;
  }
  return "";
}

const EXFAT_LABEL_ENTRY = 0x83;

// An entry of the root folder, and always among its first ones.
async function exfatLabel(at: ReadAt): Promise<string> {
  const boot = await at(0, 512);
  const sectorBytes = 2 ** boot.readUInt8(108);
  const clusterBytes = sectorBytes * 2 ** boot.readUInt8(109);
  const rootAt = boot.readUInt32LE(88) * sectorBytes + (boot.readUInt32LE(96) - 2) * clusterBytes;
  const entries = await at(rootAt, 512);
  for (let offset = 0; offset < entries.length; offset += 32) {
    if (entries[offset] !== EXFAT_LABEL_ENTRY) continue;
    return entries.toString("utf16le", offset + 2, offset + 2 + 2 * Math.min(11, entries.readUInt8(offset + 1)));
  }
  return "";
}

const HFS_ROOT_PARENT = 1;

// The root folder has the volume's name, and with the lowest key it is the first record of the catalog's first leaf.
async function hfsPlusLabel(at: ReadAt): Promise<string> {
  const header = await at(1024, 512);
  if (!["H+", "HX"].includes(header.toString("latin1", 0, 2))) return "";
  const blockBytes = header.readUInt32BE(40);
  // The catalog file's fork, and in it the first of its stretches.
  const catalogAt = header.readUInt32BE(272 + 16) * blockBytes;
  const catalogBytes = header.readUInt32BE(272 + 20) * blockBytes;
  const tree = await at(catalogAt, 512);
  const nodeBytes = tree.readUInt16BE(14 + 18);
  const leafAt = tree.readUInt32BE(14 + 10) * nodeBytes;
  if (nodeBytes < 512 || leafAt + nodeBytes > catalogBytes) return "";
  const leaf = await at(catalogAt + leafAt, nodeBytes);
  const record = leaf.readUInt16BE(nodeBytes - 2);
  if (record + 8 > nodeBytes || leaf.readUInt32BE(record + 2) !== HFS_ROOT_PARENT) return "";
  const end = record + 8 + 2 * leaf.readUInt16BE(record + 6);
  if (end > nodeBytes) return "";
  return Buffer.from(leaf.subarray(record + 8, end))
    .swap16()
    .toString("utf16le")
    .normalize("NFC");
}
