import { expect } from "../free-space/volume.ts";
import { decodeNode, nodeKind } from "./tree-node.ts";

/** The map's part in the header node is its third record. */
const MAP_IN_HEADER = 2;
const NODE_COUNT_AT = 14 + 22;
const FREE_NODES_AT = 14 + 26;
const OFFSET_BYTES = 2;
const MOST_MAP_NODES = 4096;

type Piece = { readonly node: number; readonly at: number; readonly lengthBytes: number };
type Nodes = { read(number: number): Promise<Buffer>; write(number: number, bytes: Buffer): Promise<void> };

/** Which nodes of a tree are in use: bits in its header node, and in map nodes where that is too small (TN1150). */
export class TreeMap {
  readonly #nodes: Nodes;
  readonly #pieces: readonly Piece[];
  #nodeCount: number;

  private constructor(nodes: Nodes, pieces: readonly Piece[], nodeCount: number) {
    this.#nodes = nodes;
    this.#pieces = pieces;
    this.#nodeCount = nodeCount;
  }

  /** @throws {Implausible} */
  static async open(nodes: Nodes, nodeCount: number): Promise<TreeMap> {
    const pieces: Piece[] = [];
    let record = MAP_IN_HEADER;
    for (let number = 0; ; record = 0) {
      const bytes = await nodes.read(number);
      const { next, kind, records } = decodeNode(bytes);
      expect(kind === (number === 0 ? nodeKind.header : nodeKind.map), "the map of one of its trees is damaged");
      expect(records.length > record && pieces.length < MOST_MAP_NODES, "the map of one of its trees is damaged");
      const at = bytes.readUInt16BE(bytes.length - OFFSET_BYTES * (record + 1));
      pieces.push({ node: number, at, lengthBytes: records[record]!.length });
      if (next === 0) break;
      number = next;
    }
    return new TreeMap(nodes, pieces, nodeCount);
  }

  /** How many nodes the map has bits for. */
  get mostNodes(): number {
    return this.#pieces.reduce((sum, { lengthBytes }) => sum + lengthBytes * 8, 0);
  }

  /** The file has more nodes now; they are free. */
  async grow(nodes: number): Promise<void> {
    this.#nodeCount += nodes;
    const header = Buffer.from(await this.#nodes.read(0));
    header.writeUInt32BE(header.readUInt32BE(FREE_NODES_AT) + nodes, FREE_NODES_AT);
    header.writeUInt32BE(this.#nodeCount, NODE_COUNT_AT);
    await this.#nodes.write(0, header);
  }

  get nodeCount(): number {
    return this.#nodeCount;
  }

  /** A node that was free, in use from now on; undefined when there is none. */
  async take(): Promise<number | undefined> {
    let first = 0;
    for (const { node, at, lengthBytes } of this.#pieces) {
      const bytes = await this.#nodes.read(node);
      for (let byte = 0; byte < lengthBytes; byte += 1) {
        if (bytes[at + byte] === 0xff) continue;
        for (let bit = 0; bit < 8; bit += 1) {
          const number = first + byte * 8 + bit;
          if (number >= this.#nodeCount) break;
          if ((bytes[at + byte]! & (0x80 >> bit)) !== 0) continue;
          await this.#set(number, true);
          return number;
        }
      }
      first += lengthBytes * 8;
    }
    return undefined;
  }

  /** @throws {Implausible} when it was free already */
  async free(number: number): Promise<void> {
    await this.#set(number, false);
  }

  async #set(number: number, isUsed: boolean): Promise<void> {
    let first = 0;
    for (const { node, at, lengthBytes } of this.#pieces) {
      const byte = (number - first) >> 3;
      first += lengthBytes * 8;
      if (number >= first) continue;
      const bytes = Buffer.from(await this.#nodes.read(node));
      const bit = 0x80 >> (number & 7);
      expect(((bytes[at + byte]! & bit) !== 0) !== isUsed, "the map of one of its trees is wrong");
      bytes[at + byte]! ^= bit;
      await this.#nodes.write(node, bytes);
      const header = Buffer.from(await this.#nodes.read(0));
      const free = header.readUInt32BE(FREE_NODES_AT) + (isUsed ? -1 : 1);
      expect(free >= 0, "the map of one of its trees is wrong");
      header.writeUInt32BE(free, FREE_NODES_AT);
      await this.#nodes.write(0, header);
      return;
    }
    expect(false, "a node of its trees lies nowhere");
  }
}
