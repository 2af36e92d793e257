import { crc32 } from "node:zlib";

export type PartcloneParts = {
  readonly blockBytes: number;
  /** "x" for a used block, "." for an unused one. */
  readonly map: string;
  readonly blocksPerChecksum: number;
  readonly isReseeded?: boolean;
  readonly deviceBytes?: number;
};

/** The content of used block `block`. */
export function blockOf(block: number, blockBytes: number): Buffer {
  return Buffer.alloc(blockBytes, `block ${block};`);
}

/** The disk that such an image stands for. */
export function diskOf({ map, blockBytes, deviceBytes }: PartcloneParts): Buffer {
  const blocks = [...map].map((letter, block) =>
    letter === "x" ? blockOf(block, blockBytes) : Buffer.alloc(blockBytes),
  );
  const disk = Buffer.concat(blocks);
  return Buffer.concat([disk, Buffer.alloc(Math.max(0, (deviceBytes ?? 0) - disk.length))]);
}

/** An image as partclone 0.3 writes it, format 0002. */
export function partcloneV2(parts: PartcloneParts): Buffer {
  const { map, blockBytes, blocksPerChecksum, isReseeded = true } = parts;
  const used = [...map].filter((letter) => letter === "x").length;
  const header = Buffer.alloc(110);
  header.write("partclone-image", 0, "latin1");
  header.write("0.3.23", 16, "latin1");
  header.write("0002", 30, "latin1");
  header.writeUInt16LE(0xc0de, 34);
  header.write("NTFS", 36, "latin1");
  header.writeBigUInt64LE(BigInt(parts.deviceBytes ?? map.length * blockBytes), 52);
  for (const [at, value] of [
    [60, map.length],
    [68, used],
    [76, used],
  ] as const)
    header.writeBigUInt64LE(BigInt(value), at);
  header.writeUInt32LE(blockBytes, 84);
  header.writeUInt32LE(18, 88);
  header.writeUInt16LE(2, 92);
  header.writeUInt16LE(64, 94);
  header.writeUInt16LE(blocksPerChecksum === 0 ? 0 : 0x20, 96);
  header.writeUInt16LE(blocksPerChecksum === 0 ? 0 : 4, 98);
  header.writeUInt32LE(blocksPerChecksum, 100);
  header.writeUInt8(isReseeded ? 1 : 0, 104);
  header.writeUInt8(1, 105);
  reseal(header);
  const bits = Buffer.alloc(Math.ceil(map.length / 8));
  for (const [block, letter] of [...map].entries()) if (letter === "x") bits[block >> 3]! |= 1 << (block & 7);
  const pieces: Buffer[] = [header, bits, sumOf(crc32(bits))];
  let sum = 0;
  let count = 0;
  for (const [block, letter] of [...map].entries()) {
    if (letter !== "x") continue;
    const content = blockOf(block, blockBytes);
    pieces.push(content);
    sum = crc32(content, sum);
    count += 1;
    if (blocksPerChecksum === 0 || (count % blocksPerChecksum !== 0 && count !== used)) continue;
    pieces.push(sumOf(sum));
    if (isReseeded) sum = 0;
  }
  return Buffer.concat(pieces);
}

/** Makes the header's checksum fit again. */
export function reseal(image: Buffer): Buffer {
  sumOf(crc32(image.subarray(0, 106))).copy(image, 106);
  return image;
}

/** An image of format 0001, as Clonezilla made until 2016; some builds wrote checksums of 8 bytes. */
export function partcloneV1({ map, blockBytes }: PartcloneParts, checksumBytes: 4 | 8): Buffer {
  const header = Buffer.alloc(4160);
  header.write("partclone-image", 0, "latin1");
  header.write("NTFS", 15, "latin1");
  header.write("0001", 30, "latin1");
  header.writeUInt32LE(blockBytes, 36);
  const used = [...map].filter((letter) => letter === "x").length;
  for (const [at, value] of [
    [40, map.length * blockBytes],
    [48, map.length],
    [56, used],
  ] as const)
    header.writeBigUInt64LE(BigInt(value), at);
  const pieces: Buffer[] = [
    header,
    Buffer.from([...map].map((letter) => (letter === "x" ? 1 : 0))),
    Buffer.from("BiTmAgIc"),
  ];
  let sum = 0;
  for (const [block, letter] of [...map].entries()) {
    if (letter !== "x") continue;
    const content = blockOf(block, blockBytes);
    // Its defect: the pointer stands still, so the first byte is summed each time.
    sum = crc32(Buffer.alloc(blockBytes, content[0]), sum);
    pieces.push(content, Buffer.concat([sumOf(sum), Buffer.alloc(4)]).subarray(0, checksumBytes));
  }
  return Buffer.concat(pieces);
}

/** partclone leaves out CRC-32's inversion at the end. */
function sumOf(crc: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(~crc >>> 0);
  return bytes;
}
