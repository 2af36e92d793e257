import type { BlockSource, BlockTarget } from "../block.ts";
import { FileInRuns, type HfsPlusVolume } from "../free-space/hfs-plus-volume.ts";
import { type BlockRun, expect } from "../free-space/volume.ts";
import { writeInRuns } from "./rewrite-tree.ts";
import { decodeNode, encodeNode, nodeKind, type OpenNode } from "./tree-node.ts";

const MOST_KNOWN = 512;

/** The nodes of a tree's file, as they are by now; those that are asked for over and over are kept. */
export class TreeNodes {
  readonly nodeBytes: number;
  readonly #hfs: HfsPlusVolume;
  readonly #disk: BlockSource & BlockTarget;
  readonly #runs: BlockRun[];
  readonly #known = new Map<number, OpenNode>();

  constructor(hfs: HfsPlusVolume, disk: BlockSource & BlockTarget, runs: readonly BlockRun[], nodeBytes: number) {
    this.#hfs = hfs;
    this.#disk = disk;
    this.#runs = [...runs];
    this.nodeBytes = nodeBytes;
  }

  /** The file has blocks behind its others. @returns how many nodes they are */
  add(run: BlockRun): number {
    this.#runs.push(run);
    return Math.floor((run.count * this.#hfs.blockBytes) / this.nodeBytes);
  }

  /** A node of the tree itself, not to be changed. @throws {Implausible} when it is no node of that height */
  async node(number: number, height: number): Promise<OpenNode> {
    const node = this.#known.get(number) ?? decodeNode(await this.read(number));
    const kind = height === 1 ? nodeKind.leaf : nodeKind.index;
    // The height falls on the way down, so that no tree is endless.
    expect(node.kind === kind && node.height === height && node.records.length > 0, "one of its trees is damaged");
    if (this.#known.size >= MOST_KNOWN) this.#known.clear();
    this.#known.set(number, node);
    return node;
  }

  async store(number: number, node: OpenNode): Promise<void> {
    await this.write(number, encodeNode(node, this.nodeBytes));
  }

  /** Gives a node other neighbours. */
  async relink(number: number, links: { next?: number; previous?: number }): Promise<void> {
    await this.store(number, { ...decodeNode(await this.read(number)), ...links });
  }

  async read(number: number): Promise<Buffer> {
    const file = new FileInRuns(this.#hfs.volume.on(this.#disk), this.#runs, this.#hfs.blockBytes);
    return file.read(number * this.nodeBytes, this.nodeBytes);
  }

  async write(number: number, bytes: Buffer): Promise<void> {
    this.#known.delete(number);
    await writeInRuns(this.#hfs, this.#disk, this.#runs, number * this.nodeBytes, bytes);
  }
}
