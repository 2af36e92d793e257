import {
  type Cipheriv,
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  type Decipheriv,
  hkdfSync,
  type KeyObject,
} from "node:crypto";
import { Fault } from "../fault.ts";
import { MAX_PACK_BYTES, packDigest } from "./pack.ts";

/**
 * A pack as it lies in a sealed store: nobody without the store's key can read it. All numbers big-endian.
 *
 *    0  magic "bootseal"
 *    8  u16  format version, 1
 *   10  6 bytes, 0
 *   16  16 bytes: the id of the key
 *   32  the pack, AES-256-GCM; as long as it is plain
 *       16 bytes: GCM's tag, over the 32 bytes above and the pack's digest, too
 *
 * The rule of the nonce: a key of AES-GCM must never seal two texts with the same nonce. Here each pack has a key of
 * its own, HKDF-SHA256 of the store's key with the pack's digest as the salt and "bootcast sealed pack 1" as the info,
 * and twelve zero bytes for a nonce. A digest names one text only, and `sealPack` seals nothing under a name
 * that is not its own; so no key is used twice, with no counter to keep and no chance to run out of. The same pack sealed
 * again gives the same bytes: a sealing that was interrupted, or done by two processes at once, does no harm.
 */
const MAGIC = Buffer.from("bootseal", "latin1");
const VERSION = 1;
const KEY_ID_AT = 16;
const HEADER_BYTES = 32;
const TAG_BYTES = 16;
const NONCE = Buffer.alloc(12);
/** What GCM counts from for its first block of text, behind the nonce (NIST SP 800-38D, 7.1). */
const FIRST_COUNTER = Buffer.concat([NONCE, Buffer.from([0, 0, 0, 2])]);

/** So much is ciphered at once: what that makes anew each time is little, and stays in the processor's cache. */
const STEP_BYTES = 64 * 1024;

export const STORE_KEY_BYTES = 32;
/** A sealed pack is so much longer than the pack. */
export const SEAL_BYTES = HEADER_BYTES + TAG_BYTES;
/** So many bytes of the front of a sealed pack come before those of the pack, and so many behind them. */
export const SEALED_HEADER_BYTES = HEADER_BYTES;
export const SEALED_TAG_BYTES = TAG_BYTES;

/** The key of a store's packs. The store holds its id, and never the key itself. */
export type StoreKey = {
  /** 32 hexadecimal digits, made from the key; tells nothing about it. */
  readonly id: string;
  readonly secret: KeyObject;
};

/** @param secret 32 bytes that nobody can guess */
export function storeKeyOf(secret: Uint8Array): StoreKey {
  if (secret.length !== STORE_KEY_BYTES) throw new RangeError(`A store key has 32 bytes, not ${secret.length}`);
  const id = Buffer.from(hkdfSync("sha256", secret, "", "bootcast store key id", 16)).toString("hex");
  return { id, secret: createSecretKey(secret) };
}

