import { crc32, deflateSync } from "node:zlib";

/** The content of one run of a made .dmg; without `plain` it has none. */
export type RunSpec = {
  readonly type: number;
  readonly sectors: number;
  /** What the run unpacks to. */
  readonly plain?: Uint8Array;
  /** What lies in the data fork; default: `plain`, packed for zlib. */
  readonly stored?: Uint8Array;
};

export type TableSpec = { readonly name: string; readonly runs: readonly RunSpec[] };

export const RUN = {
  zero: 0,
  raw: 1,
  unused: 2,
  adc: 0x80000004,
  zlib: 0x80000005,
  bzip2: 0x80000006,
  lzfse: 0x80000007,
  xz: 0x80000008,
  comment: 0x7ffffffe,
  terminator: 0xffffffff,
} as const;

export type BuildOptions = {
  /** How the tables are listed; "resource-fork" is the form of before 2002. */
  readonly form?: "xml" | "resource-fork";
  /** 1 disk, 2 volume. */
  readonly variant?: number;
  /** Bytes before the data fork. */
  readonly prefixBytes?: number;
  /** Each table's runs count from here in the data fork, where they do not begin before. */
  readonly dataStartBytes?: number;
  /** Cuts the data fork into so many files. */
  readonly segments?: number;
  /** The order of a table's runs and of the list of tables. */
  readonly isReversed?: boolean;
  readonly hasDataChecksum?: boolean;
  /** Further entries of the list: licence texts and the like. */
  readonly extraResources?: string;
  /** Changes a table after its checksum was made. */
  readonly changeTable?: (table: Buffer, index: number) => Buffer | undefined;
  readonly changeXml?: (xml: string) => string;
  readonly changeTrailer?: (trailer: Buffer, segment: number) => void;
};

/**
 * Makes a .dmg by the layout of Apple's files, written apart from the reader
 * and from the writer of images/: what it gets wrong, they cannot hide.
 *
 * @returns the segments' files, and the disk that they stand for
 */
export function buildUdif(tables: readonly TableSpec[], options: BuildOptions = {}): { files: Buffer[]; disk: Buffer } {
  const fork: Buffer[] = [];
  const disk: Buffer[] = [];
  const sums: number[] = [];
  let forkBytes = 0;
  let firstSector = 0;
  const made = tables.map(({ runs }, index) => {
    const counted: Buffer[] = [];
    const records: Buffer[] = [];
    let sector = 0;
    const dataStart = Math.min(options.dataStartBytes ?? 0, forkBytes);
    for (const run of runs) {
      const plain = run.plain ?? Buffer.alloc(run.sectors * 512);
      const stored = run.stored ?? (run.plain === undefined ? Buffer.alloc(0) : pack(run.type, run.plain));
      records.push(runRecord(run.type, sector, run.sectors, forkBytes - dataStart, stored.length));
      fork.push(Buffer.from(stored));
      forkBytes += stored.length;
      if (run.type !== RUN.comment) {
        disk.push(Buffer.from(plain));
        if (run.type !== RUN.unused) counted.push(Buffer.from(plain));
        sector += run.sectors;
      }
    }
    if (options.isReversed) records.reverse();
    records.push(runRecord(RUN.terminator, sector, 0, forkBytes, 0));
    const sum = crc32(Buffer.concat(counted));
    sums.push(sum);
    const table = tableRecord(firstSector, sector, sum, records);
    table.writeBigUInt64BE(BigInt(dataStart), 24);
    firstSector += sector;
    return options.changeTable?.(table, index) ?? table;
  });
  const names = tables.map(({ name }) => name);
  if (options.isReversed) {
    made.reverse();
    names.reverse();
  }
  const data = Buffer.concat(fork);
  const form = options.form ?? "xml";
  const resources =
    form === "xml"
      ? Buffer.from((options.changeXml ?? ((xml) => xml))(xmlOf(made, names, options.extraResources ?? "")))
      : resourceForkOf(made, names);
  const files = segmentsOf(data, resources, form, { sums, sectorCount: firstSector }, options);
  return { files, disk: Buffer.concat(disk) };
}

function segmentsOf(
  data: Buffer,
  resources: Buffer,
  form: "xml" | "resource-fork",
  { sums, sectorCount }: { sums: readonly number[]; sectorCount: number },
  options: BuildOptions,
): Buffer[] {
  const count = options.segments ?? 1;
  const prefixBytes = options.prefixBytes ?? 0;
  return Array.from({ length: count }, (_, index) => {
    const from = Math.floor((data.length * index) / count);
    const part = data.subarray(from, Math.floor((data.length * (index + 1)) / count));
    const trailer = Buffer.alloc(512);
    trailer.write("koly");
    trailer.writeUInt32BE(4, 4);
    trailer.writeUInt32BE(512, 8);
    trailer.writeUInt32BE(1, 12);
    trailer.writeBigUInt64BE(BigInt(from), 16);
    trailer.writeBigUInt64BE(BigInt(prefixBytes), 24);
    trailer.writeBigUInt64BE(BigInt(part.length), 32);
    trailer.writeUInt32BE(index + 1, 56);
    trailer.writeUInt32BE(count, 60);
    trailer.write("0123456789abcdef", 64);
    if (options.hasDataChecksum ?? true) checksum(trailer, 80, crc32(data));
    const placeAt = form === "xml" ? 216 : 40;
    if (index === 0) {
      trailer.writeBigUInt64BE(BigInt(prefixBytes + part.length), placeAt);
      trailer.writeBigUInt64BE(BigInt(resources.length), placeAt + 8);
    }
    const sumBytes = Buffer.alloc(sums.length * 4);
    for (const [at, sum] of sums.entries()) sumBytes.writeUInt32BE(sum, at * 4);
    checksum(trailer, 352, crc32(sumBytes));
    // What hdiutil leaves behind the four bytes of a CRC-32.
    trailer.write("garbage", 364);
    trailer.writeUInt32BE(options.variant ?? 1, 488);
    trailer.writeBigUInt64BE(BigInt(sectorCount), 492);
    options.changeTrailer?.(trailer, index);
    return Buffer.concat([Buffer.alloc(prefixBytes, "p"), part, index === 0 ? resources : Buffer.alloc(0), trailer]);
  });
}

