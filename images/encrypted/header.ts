import type { BlockSource } from "../block.ts";
import { convertOnMac, damagedHeader, encryptedFault, unknownKind } from "./faults.ts";

/** How the key of an image's content is locked with a passphrase. */
export type PassphraseLock = {
  /** Rounds of PBKDF2 with HMAC-SHA1. */
  readonly iterations: number;
  readonly salt: Uint8Array;
  readonly wrapped: /** Version 1: each key by itself, in the key wrap of RFC 3217 with triple DES. */
    | { readonly how: "cms"; readonly cipherKey: Uint8Array; readonly hmacKey: Uint8Array }
    /** Version 2: both keys in one piece, in CBC mode. */
    | {
        readonly how: "cbc";
        readonly cipher: "des-ede3-cbc" | "aes-128-cbc" | "aes-192-cbc" | "aes-256-cbc";
        readonly keyBytes: number;
        readonly initialVector: Uint8Array;
        readonly blob: Uint8Array;
      };
};

/** What the header of an encrypted image says: where its content is, and how its key is locked. */
export type EncryptedHeader = {
  readonly version: 1 | 2;
  /** Of AES, in CBC mode. */
  readonly keyBits: 128 | 256;
  /** Each has an initial vector of its own. */
  readonly blockBytes: number;
  readonly dataOffset: number;
  /** The content's; the last block may be longer in the file. */
  readonly dataBytes: number;
  /** Any of them opens it. */
  readonly locks: readonly PassphraseLock[];
};

const V1_FOOTER_BYTES = 1276;
const V2_HEADER_BYTES = 76;
/** macOS writes one for the passphrase and one for a certificate. */
const MAX_KEY_ITEMS = 32;
const KEY_ITEM_BYTES = 20;
const LOCK_BYTES = 104;
/** Seven seconds here. macOS 10.5 wrote 1000, macOS 12 some hundred thousand. */
const MAX_ITERATIONS = 10_000_000;

const AES = 0x80000001;
const CBC_IV8 = 5;
const CBC_PAD_IV8 = 6;
const PKCS7 = 7;
const TRIPLE_DES = 17;
const PBKDF2 = 103;
const HMAC_SHA1 = 91;

/**
 * Reads the header of an encrypted disk image ("encrcdsa" at its start, version 2)
 * or the footer of an old one ("cdsaencr" at its end, version 1).
 * Sources: vilefault (Appelbaum, Weinmann), nlitsme/encrypteddmg, images of macOS 10.4 to 10.9.
 *
 * @throws {Fault} ENCRYPTED_HEADER, ENCRYPTED_TRUNCATED, ENCRYPTED_KIND, ENCRYPTED_ITERATIONS, ENCRYPTED_NO_PASSPHRASE
 */
export async function readEncryptedHeader(source: BlockSource): Promise<EncryptedHeader> {
  const start = await source.read(0, Math.min(V2_HEADER_BYTES, source.sizeBytes));
  const header = hasText(start, 0, "encrcdsa") ? await readVersion2(source, start) : await readVersion1(source);
  const { blockBytes, dataOffset, dataBytes } = header;
  // The last block may be cut to whole units of the cipher.
  const storedBytes = Math.ceil(dataBytes / 16) * 16;
  if (blockBytes < 512 || blockBytes > 1 << 20 || (blockBytes & (blockBytes - 1)) !== 0)
    throw damagedHeader(`It says that a block has ${blockBytes} bytes.`);
  const endBytes = source.sizeBytes - (header.version === 1 ? V1_FOOTER_BYTES : 0);
  if (dataOffset + storedBytes > endBytes)
    throw encryptedFault(
      "ENCRYPTED_TRUNCATED",
      "The encrypted image is cut off.",
      `Its content should end at byte ${dataOffset + storedBytes}, and the file has room up to ${endBytes}.`,
    );
  return header;
}

