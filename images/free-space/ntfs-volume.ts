import { type BlockRun, expect, type Volume } from "./volume.ts";

/** Numbers of files that every NTFS volume has. */
export const ntfsFile = { volume: 3, logFile: 2, root: 5, bitmap: 6 } as const;
/** Types of attributes. */
export const attributeType = {
  attributeList: 0x20,
  fileName: 0x30,
  volumeInformation: 0x70,
  data: 0x80,
  indexRoot: 0x90,
  indexAllocation: 0xa0,
} as const;

const RECORD_IN_USE = 1;
const NUMBER_MASK = 0xffff_ffff_ffffn;
const SECTOR_BYTES = 512;
const MOST_RUNS = 1 << 20;
const MOST_LIST_BYTES = 1 << 20;
const MOST_EXTENSIONS = 4096;

/** One attribute of a file, or the piece of it that one record holds. */
export type Attribute = {
  readonly type: number;
  readonly name: string;
  /** Compressed, encrypted, sparse. */
  readonly flags: number;
  /** Of a resident one. */
  readonly value?: Buffer;
  /** Of one that lies in clusters: `firstCluster` of the file is where this piece begins. */
  readonly runs?: readonly BlockRun[];
  readonly firstCluster: number;
  readonly sizeBytes: number;
  readonly initializedBytes: number;
};

/** The content of an attribute that lies in clusters, all of its pieces together. A run from `hole` on is not on the disk. */
export type Stream = {
  readonly runs: readonly BlockRun[];
  readonly sizeBytes: number;
  readonly initializedBytes: number;
  readonly flags: number;
};

/** The number of the first cluster of a run that is a hole: it reads as zeros and has no place. */
export const HOLE = -1;

/**
 * As much of NTFS as is needed to look up a few files by their numbers.
 * Source: linux-ntfs documentation (flatcap.github.io/linux-ntfs), ntfs-3g's layout.h.
 */
export class NtfsVolume {
  readonly volume: Volume;
  readonly clusterBytes: number;
  readonly clusters: number;
  readonly #recordBytes: number;
  #mft: readonly BlockRun[] = [];

  private constructor(volume: Volume, boot: Buffer) {
    this.volume = volume;
    const sectorBytes = boot.readUInt16LE(11);
    expect([512, 1024, 2048, 4096].includes(sectorBytes), "its sector size is impossible");
    const perCluster = boot.readUInt8(13);
    // From 0x80 on it is a power of two, negative: clusters of 128 KiB to 2 MiB.
    const clusterSectors = perCluster > 0x80 ? 2 ** (256 - perCluster) : perCluster;
    this.clusterBytes = clusterSectors * sectorBytes;
    const isCluster = Number.isInteger(Math.log2(this.clusterBytes)) && this.clusterBytes <= 1 << 21;
    expect(clusterSectors > 0 && isCluster, "its cluster size is impossible");
    const sectors = Number(boot.readBigUInt64LE(40));
    expect(sectors * sectorBytes <= volume.sizeBytes, "it is larger than its partition");
    this.clusters = Math.floor(sectors / clusterSectors);
    const perRecord = boot.readInt8(64);
    this.#recordBytes = perRecord < 0 ? 2 ** -perRecord : perRecord * this.clusterBytes;
    const isRecord = this.#recordBytes >= SECTOR_BYTES && this.#recordBytes <= 65536;
    expect(this.clusters > 0 && isRecord, "its size is impossible");
  }

  /** @throws {Implausible} when it is no NTFS, or a damaged one */
  static async open(volume: Volume): Promise<NtfsVolume> {
    const boot = await volume.read(0, SECTOR_BYTES);
    const ntfs = new NtfsVolume(volume, boot);
    const mftAt = Number(boot.readBigUInt64LE(48)) * ntfs.clusterBytes;
    // The table of all files is a file itself, and its first record says where all of it is.
    const first = ntfs.#attributesIn(repaired(await volume.read(mftAt, ntfs.#recordBytes), "FILE"));
    const pieces = first.filter(({ type, name }) => type === attributeType.data && name === "");
    ntfs.#mft = streamOf(pieces).runs;
    if (first.some(({ type }) => type === attributeType.attributeList)) {
      const whole = await ntfs.stream(0, attributeType.data, "");
      expect(whole !== undefined, "the table of its files is not whole");
      ntfs.#mft = whole.runs;
    }
    return ntfs;
  }