function pack(type: number, plain: Uint8Array): Buffer {
  if (type === RUN.raw || type === RUN.comment) return Buffer.from(plain);
  if (type === RUN.zlib) return deflateSync(plain);
  if (type === RUN.adc) return adcLiterals(plain);
  throw new Error("give this kind of run as it is stored");
}

function adcLiterals(plain: Uint8Array): Buffer {
  const pieces: Buffer[] = [];
  for (let at = 0; at < plain.length; at += 128) {
    const piece = plain.subarray(at, at + 128);
    pieces.push(Buffer.from([0x80 | (piece.length - 1)]), Buffer.from(piece));
  }
  return Buffer.concat(pieces);
}

function runRecord(type: number, sector: number, sectors: number, offset: number, length: number): Buffer {
  const record = Buffer.alloc(40);
  record.writeUInt32BE(type);
  record.write("+beg", 4);
  record.writeBigUInt64BE(BigInt(sector), 8);
  record.writeBigUInt64BE(BigInt(sectors), 16);
  // Runs without content have any place.
  record.writeBigUInt64BE(type === RUN.zero || type === RUN.unused ? 0xffff_0000_0000_0000n : BigInt(offset), 24);
  record.writeBigUInt64BE(BigInt(length), 32);
  return record;
}

function tableRecord(firstSector: number, sectors: number, sum: number, runs: readonly Buffer[]): Buffer {
  const header = Buffer.alloc(204);
  header.write("mish");
  header.writeUInt32BE(1, 4);
  header.writeBigUInt64BE(BigInt(firstSector), 8);
  header.writeBigUInt64BE(BigInt(sectors), 16);
  header.writeUInt32BE(0x808, 32);
  checksum(header, 64, sum);
  header.writeUInt32BE(runs.length, 200);
  return Buffer.concat([header, ...runs]);
}

function checksum(bytes: Buffer, at: number, sum: number): void {
  bytes.writeUInt32BE(2, at);
  bytes.writeUInt32BE(32, at + 4);
  bytes.writeUInt32BE(sum, at + 8);
}

function xmlOf(tables: readonly Buffer[], names: readonly string[], extra: string): string {
  const entries = tables.map((table, index) => {
    const name = names[index]!.replaceAll("&", "&amp;");
    const data = table.toString("base64").replaceAll(/.{1,52}/g, "\n\t\t\t\t$&");
    return `<dict><key>Attributes</key><string>0x0050</string><key>CFName</key><string>${name}</string><key>Data</key>
<data>${data}\n\t\t\t\t</data><key>ID</key><string>${index - 1}</string><key>Name</key><string>${name}</string></dict>`;
  });
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict><key>resource-fork</key><dict>
<key>blkx</key><array>${entries.join("\n")}</array>
${extra}</dict></dict></plist>
`;
}

/** Inside Macintosh's layout: header of 256 bytes, data, map. A type before and one behind "blkx". */
function resourceForkOf(tables: readonly Buffer[], names: readonly string[]): Buffer {
  const types = [
    { type: "LPic", resources: [{ name: undefined, bytes: Buffer.from("licence") }] },
    { type: "blkx", resources: tables.map((bytes, index) => ({ name: names[index], bytes })) },
    { type: "plst", resources: [{ name: "", bytes: Buffer.alloc(1032) }] },
  ];
  const data: Buffer[] = [];
  const nameList: Buffer[] = [];
  let dataBytes = 0;
  let nameBytes = 0;
  const typeList = Buffer.alloc(2 + types.length * 8);
  typeList.writeUInt16BE(types.length - 1);
  const references: Buffer[] = [];
  for (const [index, { type, resources }] of types.entries()) {
    typeList.write(type, 2 + index * 8);
    typeList.writeUInt16BE(resources.length - 1, 6 + index * 8);
    typeList.writeUInt16BE(typeList.length + references.length * 12, 8 + index * 8);
    for (const [id, { name, bytes }] of resources.entries()) {
      const reference = Buffer.alloc(12);
      reference.writeInt16BE(id - 1);
      reference.writeUInt16BE(name === undefined ? 0xffff : nameBytes, 2);
      reference.writeUInt32BE(0x50000000 + dataBytes, 4);
      references.push(reference);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(bytes.length);
      data.push(length, bytes);
      dataBytes += 4 + bytes.length;
      if (name !== undefined) {
        const text = Buffer.from(name, "latin1");
        nameList.push(Buffer.from([text.length]), text);
        nameBytes += 1 + text.length;
      }
    }
  }
  const mapHead = Buffer.alloc(28);
  mapHead.writeUInt16BE(28, 24);
  mapHead.writeUInt16BE(28 + typeList.length + references.length * 12, 26);
  const map = Buffer.concat([mapHead, typeList, ...references, ...nameList]);
  const header = Buffer.alloc(256);
  header.writeUInt32BE(256);
  header.writeUInt32BE(256 + dataBytes, 4);
  header.writeUInt32BE(dataBytes, 8);
  header.writeUInt32BE(map.length, 12);
  return Buffer.concat([header, ...data, map]);
}