async function readVersion2(source: BlockSource, bytes: Uint8Array): Promise<EncryptedHeader> {
  if (bytes.length < V2_HEADER_BYTES) throw damagedHeader(`The file has only ${bytes.length} bytes.`);
  const view = viewOf(bytes);
  if (view.getUint32(8) !== 2) throw damagedHeader(`It has version ${view.getUint32(8)} instead of 2.`);
  checkCipher({ ivBytes: view.getUint32(12), mode: view.getUint32(16), algorithm: view.getUint32(20) });
  if (view.getUint32(28) !== HMAC_SHA1 || view.getUint32(32) !== 160)
    throw unknownKind(
      `Its initial vectors are made by algorithm ${view.getUint32(28)} with ${view.getUint32(32)} bits.`,
    );
  const items = view.getUint32(72);
  if (items === 0 || items > MAX_KEY_ITEMS) throw damagedHeader(`It lists ${items} locked keys.`);
  const table = viewOf(await readPart(source, V2_HEADER_BYTES, items * KEY_ITEM_BYTES, "list of locked keys"));
  const locks: PassphraseLock[] = [];
  const others: number[] = [];
  for (let item = 0; item < items; item += 1) {
    const kind = table.getUint32(item * KEY_ITEM_BYTES);
    if (kind !== 1) {
      others.push(kind);
      continue;
    }
    const offset = readNumber(table, item * KEY_ITEM_BYTES + 4, "the place of a locked key");
    const length = readNumber(table, item * KEY_ITEM_BYTES + 12, "the length of a locked key");
    if (length < LOCK_BYTES || length > 65536) throw damagedHeader(`A locked key has ${length} bytes.`);
    locks.push(decodeLock(await readPart(source, offset, length, "locked key")));
  }
  if (locks.length === 0) throw noPassphrase(others);
  return {
    version: 2,
    keyBits: keyBitsOf(view.getUint32(24)),
    blockBytes: view.getUint32(52),
    dataBytes: readNumber(view, 56, "the size of its content"),
    dataOffset: readNumber(view, 64, "the place of its content"),
    locks,
  };
}

function decodeLock(bytes: Uint8Array): PassphraseLock {
  const view = viewOf(bytes);
  checkDerivation(view.getUint32(0), view.getUint32(4));
  const wrapBits = view.getUint32(84);
  const wrapAlgorithm = view.getUint32(88);
  if (view.getUint32(92) !== PKCS7 || view.getUint32(96) !== CBC_PAD_IV8)
    throw unknownKind(`Its key is locked with padding ${view.getUint32(92)} and mode ${view.getUint32(96)}.`);
  const cipher = wrapCipherOf(wrapAlgorithm, wrapBits);
  const blockBytes = cipher === "des-ede3-cbc" ? 8 : 16;
  const ivBytes = view.getUint32(48);
  if (ivBytes < blockBytes || ivBytes > 32) throw damagedHeader(`The initial vector of its key has ${ivBytes} bytes.`);
  const blobBytes = view.getUint32(100);
  if (blobBytes === 0 || blobBytes % blockBytes !== 0 || LOCK_BYTES + blobBytes > bytes.length)
    throw damagedHeader(`Its locked key should have ${blobBytes} bytes.`);
  return {
    iterations: iterationsOf(view.getUint32(8)),
    salt: saltOf(bytes, 12),
    wrapped: {
      how: "cbc",
      cipher,
      keyBytes: wrapBits / 8,
      initialVector: bytes.subarray(52, 52 + blockBytes),
      blob: bytes.subarray(LOCK_BYTES, LOCK_BYTES + blobBytes),
    },
  };
}

