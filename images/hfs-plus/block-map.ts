import type { BlockSource, BlockTarget } from "../block.ts";
import { freeRangesOf } from "../free-space/bitmap.ts";
import { FileInRuns, type HfsPlusVolume } from "../free-space/hfs-plus-volume.ts";
import { type BlockRun, expect, piecesOf } from "../free-space/volume.ts";
import { writeInRuns } from "./rewrite-tree.ts";
import { headerAt } from "./volume-header.ts";

const ALLOCATION_FILE = 6;

/** Which blocks of a volume are in use: its allocation file, as it is on `disk` by now. */
export class BlockMap {
  readonly #hfs: HfsPlusVolume;
  readonly #disk: BlockSource & BlockTarget;
  readonly #runs: readonly BlockRun[];

  private constructor(hfs: HfsPlusVolume, disk: BlockSource & BlockTarget, runs: readonly BlockRun[]) {
    this.#hfs = hfs;
    this.#disk = disk;
    this.#runs = runs;
  }

  /** @throws {Implausible} */
  static async open(hfs: HfsPlusVolume, disk: BlockSource & BlockTarget): Promise<BlockMap> {
    return new BlockMap(hfs, disk, await hfs.specialFile(headerAt.allocationFork, ALLOCATION_FILE));
  }

  /** Takes blocks in one piece, and marks them. @throws {Implausible} when there is no such piece */
  async take(lengthBytes: number): Promise<BlockRun> {
    const { blockBytes, blocks, volume } = this.#hfs;
    const count = Math.ceil(lengthBytes / blockBytes);
    if (count === 0) return { first: 0, count: 0 };
    const bitmap = piecesOf(volume.on(this.#disk), this.#runs, blockBytes, Math.ceil(blocks / 8));
    const shape = { startBytes: 0, blockBytes: 1, blocks, isHighBitFirst: true };
    for await (const { startBytes, endBytes } of freeRangesOf(bitmap, shape)) {
      if (endBytes - startBytes < count) continue;
      const run = { first: startBytes, count };
      await this.mark(run, true);
      return run;
    }
    expect(false, "it is full");
  }

  /** Sets the bits of blocks, or clears them; each must have been the other way. @throws {Implausible} */
  async mark({ first, count }: BlockRun, isUsed: boolean): Promise<void> {
    if (count === 0) return;
    const { blockBytes, blocks, volume } = this.#hfs;
    expect(first + count <= blocks, "a file leads out of it");
    const from = first >> 3;
    const length = ((first + count - 1) >> 3) + 1 - from;
    const bitmap = new FileInRuns(volume.on(this.#disk), this.#runs, blockBytes);
    const bits = Buffer.from(await bitmap.read(from, length));
    for (let block = first; block < first + count; block += 1) {
      const [byte, bit] = [(block >> 3) - from, 0x80 >> (block & 7)];
      expect(((bits[byte]! & bit) !== 0) !== isUsed, "two files of its share a block");
      bits[byte]! ^= bit;
    }
    await writeInRuns(this.#hfs, this.#disk, this.#runs, from, bits);
  }
}
