import { encodeChecksum } from "./checksum.ts";
import { TRAILER_BYTES } from "./trailer.ts";

export type WrittenTrailer = {
  readonly dataBytes: number;
  readonly dataCrc32: number;
  readonly xmlBytes: number;
  readonly masterCrc32: number;
  /** 16 random bytes. */
  readonly segmentId: Uint8Array;
  readonly kind: "disk" | "volume";
  readonly sectorCount: number;
};

const FLATTENED = 1;

/** The trailer of an image in one segment: the data fork from byte 0 on, then the property list (see `decodeTrailer`). */
export function encodeTrailer(trailer: WrittenTrailer): Buffer {
  const bytes = Buffer.alloc(TRAILER_BYTES);
  bytes.write("koly", 0, "latin1");
  bytes.writeUInt32BE(4, 4);
  bytes.writeUInt32BE(TRAILER_BYTES, 8);
  bytes.writeUInt32BE(FLATTENED, 12);
  bytes.writeBigUInt64BE(BigInt(trailer.dataBytes), 32);
  bytes.writeUInt32BE(1, 56);
  bytes.writeUInt32BE(1, 60);
  bytes.set(trailer.segmentId, 64);
  encodeChecksum(bytes, 80, trailer.dataCrc32);
  bytes.writeBigUInt64BE(BigInt(trailer.dataBytes), 216);
  bytes.writeBigUInt64BE(BigInt(trailer.xmlBytes), 224);
  encodeChecksum(bytes, 352, trailer.masterCrc32);
  bytes.writeUInt32BE(trailer.kind === "disk" ? 1 : 2, 488);
  bytes.writeBigUInt64BE(BigInt(trailer.sectorCount), 492);
  return bytes;
}