  /** All attributes of a file, those in other records of it, too; undefined when the record is not in use. */
  async attributes(file: number): Promise<Attribute[] | undefined> {
    const record = await this.#record(file);
    if ((record.readUInt16LE(22) & RECORD_IN_USE) === 0) return undefined;
    const own = this.#attributesIn(record);
    const list = own.find(({ type }) => type === attributeType.attributeList);
    if (list === undefined) return own;
    const attributes = [...own];
    for (const number of extensionsIn(await this.#content(list), file)) {
      const extension = await this.#record(number);
      expect(Number(extension.readBigUInt64LE(32) & NUMBER_MASK) === file, "a record belongs to another file");
      attributes.push(...this.#attributesIn(extension));
    }
    return attributes;
  }

  /** Where an attribute lies; undefined when there is none, or it lies in the record itself. @throws {Implausible} */
  async stream(file: number, type: number, name: string): Promise<Stream | undefined> {
    const attributes = await this.attributes(file);
    const pieces = attributes?.filter((one) => one.type === type && one.name === name && one.runs !== undefined) ?? [];
    return pieces.length === 0 ? undefined : streamOf(pieces);
  }

  /** Reads from a stream; holes and what was never written are zeros. @throws {Implausible} when it ends too early */
  async read({ runs }: Pick<Stream, "runs">, at: number, length: number): Promise<Buffer> {
    const bytes = Buffer.alloc(length);
    let runAt = 0;
    let done = 0;
    for (const { first, count } of runs) {
      const runEnd = runAt + count * this.clusterBytes;
      while (done < length && at + done < runEnd && at + done >= runAt) {
        const take = Math.min(length - done, runEnd - at - done);
        if (first !== HOLE)
          bytes.set(await this.volume.read(first * this.clusterBytes + at + done - runAt, take), done);
        done += take;
      }
      if (done === length) return bytes;
      runAt = runEnd;
    }
    expect(false, "a file of its own is shorter than it says");
  }

  async #record(number: number): Promise<Buffer> {
    return repaired(await this.read({ runs: this.#mft }, number * this.#recordBytes, this.#recordBytes), "FILE");
  }

  async #content(attribute: Attribute): Promise<Buffer> {
    if (attribute.value !== undefined) return attribute.value;
    expect(attribute.sizeBytes <= MOST_LIST_BYTES, "a list of attributes is too long");
    return this.read({ runs: attribute.runs ?? [] }, 0, attribute.sizeBytes);
  }

  #attributesIn(record: Buffer): Attribute[] {
    const attributes: Attribute[] = [];
    for (let at = record.readUInt16LE(20); at + 8 <= record.length; ) {
      const type = record.readUInt32LE(at);
      if (type === 0xffff_ffff) return attributes;
      const length = record.readUInt32LE(at + 4);
      expect(length >= 24 && at + length <= record.length, "a record is damaged");
      attributes.push(attributeOf(record.subarray(at, at + length), this.clusters));
      at += length;
    }
    expect(false, "a record has no end");
  }
}

/**
 * Puts back the last two bytes of every sector, which stand in a table of their own
 * so that a record that was written only in part is noticed.
 *
 * @throws {Implausible} when it was, or does not begin with `magic`
 */
export function repaired(bytes: Buffer, magic: string): Buffer {
  const record = Buffer.from(bytes);
  expect(record.toString("latin1", 0, 4) === magic, `a record does not begin with ${magic}`);
  const tableAt = record.readUInt16LE(4);
  const sectors = record.readUInt16LE(6) - 1;
  const isTable = sectors * SECTOR_BYTES === record.length && tableAt + 2 + sectors * 2 <= SECTOR_BYTES - 2;
  expect(isTable, "a record is damaged");
  for (let sector = 1; sector <= sectors; sector += 1) {
    const at = sector * SECTOR_BYTES - 2;
    expect(record.readUInt16LE(at) === record.readUInt16LE(tableAt), "a record was written only in part");
    record.copy(record, at, tableAt + sector * 2, tableAt + sector * 2 + 2);
  }
  return record;
}

function attributeOf(bytes: Buffer, clusters: number): Attribute {
  const nameAt = bytes.readUInt16LE(10);
  const nameEnd = nameAt + bytes.readUInt8(9) * 2;
  expect(nameEnd <= bytes.length, "the name of an attribute is damaged");
  const common = {
    type: bytes.readUInt32LE(0),
    name: bytes.toString("utf16le", nameAt, nameEnd),
    flags: bytes.readUInt16LE(12),
  };
  if (bytes.readUInt8(8) === 0) {
    const from = bytes.readUInt16LE(20);
    const sizeBytes = bytes.readUInt32LE(16);
    expect(from + sizeBytes <= bytes.length, "an attribute is damaged");
    const value = bytes.subarray(from, from + sizeBytes);
    return { ...common, value, firstCluster: 0, sizeBytes, initializedBytes: sizeBytes };
  }
  expect(bytes.length >= 64, "an attribute is damaged");
  const firstCluster = Number(bytes.readBigUInt64LE(16));
  const runs = decodeRuns(bytes.subarray(Math.min(bytes.readUInt16LE(32), bytes.length)), clusters);
  const count = runs.reduce((sum, run) => sum + run.count, 0);
  const last = Number(bytes.readBigInt64LE(24));
  expect(last + 1 - firstCluster === count, "the runs of an attribute are damaged");
  return {
    ...common,
    runs,
    firstCluster,
    sizeBytes: Number(bytes.readBigUInt64LE(48)),
    initializedBytes: Number(bytes.readBigUInt64LE(56)),
  };
}

/**
 * The runs of an attribute: for each a byte with the lengths of two numbers, the
 * number of clusters, and the distance of the first from that of the run before.
 */
export function decodeRuns(bytes: Uint8Array, clusters: number): BlockRun[] {
  const runs: BlockRun[] = [];
  let cluster = 0;
  for (let at = 0; at < bytes.length && bytes[at] !== 0; ) {
    const countBytes = bytes[at]! & 0xf;
    const stepBytes = bytes[at]! >> 4;
    const end = at + 1 + countBytes + stepBytes;
    expect(countBytes >= 1 && countBytes <= 8 && stepBytes <= 8 && end <= bytes.length, "a list of runs is damaged");
    const count = Number(littleEndian(bytes.subarray(at + 1, at + 1 + countBytes)));
    cluster += Number(littleEndian(bytes.subarray(at + 1 + countBytes, end)));
    const first = stepBytes === 0 ? HOLE : cluster;
    const isInside = first === HOLE || (first >= 0 && first + count <= clusters);
    expect(count > 0 && isInside && runs.length < MOST_RUNS, "a list of runs leads out of it");
    runs.push({ first, count });
    at = end;
  }
  return runs;
}

/** A number with a sign. */
function littleEndian(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let at = bytes.length - 1; at >= 0; at -= 1) value = (value << 8n) | BigInt(bytes[at]!);
  return BigInt.asIntN(bytes.length * 8, value);
}

function streamOf(pieces: readonly Attribute[]): Stream {
  const sorted = [...pieces].sort((a, b) => a.firstCluster - b.firstCluster);
  const [first] = sorted;
  expect(first !== undefined, "an attribute is missing");
  let next = 0;
  for (const { firstCluster, runs } of sorted) {
    expect(firstCluster === next && runs !== undefined, "a piece of an attribute is missing");
    next += runs.reduce((sum, { count }) => sum + count, 0);
  }
  const { sizeBytes, initializedBytes, flags } = first;
  return { runs: sorted.flatMap(({ runs }) => runs ?? []), sizeBytes, initializedBytes, flags };
}

/** The records besides the file's own that hold attributes of it. */
function extensionsIn(list: Buffer, file: number): Set<number> {
  const numbers = new Set<number>();
  for (let at = 0; at + 26 <= list.length; ) {
    const length = list.readUInt16LE(at + 4);
    expect(length >= 26, "a list of attributes is damaged");
    const number = Number(list.readBigUInt64LE(at + 16) & NUMBER_MASK);
    if (number !== file) numbers.add(number);
    at += length;
  }
  expect(numbers.size <= MOST_EXTENSIONS, "a list of attributes is too long");
  return numbers;
}
