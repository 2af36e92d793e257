import { Fault } from "../../../fault.ts";
import { fatNames, longNameEntries } from "./fat-names.ts";
import { SECTOR_BYTES } from "./gpt.ts";

/** A file by its path with "/" between names. */
export type FatFile = { readonly path: string; readonly sizeBytes: number };

export type FatOptions = {
  /** Of the partition. */
  readonly sectors: number;
  /** Sectors of the disk before it. */
  readonly hiddenSectors: number;
  /** Up to 11 capitals. */
  readonly label: string;
  readonly volumeId: number;
  readonly createdAt: Date;
};

/** Something to write, by its place in the volume. */
export type FatPiece = { readonly offset: number; readonly bytes: Uint8Array };

/** A FAT32 volume that is filled once: every file lies in one piece. */
export type FatVolume = {
  readonly clusterBytes: number;
  /** Where each file's content goes, in the order in which they were given. */
  readonly fileOffsets: readonly number[];
  /** Everything but the files' content, ascending; what is between need not be written. */
  pieces(): Generator<FatPiece>;
};

const RESERVED_SECTORS = 32;
const BACKUP_BOOT_SECTOR = 6;
const FATS = 2;
/** A volume with fewer clusters is FAT16 to everybody who reads it. */
const LEAST_CLUSTERS = 65_525;
const MOST_CLUSTERS = 0x0fff_fff5;
const END_OF_CHAIN = 0x0fff_ffff;
const ENTRY_BYTES = 32;
const ATTRIBUTE = { volumeLabel: 0x08, directory: 0x10, archive: 0x20 } as const;
const LARGEST_FILE_BYTES = 2 ** 32 - 1;
const PIECE_BYTES = 1024 * 1024;

type Directory = { readonly name: string; readonly folders: Directory[]; readonly files: number[]; cluster: number };

/**
 * Lays out a FAT32 volume with these files.
 *
 * Source: Microsoft, FAT32 File System Specification 1.03.
 *
 * @throws {Fault} STICK_TOO_SMALL, STICK_FILE_TOO_LARGE
 */
export function planFat32(files: readonly FatFile[], options: FatOptions): FatVolume {
  for (const { path, sizeBytes } of files) if (sizeBytes > LARGEST_FILE_BYTES) throw fileTooLarge(path);
  const { sectors } = options;
  const clusterSectors = clusterSectorsOf(sectors);
  const clusterBytes = clusterSectors * SECTOR_BYTES;
  // As the specification computes it; a few sectors more than needed at most.
  const fatSectors = Math.ceil((sectors - RESERVED_SECTORS) / ((256 * clusterSectors + FATS) / 2));
  const dataSector = RESERVED_SECTORS + FATS * fatSectors;
  const clusters = Math.floor((sectors - dataSector) / clusterSectors);
  const root = treeOf(files);
  let next = 2;
  const take = (bytes: number) => {
    const first = next;
    next += Math.ceil(bytes / clusterBytes);
    return first;
  };
  const chains: { first: number; end: number }[] = [];
  for (const directory of everyDirectory(root)) {
    directory.cluster = take(Math.max(1, directoryBytes(directory, files, directory === root)));
    chains.push({ first: directory.cluster, end: next });
  }
  const firstClusters = files.map(({ sizeBytes }) => {
    if (sizeBytes === 0) return 0;
    const first = take(sizeBytes);
    chains.push({ first, end: next });
    return first;
  });
  const isFitting = clusters >= LEAST_CLUSTERS && clusters <= MOST_CLUSTERS && next - 2 <= clusters;
  if (!isFitting) throw tooSmall(sectors * SECTOR_BYTES, (next - 2) * clusterBytes);
  const offsetOf = (cluster: number) => (dataSector + (cluster - 2) * clusterSectors) * SECTOR_BYTES;
  const directories = [...everyDirectory(root)];
  return {
    clusterBytes,
    fileOffsets: firstClusters.map((cluster) => (cluster === 0 ? 0 : offsetOf(cluster))),
    *pieces() {
      const freeClusters = clusters - (next - 2);
      const front = Buffer.alloc(RESERVED_SECTORS * SECTOR_BYTES);
      for (const sector of [0, BACKUP_BOOT_SECTOR]) {
        bootSector(options, clusterSectors, fatSectors).copy(front, sector * SECTOR_BYTES);
        infoSector(freeClusters, next).copy(front, (sector + 1) * SECTOR_BYTES);
        // The third of the three boot sectors is empty but for its signature.
        front.writeUInt16LE(0xaa55, (sector + 3) * SECTOR_BYTES - 2);
      }
      yield { offset: 0, bytes: front };
      for (let copy = 0; copy < FATS; copy += 1)
        yield* fatPieces(chains, (RESERVED_SECTORS + copy * fatSectors) * SECTOR_BYTES, fatSectors * SECTOR_BYTES);
      for (const directory of directories) {
        const bytes = directoryEntries(directory, root, files, firstClusters, options);
        const whole = Buffer.alloc(Math.max(1, Math.ceil(bytes.length / clusterBytes)) * clusterBytes);
        bytes.copy(whole);
        yield { offset: offsetOf(directory.cluster), bytes: whole };
      }
    },
  };
}