async function readVersion1(source: BlockSource): Promise<EncryptedHeader> {
  if (source.sizeBytes < V1_FOOTER_BYTES) throw damagedHeader(`The file has only ${source.sizeBytes} bytes.`);
  const bytes = await source.read(source.sizeBytes - V1_FOOTER_BYTES, V1_FOOTER_BYTES);
  const view = viewOf(bytes);
  if (!hasText(bytes, 1268, "cdsaencr"))
    throw damagedHeader('Neither "encrcdsa" at its start nor "cdsaencr" at its end.');
  if (view.getUint32(1264) !== 1) throw damagedHeader(`It has version ${view.getUint32(1264)} instead of 1.`);
  checkDerivation(view.getUint32(40), view.getUint32(44));
  checkCipher({ ivBytes: view.getUint32(88), mode: view.getUint32(92), algorithm: view.getUint32(96) });
  const wrappedKey = (at: number): Uint8Array => {
    const length = view.getUint32(at);
    if (length === 0 || length > 296 || length % 8 !== 0) throw damagedHeader(`A locked key has ${length} bytes.`);
    return bytes.subarray(at + 4, at + 4 + length);
  };
  return {
    version: 1,
    keyBits: keyBitsOf(view.getUint32(100)),
    blockBytes: 4096,
    dataOffset: view.getUint32(1256),
    dataBytes: view.getUint32(1260),
    locks: [
      {
        iterations: iterationsOf(view.getUint32(48)),
        salt: saltOf(bytes, 52),
        wrapped: { how: "cms", cipherKey: wrappedKey(136), hmacKey: wrappedKey(436) },
      },
    ],
  };
}

function checkCipher(given: { ivBytes: number; mode: number; algorithm: number }): void {
  const { ivBytes, mode, algorithm } = given;
  if (algorithm === AES && ivBytes === 16 && (mode === CBC_IV8 || mode === CBC_PAD_IV8)) return;
  throw unknownKind(`Its content has cipher ${algorithm}, mode ${mode}, and initial vectors of ${ivBytes} bytes.`);
}

function checkDerivation(algorithm: number, hash: number): void {
  if (algorithm === PBKDF2 && hash === 0) return;
  throw unknownKind(`The passphrase becomes a key by algorithm ${algorithm} with hash ${hash}.`);
}

function keyBitsOf(bits: number): 128 | 256 {
  if (bits === 128 || bits === 256) return bits;
  throw unknownKind(`Its content has a key of ${bits} bits.`);
}

function wrapCipherOf(algorithm: number, bits: number) {
  if (algorithm === TRIPLE_DES && bits === 192) return "des-ede3-cbc";
  if (algorithm === AES && (bits === 128 || bits === 192 || bits === 256)) return `aes-${bits}-cbc` as const;
  throw unknownKind(`Its key is locked by cipher ${algorithm} with ${bits} bits.`);
}

function iterationsOf(iterations: number): number {
  if (iterations === 0) throw damagedHeader("The passphrase would be hashed 0 times.");
  if (iterations <= MAX_ITERATIONS) return iterations;
  throw encryptedFault(
    "ENCRYPTED_ITERATIONS",
    "The passphrase cannot be tried.",
    `The header wants it hashed ${iterations} times, and no program writes more than ${MAX_ITERATIONS}: it is damaged, or made to keep this machine busy.`,
  );
}

function saltOf(bytes: Uint8Array, at: number): Uint8Array {
  const length = viewOf(bytes).getUint32(at);
  if (length === 0 || length > 32) throw damagedHeader(`Its salt has ${length} bytes.`);
  return bytes.subarray(at + 4, at + 4 + length);
}

async function readPart(source: BlockSource, offset: number, length: number, name: string): Promise<Uint8Array> {
  if (offset + length > source.sizeBytes)
    throw encryptedFault(
      "ENCRYPTED_TRUNCATED",
      "The encrypted image is cut off.",
      `Its ${name} should end at byte ${offset + length}, and the file has ${source.sizeBytes}.`,
    );
  return source.read(offset, length);
}

function readNumber(view: DataView, at: number, name: string): number {
  const value = Number(view.getBigUint64(at));
  if (Number.isSafeInteger(value)) return value;
  throw damagedHeader(`It says that ${name} is ${view.getBigUint64(at)}.`);
}

function noPassphrase(kinds: readonly number[]) {
  const how = kinds.includes(2) ? "a certificate" : `a key of kind ${kinds.join(", ")}`;
  return encryptedFault(
    "ENCRYPTED_NO_PASSPHRASE",
    "No passphrase opens this image.",
    `Its key is locked with ${how} only.`,
    convertOnMac,
  );
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function hasText(bytes: Uint8Array, at: number, text: string): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1", at, at + text.length) === text;
}