/** The id of the key that these bytes are sealed with; undefined when they are not sealed. @param bytes the front is enough */
export function sealOf(bytes: Uint8Array): string | undefined {
  const front = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (front.length < HEADER_BYTES || !front.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  return front.toString("hex", KEY_ID_AT, HEADER_BYTES);
}

/**
 * Seals a pack.
 *
 * @throws {Fault} PACK_DAMAGED when `digest` is not that of `pack`: to seal it would break the rule of the nonce
 */
export function sealPack(digest: string, pack: Uint8Array, key: StoreKey): Uint8Array {
  const sealed = new Uint8Array(pack.length + SEAL_BYTES);
  sealed.set(pack, HEADER_BYTES);
  sealInPlace(digest, sealed, key);
  return sealed;
}

/**
 * The same where it lies.
 *
 * @param bytes HEADER_BYTES of room, the pack, TAG_BYTES of room: all of it is the sealed pack then
 */
export function sealInPlace(digest: string, bytes: Uint8Array, key: StoreKey): void {
  const text = bytes.subarray(HEADER_BYTES, bytes.length - TAG_BYTES);
  if (packDigest(text) !== digest) throw otherBytes(digest);
  const header = headerOf(key);
  const cipher = createCipheriv("aes-256-gcm", packKey(digest, key), NONCE);
  cipher.setAAD(boundTo(header, digest));
  passThrough(cipher, text, text);
  cipher.final();
  bytes.set(header);
  bytes.set(cipher.getAuthTag(), bytes.length - TAG_BYTES);
}

/**
 * The pack inside of a sealed one.
 *
 * @throws {Fault} PACK_DAMAGED when a single bit is not what was sealed under this name with this key
 */
export function openSealedPack(digest: string, bytes: Uint8Array, key: StoreKey): Uint8Array {
  if (bytes.length < SEAL_BYTES) throw brokenSeal(digest, bytes.length);
  const pack = new Uint8Array(bytes.length - SEAL_BYTES);
  openInto(digest, partsOf(bytes), pack, key);
  return pack;
}

/** A sealed pack in its three parts. */
export type SealedParts = { readonly header: Uint8Array; readonly text: Uint8Array; readonly tag: Uint8Array };

/**
 * The same into memory that is there; `target` may be `text` itself. When it throws, nothing in `target` counts.
 *
 * @throws {Fault} PACK_DAMAGED
 */
export function openInto(digest: string, { header, text, tag }: SealedParts, target: Uint8Array, key: StoreKey): void {
  const sizeBytes = text.length + SEAL_BYTES;
  if (text.length > MAX_PACK_BYTES) throw brokenSeal(digest, sizeBytes);
  // The header is part of what the tag is over: only the right one opens it.
  const right = headerOf(key);
  if (Buffer.compare(right, header) !== 0) throw brokenSeal(digest, sizeBytes);
  const decipher = createDecipheriv("aes-256-gcm", packKey(digest, key), NONCE);
  decipher.setAAD(boundTo(right, digest));
  decipher.setAuthTag(tag);
  passThrough(decipher, text, target);
  try {
    decipher.final();
  } catch (error) {
    throw brokenSeal(digest, sizeBytes, error);
  }
}

/**
 * The first bytes of a pack, from the first bytes of its sealed form. Not checked, as the tag is over all of it: good
 * to learn where to look, for whoever checks then what is found there.
 */
export function openSealedFront(digest: string, front: Uint8Array, key: StoreKey): Uint8Array {
  const decipher = createDecipheriv("aes-256-ctr", packKey(digest, key), FIRST_COUNTER);
  return decipher.update(front.subarray(HEADER_BYTES));
}

function partsOf(bytes: Uint8Array): SealedParts {
  const textEnd = bytes.length - TAG_BYTES;
  return {
    header: bytes.subarray(0, HEADER_BYTES),
    text: bytes.subarray(HEADER_BYTES, textEnd),
    tag: bytes.subarray(textEnd),
  };
}

function passThrough(cipher: Cipheriv | Decipheriv, source: Uint8Array, target: Uint8Array): void {
  for (let at = 0; at < source.length; at += STEP_BYTES) {
    const step = cipher.update(source.subarray(at, at + STEP_BYTES));
    target.set(step, at);
    // Let go of at once: left to the collector it takes 70 MB and twice the time, because memory is always fresh then.
    if (step.buffer.byteLength === step.length) step.buffer.transfer(0);
  }
}

function headerOf({ id }: StoreKey): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(header);
  header.writeUInt16BE(VERSION, 8);
  header.write(id, KEY_ID_AT, "hex");
  return header;
}

function boundTo(header: Uint8Array, digest: string): Uint8Array {
  return Buffer.concat([header, Buffer.from(digest, "hex")]);
}

function packKey(digest: string, { secret }: StoreKey): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", secret, Buffer.from(digest, "hex"), "bootcast sealed pack 1", 32));
}

function otherBytes(digest: string): Fault {
  return new Fault("PACK_DAMAGED", {
    what: `Pack ${digest} is damaged, and was not sealed.`,
    why: "It does not have the bytes that its name says.",
    fix: 'Repair it with "bootcast image verify --from COPY", or remove the images that need it and then "bootcast image sweep --now".',
  });
}

function brokenSeal(digest: string, length: number, cause?: unknown): Fault {
  return new Fault(
    "PACK_DAMAGED",
    {
      what: `Pack ${digest} is damaged.`,
      why: `Its ${length} sealed bytes are not those that were sealed under this name: AES-GCM's check of them fails.`,
      fix: 'Check the store with "bootcast image verify NAME"; a damaged pack is written anew by the next import of the same image.',
    },
    cause,
  );
}