/** As mkfs.fat and Windows choose them. */
function clusterSectorsOf(sectors: number): number {
  const mebibytes = (sectors * SECTOR_BYTES) / 2 ** 20;
  if (mebibytes <= 260) return 1;
  if (mebibytes <= 8192) return 8;
  if (mebibytes <= 16_384) return 16;
  return mebibytes <= 32_768 ? 32 : 64;
}

function treeOf(files: readonly FatFile[]): Directory {
  const root: Directory = { name: "", folders: [], files: [], cluster: 0 };
  for (const [index, { path }] of files.entries()) {
    let at = root;
    for (const name of path.split("/").slice(0, -1)) {
      let found = at.folders.find((folder) => folder.name === name);
      if (found === undefined) {
        found = { name, folders: [], files: [], cluster: 0 };
        at.folders.push(found);
      }
      at = found;
    }
    at.files.push(index);
  }
  return root;
}

function* everyDirectory(directory: Directory): Generator<Directory> {
  yield directory;
  for (const folder of directory.folders) yield* everyDirectory(folder);
}

function namesOf({ folders, files: indexes }: Directory, files: readonly FatFile[]): string[] {
  return [...folders.map(({ name }) => name), ...indexes.map((index) => files[index]!.path.split("/").at(-1)!)];
}

function directoryBytes(directory: Directory, files: readonly FatFile[], isRoot: boolean): number {
  const names = fatNames(namesOf(directory, files)).map((name) => longNameEntries(name).length + ENTRY_BYTES);
  // The volume's label, or the directory itself and the one above.
  return (isRoot ? 1 : 2) * ENTRY_BYTES + names.reduce((sum, bytes) => sum + bytes, 0);
}

function directoryEntries(
  directory: Directory,
  root: Directory,
  files: readonly FatFile[],
  firstClusters: readonly number[],
  { label, createdAt }: FatOptions,
): Buffer {
  const entries: Buffer[] = [];
  const add = (name: Buffer, attributes: number, cluster: number, sizeBytes = 0) =>
    entries.push(entryOf(name, attributes, cluster, sizeBytes, createdAt));
  if (directory === root) add(Buffer.from(label.padEnd(11), "latin1"), ATTRIBUTE.volumeLabel, 0);
  else {
    const above = [...everyDirectory(root)].find(({ folders }) => folders.includes(directory))!;
    add(Buffer.from(".".padEnd(11)), ATTRIBUTE.directory, directory.cluster);
    // Zero stands for the root.
    add(Buffer.from("..".padEnd(11)), ATTRIBUTE.directory, above === root ? 0 : above.cluster);
  }
  for (const [index, name] of fatNames(namesOf(directory, files)).entries()) {
    entries.push(longNameEntries(name));
    const folder = directory.folders[index];
    const file = directory.files[index - directory.folders.length];
    if (folder !== undefined) add(name.short, ATTRIBUTE.directory, folder.cluster);
    else if (file !== undefined) add(name.short, ATTRIBUTE.archive, firstClusters[file]!, files[file]!.sizeBytes);
  }
  return Buffer.concat(entries);
}

