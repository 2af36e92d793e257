import { createDecipheriv, createSecretKey, type KeyObject, pbkdf2 } from "node:crypto";
import { promisify } from "node:util";
import { wrongPassphrase } from "./faults.ts";
import type { EncryptedHeader, PassphraseLock } from "./header.ts";

/** What the content of an encrypted image is read with. */
export type ContentKeys = {
  /** Of AES: 16 or 32 bytes. */
  readonly cipher: KeyObject;
  /** Of HMAC-SHA1, which makes the initial vectors. */
  readonly hmac: KeyObject;
};

const HMAC_KEY_BYTES = 20;
const derive = promisify(pbkdf2);

/**
 * Unlocks an encrypted image's keys.
 *
 * @throws {Fault} PASSPHRASE_WRONG
 */
export async function unlock(header: EncryptedHeader, passphrase: string): Promise<ContentKeys> {
  const cipherBytes = header.keyBits / 8;
  for (const lock of header.locks) {
    const { cipher, hmac } = (await unwrap(lock, passphrase, cipherBytes)) ?? {};
    if (cipher?.length === cipherBytes && hmac?.length === HMAC_KEY_BYTES)
      return { cipher: createSecretKey(cipher), hmac: createSecretKey(hmac) };
  }
  throw wrongPassphrase();
}

type PlainKeys = { readonly cipher: Uint8Array; readonly hmac: Uint8Array };

async function unwrap(
  { iterations, salt, wrapped }: PassphraseLock,
  passphrase: string,
  cipherBytes: number,
): Promise<PlainKeys | undefined> {
  const keyBytes = wrapped.how === "cms" ? 24 : wrapped.keyBytes;
  const key = await derive(Buffer.from(passphrase, "utf8"), salt, iterations, keyBytes, "sha1");
  if (wrapped.how === "cms") {
    const cipher = unwrapCms(key, wrapped.cipherKey);
    const hmac = unwrapCms(key, wrapped.hmacKey);
    return cipher && hmac && { cipher, hmac };
  }
  const plain = decrypt(wrapped.cipher, key, wrapped.initialVector, wrapped.blob);
  if (plain === undefined) return undefined;
  const end = cipherBytes + HMAC_KEY_BYTES;
  // A wrong key leaves padding that looks right once in 256 times; these letters it does not leave.
  if (plain.toString("latin1", end) !== "CKIE\0") return undefined;
  return { cipher: plain.subarray(0, cipherBytes), hmac: plain.subarray(cipherBytes, end) };
}

// RFC 3217, 3.1. Apple puts four bytes before the key instead of a checksum behind it.
const CMS_INITIAL_VECTOR = Buffer.from("4adda22c79e82105", "hex");

function unwrapCms(key: Buffer, wrapped: Uint8Array): Buffer | undefined {
  const outer = decrypt("des-ede3-cbc", key, CMS_INITIAL_VECTOR, wrapped)?.reverse();
  if (outer === undefined || outer.length < 16) return undefined;
  return decrypt("des-ede3-cbc", key, outer.subarray(0, 8), outer.subarray(8))?.subarray(4);
}

/** Undefined when the padding does not fit: the key is wrong. */
function decrypt(cipher: string, key: Buffer, initialVector: Uint8Array, bytes: Uint8Array): Buffer | undefined {
  try {
    const decipher = createDecipheriv(cipher, key, initialVector);
    return Buffer.concat([decipher.update(bytes), decipher.final()]);
  } catch {
    return undefined;
  }
}
