/**
 * The Network Block Device protocol as bytes: fixed newstyle handshake and
 * simple replies. All numbers are big-endian.
 * Source: doc/proto.md of NetworkBlockDevice/nbd.
 */

/** What a session begins with: the ASCII words "NBDMAGIC" and, before every option, "IHAVEOPT". */
export const NBD_MAGIC = 0x4e42444d41474943n;
export const OPTION_MAGIC = 0x49484156454f5054n;
export const OPTION_REPLY_MAGIC = 0x3e889045565a9n;
export const REQUEST_MAGIC = 0x25609513;
export const SIMPLE_REPLY_MAGIC = 0x67446698;

/** Of both sides' handshake flags: fixed newstyle (1), and no 124 zeros behind an export's size (2). */
export const FIXED_NEWSTYLE = 1;
export const NO_ZEROES = 2;

export const Option = { exportName: 1, abort: 2, list: 3, info: 6, go: 7 } as const;
export const OptionReply = {
  acknowledged: 1,
  server: 2,
  info: 3,
  unsupported: 2 ** 31 + 1,
  invalid: 2 ** 31 + 3,
  unknownExport: 2 ** 31 + 6,
} as const;
export const Info = { export: 0, name: 1, blockSize: 3 } as const;
export const Command = { read: 0, write: 1, disconnect: 2 } as const;
export const NbdError = { none: 0, notPermitted: 1, inputOutput: 5, invalid: 22 } as const;

/** An export's flags: they are there (1), read-only (2), and several connections see the same (256). */
export const EXPORT_FLAGS: number = 1 | 2 | 256;

export const OPTION_HEADER_BYTES = 16;
export const REQUEST_BYTES = 28;

export type OptionHeader = { readonly option: number; readonly length: number };
export type Request = {
  readonly command: number;
  /** The client's own number of this request; its reply repeats it. */
  readonly cookie: bigint;
  readonly offset: bigint;
  readonly length: number;
};

/** The server's first words. */
export function encodeHello(): Uint8Array {
  const bytes = Buffer.alloc(18);
  bytes.writeBigUInt64BE(NBD_MAGIC);
  bytes.writeBigUInt64BE(OPTION_MAGIC, 8);
  bytes.writeUInt16BE(FIXED_NEWSTYLE | NO_ZEROES, 16);
  return bytes;
}

/** @returns undefined when it is no option. Exactly `OPTION_HEADER_BYTES` are read. */
export function decodeOptionHeader(bytes: Buffer): OptionHeader | undefined {
  if (bytes.readBigUInt64BE() !== OPTION_MAGIC) return undefined;
  return { option: bytes.readUInt32BE(8), length: bytes.readUInt32BE(12) };
}

export function encodeOptionReply(option: number, reply: number, content: Uint8Array = new Uint8Array()): Uint8Array {
  const head = Buffer.alloc(20);
  head.writeBigUInt64BE(OPTION_REPLY_MAGIC);
  head.writeUInt32BE(option, 8);
  head.writeUInt32BE(reply, 12);
  head.writeUInt32BE(content.length, 16);
  return Buffer.concat([head, content]);
}

/**
 * What INFO and GO ask for: `nameLength(4) name count(2) kind(2)*count`.
 *
 * @returns undefined when the lengths do not fit
 */
export function decodeInfoRequest(content: Buffer): { name: string; kinds: number[] } | undefined {
  if (content.length < 6) return undefined;
  const nameEnd = 4 + content.readUInt32BE();
  if (nameEnd + 2 > content.length) return undefined;
  const count = content.readUInt16BE(nameEnd);
  if (nameEnd + 2 + 2 * count !== content.length) return undefined;
  const kinds = Array.from({ length: count }, (_, at) => content.readUInt16BE(nameEnd + 2 + 2 * at));
  return { name: content.toString("utf8", 4, nameEnd), kinds };
}

/** Of LIST: `nameLength(4) name`. */
export function encodeListed(name: string): Uint8Array {
  const bytes = Buffer.alloc(4 + Buffer.byteLength(name));
  bytes.writeUInt32BE(bytes.length - 4);
  bytes.write(name, 4);
  return bytes;
}

/** `kind(2) size(8) flags(2)` */
export function encodeExportInfo(sizeBytes: number): Uint8Array {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt16BE(Info.export);
  bytes.set(encodeExport(sizeBytes), 2);
  return bytes;
}

/** `kind(2) name` */
export function encodeNameInfo(name: string): Uint8Array {
  return Buffer.concat([Buffer.from([0, Info.name]), Buffer.from(name)]);
}

/** `kind(2) least(4) preferred(4) most(4)` */
export function encodeBlockSizeInfo(preferredBytes: number, mostBytes: number): Uint8Array {
  const bytes = Buffer.alloc(14);
  bytes.writeUInt16BE(Info.blockSize);
  bytes.writeUInt32BE(1, 2);
  bytes.writeUInt32BE(preferredBytes, 6);
  bytes.writeUInt32BE(mostBytes, 10);
  return bytes;
}

/** The answer to EXPORT_NAME: `size(8) flags(2)`, for old clients with 124 zeros. */
export function encodeExport(sizeBytes: number, zeroBytes = 0): Uint8Array {
  const bytes = Buffer.alloc(10 + zeroBytes);
  bytes.writeBigUInt64BE(BigInt(sizeBytes));
  bytes.writeUInt16BE(EXPORT_FLAGS, 8);
  return bytes;
}

/** @returns undefined when it is no request. Exactly `REQUEST_BYTES` are read. */
export function decodeRequest(bytes: Buffer): Request | undefined {
  if (bytes.readUInt32BE() !== REQUEST_MAGIC) return undefined;
  return {
    command: bytes.readUInt16BE(6),
    cookie: bytes.readBigUInt64BE(8),
    offset: bytes.readBigUInt64BE(16),
    length: bytes.readUInt32BE(24),
  };
}

/** What is before the content that was read, and all there is after an error. */
export function encodeReply(cookie: bigint, error: number): Uint8Array {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32BE(SIMPLE_REPLY_MAGIC);
  bytes.writeUInt32BE(error, 4);
  bytes.writeBigUInt64BE(cookie, 8);
  return bytes;
}