function entryOf(name: Buffer, attributes: number, cluster: number, sizeBytes: number, at: Date): Buffer {
  const entry = Buffer.alloc(ENTRY_BYTES);
  name.copy(entry);
  entry.writeUInt8(attributes, 11);
  const date = ((Math.max(1980, at.getUTCFullYear()) - 1980) << 9) | ((at.getUTCMonth() + 1) << 5) | at.getUTCDate();
  const time = (at.getUTCHours() << 11) | (at.getUTCMinutes() << 5) | (at.getUTCSeconds() >> 1);
  for (const place of [14, 22]) entry.writeUInt16LE(time, place);
  for (const place of [16, 18, 24]) entry.writeUInt16LE(date, place);
  entry.writeUInt16LE(cluster >>> 16, 20);
  entry.writeUInt16LE(cluster & 0xffff, 26);
  entry.writeUInt32LE(sizeBytes, 28);
  return entry;
}

/** All of a table: what chains do not use is zero, and is written, because the medium is not new. */
function* fatPieces(
  chains: readonly { first: number; end: number }[],
  offset: number,
  lengthBytes: number,
): Generator<FatPiece> {
  for (let at = 0; at < lengthBytes; at += PIECE_BYTES) {
    const bytes = Buffer.alloc(Math.min(PIECE_BYTES, lengthBytes - at));
    const from = at / 4;
    const to = from + bytes.length / 4;
    for (const { first, end } of chains)
      for (let cluster = Math.max(first, from); cluster < Math.min(end, to); cluster += 1)
        bytes.writeUInt32LE(cluster + 1 < end ? cluster + 1 : END_OF_CHAIN, (cluster - from) * 4);
    if (at === 0) {
      // The medium's kind, and "was let go cleanly".
      bytes.writeUInt32LE(0x0fff_fff8, 0);
      bytes.writeUInt32LE(END_OF_CHAIN, 4);
    }
    yield { offset: offset + at, bytes };
  }
}

function bootSector(options: FatOptions, clusterSectors: number, fatSectors: number): Buffer {
  const bytes = Buffer.alloc(SECTOR_BYTES);
  Buffer.from([0xeb, 0x58, 0x90]).copy(bytes);
  bytes.write("BOOTCAST", 3, "latin1");
  bytes.writeUInt16LE(SECTOR_BYTES, 11);
  bytes.writeUInt8(clusterSectors, 13);
  bytes.writeUInt16LE(RESERVED_SECTORS, 14);
  bytes.writeUInt8(FATS, 16);
  bytes.writeUInt8(0xf8, 21);
  // Tracks and heads that no firmware looks at any more.
  bytes.writeUInt16LE(63, 24);
  bytes.writeUInt16LE(255, 26);
  bytes.writeUInt32LE(options.hiddenSectors, 28);
  bytes.writeUInt32LE(options.sectors, 32);
  bytes.writeUInt32LE(fatSectors, 36);
  bytes.writeUInt32LE(2, 44);
  bytes.writeUInt16LE(1, 48);
  bytes.writeUInt16LE(BACKUP_BOOT_SECTOR, 50);
  bytes.writeUInt8(0x80, 64);
  bytes.writeUInt8(0x29, 66);
  bytes.writeUInt32LE(options.volumeId >>> 0, 67);
  bytes.write(options.label.padEnd(11), 71, "latin1");
  bytes.write("FAT32   ", 82, "latin1");
  bytes.writeUInt16LE(0xaa55, 510);
  return bytes;
}

function infoSector(freeClusters: number, nextCluster: number): Buffer {
  const bytes = Buffer.alloc(SECTOR_BYTES);
  bytes.writeUInt32LE(0x4161_5252, 0);
  bytes.writeUInt32LE(0x6141_7272, 484);
  bytes.writeUInt32LE(freeClusters, 488);
  bytes.writeUInt32LE(nextCluster, 492);
  bytes.writeUInt32LE(0xaa55_0000, 508);
  return bytes;
}

function fileTooLarge(path: string): Fault {
  return new Fault("STICK_FILE_TOO_LARGE", {
    what: `${path} does not fit onto the stick.`,
    why: "FAT32, which every firmware reads, holds files of 4 GiB at most.",
    fix: "Leave it out; images of the store (--image) are divided by themselves.",
  });
}

function tooSmall(sizeBytes: number, neededBytes: number): Fault {
  return new Fault("STICK_TOO_SMALL", {
    what: "The stick is too small for what is to be on it.",
    why: `Its volume has ${sizeBytes} bytes, and ${neededBytes} are needed; a FAT32 volume has 33 MiB at least.`,
    fix: "Take a larger one, or fewer images.",
  });
}
