import type { BlockSource, BlockTarget } from "../block.ts";
import { decodeFork, forkType, type HfsPlusVolume, type TreePlace } from "../free-space/hfs-plus-volume.ts";
import { type BlockRun, expect } from "../free-space/volume.ts";
import { BlockMap } from "./block-map.ts";
import { FORK_BYTES, recordAt } from "./records.ts";
import { writeInRuns } from "./rewrite-tree.ts";
import { headerAt, volumeFlag } from "./volume-header.ts";
import type { VolumeReader } from "./volume-reader.ts";

/** A volume's blocks and counts: what its header says by now, and what lies where. */
export class VolumeSpace {
  /** To be written when all changes are made. */
  readonly header: Buffer;
  readonly #hfs: HfsPlusVolume;
  readonly #disk: BlockSource & BlockTarget;
  readonly #blocks: BlockMap;

  private constructor(hfs: HfsPlusVolume, disk: BlockSource & BlockTarget, blocks: BlockMap) {
    this.#hfs = hfs;
    this.#disk = disk;
    this.#blocks = blocks;
    this.header = Buffer.from(hfs.header);
  }

  /** @throws {Implausible} */
  static async open(hfs: HfsPlusVolume, disk: BlockSource & BlockTarget): Promise<VolumeSpace> {
    return new VolumeSpace(hfs, disk, await BlockMap.open(hfs, disk));
  }

  /** A number for a new file. @throws {Implausible} when none is known to be free */
  newId(): number {
    const attributes = this.header.readUInt32BE(headerAt.attributes);
    const areIdsReused = (attributes & volumeFlag.idsReused) !== 0;
    expect(!areIdsReused, "the numbers of its files began again, so none is known to be free");
    const id = this.header.readUInt32BE(headerAt.nextCatalogId);
    addTo(this.header, headerAt.nextCatalogId, 1);
    return id;
  }

  /** Blocks for a content, in one piece; none for nothing. @throws {Implausible} when there are none */
  async take(lengthBytes: number): Promise<BlockRun[]> {
    const run = await this.#blocks.take(lengthBytes);
    addTo(this.header, headerAt.freeBlocks, -run.count);
    return run.count === 0 ? [] : [run];
  }

  /** Gives a fork's blocks back. */
  async release(reader: VolumeReader, record: Buffer, forkAt: number): Promise<void> {
    const runs = await reader.runs(record, forkAt);
    const type = forkAt === recordAt.dataFork ? forkType.data : forkType.resource;
    const more = [];
    for await (const { key } of reader.moreExtents(record.readUInt32BE(recordAt.id), type)) more.push(key);
    for (const key of more) await reader.extents?.remove(key);
    for (const run of runs) await this.#blocks.mark(run, false);
    addTo(this.header, headerAt.freeBlocks, countOf(runs));
  }

  /** Writes a content; what is left of its last block becomes zero. */
  async fill(runs: readonly BlockRun[], bytes: Uint8Array): Promise<void> {
    if (runs.length === 0) return;
    const whole = new Uint8Array(countOf(runs) * this.#hfs.blockBytes);
    whole.set(bytes);
    await writeInRuns(this.#hfs, this.#disk, runs, 0, whole);
  }

  /** More blocks for a tree, behind its others, of which a header holds eight stretches. @throws {Implausible} */
  async growTree({ forkAt }: TreePlace, lengthBytes: number): Promise<BlockRun> {
    const { blockBytes } = this.#hfs;
    const fork = decodeFork(this.header.subarray(forkAt, forkAt + FORK_BYTES));
    const isWhole = countOf(fork.runs) === fork.blocks && fork.sizeBytes === fork.blocks * blockBytes;
    const [run] = await this.take(lengthBytes);
    const last = fork.runs.at(-1);
    const isNext = last !== undefined && last.first + last.count === run?.first;
    const isPossible = isWhole && (isNext || fork.runs.length < 8) && run?.count === lengthBytes / blockBytes;
    expect(isPossible, "one of its trees has no room left");
    await this.fill([run], new Uint8Array(0));
    const runs = isNext
      ? [...fork.runs.slice(0, -1), { first: last.first, count: last.count + run.count }]
      : [...fork.runs, run];
    this.header.writeBigUInt64BE(BigInt(fork.sizeBytes + lengthBytes), forkAt);
    this.header.writeUInt32BE(fork.blocks + run.count, forkAt + 12);
    for (const [index, { first, count }] of runs.entries()) {
      this.header.writeUInt32BE(first, forkAt + 16 + index * 8);
      this.header.writeUInt32BE(count, forkAt + 20 + index * 8);
    }
    return run;
  }
}

export function countOf(runs: readonly BlockRun[]): number {
  return runs.reduce((sum, { count }) => sum + count, 0);
}

/** Changes a count in a record or header. @throws {Implausible} */
export function addTo(record: Buffer, at: number, difference: number): void {
  const count = record.readUInt32BE(at) + difference;
  expect(count >= 0 && count <= 0xffffffff, "its counts of files are wrong");
  record.writeUInt32BE(count, at);
}
