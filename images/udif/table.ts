import type { ChunkCodec, ForeignRange } from "../foreign-image.ts";
import { CHECKSUM_BYTES, decodeChecksum, type UdifChecksum } from "./checksum.ts";
import { udifFault } from "./faults.ts";
import { readSectors } from "./numbers.ts";

/** What a run of sectors is made of. "zero" counts in the table's checksum, "unused" does not. */
export type RunKind = ChunkCodec | Exclude<ForeignRange["state"], "data">;

/** A partition's table ("mish"): where its sectors lie in the data fork. */
export type UdifTable = {
  /** As hdiutil wrote it: "disk image (Apple_HFS : 2)". */
  readonly name: string;
  readonly firstSector: number;
  readonly sectorCount: number;
  /** Added to the place of every run. */
  readonly dataStart: bigint;
  readonly checksum: UdifChecksum;
  readonly runCount: number;
  /** The runs, 40 bytes each: there may be a million, so each is decoded when it is asked for. */
  readonly runs: DataView;
};

export type UdifRun = {
  readonly kind: RunKind;
  /** Relative to the table. */
  readonly firstSector: number;
  readonly sectorCount: number;
  /** In the data fork, without `dataStart`. Zero and unused runs have anything here. */
  readonly offset: bigint;
  readonly length: bigint;
};

const MAGIC = 0x6d697368; // "mish"
const RUNS_AT = 204;
const RUN_BYTES = 40;

const kinds: ReadonlyMap<number, RunKind> = new Map([
  [0x00000000, "zero"],
  [0x00000001, "raw"],
  [0x00000002, "unused"],
  [0x80000004, "adc"],
  [0x80000005, "zlib"],
  [0x80000006, "bzip2"],
  [0x80000007, "lzfse"],
  [0x80000008, "xz"],
]);
const COMMENT = 0x7ffffffe;
const TERMINATOR = 0xffffffff;

/**
 * Decodes a partition's table:
 *
 *     0 "mish"  4 version u32 (1)  8 first sector u64  16 sectors u64  24 data start u64
 *    32 buffers u32  36 partition u32  40 reserved  64 checksum (136)  200 number of runs u32  204 runs
 *
 * All numbers big-endian. Buffers and partition are hints and ignored.
 *
 * @throws {Fault} UDIF_TABLE, UDIF_TOO_LARGE
 */
export function decodeTable(bytes: Uint8Array, name: string): UdifTable {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < RUNS_AT) throw badTable(name, `It has ${bytes.length} bytes; a table has at least ${RUNS_AT}.`);
  if (view.getUint32(0) !== MAGIC) throw badTable(name, 'It does not begin with "mish".');
  if (view.getUint32(4) !== 1) throw badTable(name, `It has version ${view.getUint32(4)} instead of 1.`);
  const runCount = view.getUint32(64 + CHECKSUM_BYTES);
  if (RUNS_AT + runCount * RUN_BYTES > bytes.length)
    throw badTable(name, `It has ${bytes.length} bytes, too few for the ${runCount} runs that it says it has.`);
  return {
    name,
    firstSector: readSectors(view, 8, `first sector of "${name}"`),
    sectorCount: readSectors(view, 16, `number of sectors of "${name}"`),
    dataStart: view.getBigUint64(24),
    checksum: decodeChecksum(view, 64),
    runCount,
    runs: new DataView(bytes.buffer, bytes.byteOffset + RUNS_AT, runCount * RUN_BYTES),
  };
}

/**
 * The runs up to the terminator, in the table's order; comments and empty runs are left out.
 *
 *     0 type u32  4 comment u32  8 first sector u64  16 sectors u64  24 offset u64  32 length u64
 *
 * @throws {Fault} UDIF_TABLE (a kind that nobody knows), UDIF_TOO_LARGE
 */
export function* runsOf(table: UdifTable): Generator<UdifRun> {
  const { runs, name } = table;
  for (let at = 0; at < runs.byteLength; at += RUN_BYTES) {
    const type = runs.getUint32(at);
    if (type === TERMINATOR) return;
    if (type === COMMENT) continue;
    const kind = kinds.get(type);
    if (kind === undefined) throw badTable(name, `It has a run of kind 0x${type.toString(16)}, which nobody knows.`);
    const sectorCount = readSectors(runs, at + 16, `run's number of sectors in "${name}"`);
    if (sectorCount === 0) continue;
    yield {
      kind,
      firstSector: readSectors(runs, at + 8, `run's first sector in "${name}"`),
      sectorCount,
      offset: runs.getBigUint64(at + 24),
      length: runs.getBigUint64(at + 32),
    };
  }
}

export function badTable(name: string, why: string) {
  return udifFault("UDIF_TABLE", `The .dmg is damaged: the table of its partition "${name}" cannot be read.`, why);
}
