import { createHash, type Hash } from "node:crypto";

/** What bmaptool maps: an image is copied block by block. */
export const BMAP_BLOCK_BYTES = 4096;

const HASH_BYTES = 32;

/**
 * Collects the blocks of a sparse disk image that hold something, for its
 * `.bmap`: what `bmaptool` and other programs that write USB sticks read
 * beside the image, so that they pass over its holes and check what they copy.
 *
 * Takes 48 bytes a stretch of such blocks.
 */
export class Bmap {
  readonly #imageBytes: number;
  #first = new Float64Array(64);
  #end = new Float64Array(64);
  #hashes = new Uint8Array(64 * HASH_BYTES);
  #count = 0;
  #open: { readonly hash: Hash; endBytes: number } | undefined;

  constructor(imageBytes: number) {
    this.#imageBytes = imageBytes;
  }

  /** Content that the image has. Comes in ascending order, from the start of a block on, whole blocks but for the image's end. */
  add(startBytes: number, bytes: Uint8Array): void {
    if (this.#open?.endBytes !== startBytes) {
      this.#close();
      if (this.#count === this.#first.length) this.#grow();
      this.#first[this.#count] = startBytes / BMAP_BLOCK_BYTES;
      this.#open = { hash: createHash("sha256"), endBytes: startBytes };
    }
    this.#open.hash.update(bytes);
    this.#open.endBytes += bytes.length;
  }

  /**
   * The file, version 2.0, in pieces. Source: the comments that `bmaptool create` writes, and bmap-tools' BmapCreate.py.
   *
   * It carries the SHA-256 of itself, made with 64 zeros in that place.
   */
  *encode(): Generator<string> {
    this.#close();
    const sum = createHash("sha256");
    for (const piece of this.#pieces("0".repeat(64))) sum.update(piece);
    yield* this.#pieces(sum.digest("hex"));
  }

  *#pieces(ownSum: string): Generator<string> {
    let mapped = 0;
    for (let at = 0; at < this.#count; at += 1) mapped += this.#end[at]! - this.#first[at]!;
    yield `<?xml version="1.0" ?>
<bmap version="2.0">
    <ImageSize> ${this.#imageBytes} </ImageSize>
    <BlockSize> ${BMAP_BLOCK_BYTES} </BlockSize>
    <BlocksCount> ${Math.ceil(this.#imageBytes / BMAP_BLOCK_BYTES)} </BlocksCount>
    <MappedBlocksCount> ${mapped} </MappedBlocksCount>
    <ChecksumType> sha256 </ChecksumType>
    <BmapFileChecksum> ${ownSum} </BmapFileChecksum>
    <BlockMap>
`;
    for (let at = 0; at < this.#count; at += 1) {
      const first = this.#first[at]!;
      const last = this.#end[at]! - 1;
      const { buffer, byteOffset } = this.#hashes;
      const hash = Buffer.from(buffer, byteOffset + at * HASH_BYTES, HASH_BYTES).toString("hex");
      yield `        <Range chksum="${hash}"> ${first === last ? first : `${first}-${last}`} </Range>\n`;
    }
    yield "    </BlockMap>\n</bmap>\n";
  }

  #close(): void {
    if (this.#open === undefined) return;
    this.#end[this.#count] = Math.ceil(this.#open.endBytes / BMAP_BLOCK_BYTES);
    this.#hashes.set(this.#open.hash.digest(), this.#count * HASH_BYTES);
    this.#count += 1;
    this.#open = undefined;
  }

  #grow(): void {
    const [first, end, hashes] = [this.#first, this.#end, this.#hashes];
    this.#first = new Float64Array(first.length * 2);
    this.#end = new Float64Array(end.length * 2);
    this.#hashes = new Uint8Array(hashes.length * 2);
    this.#first.set(first);
    this.#end.set(end);
    this.#hashes.set(hashes);
  }
}
