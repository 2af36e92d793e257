import {
  createCipheriv,
  createDecipheriv,
  createPublicKey,
  diffieHellman,
  hkdfSync,
  type KeyObject,
} from "node:crypto";
import { Fault } from "../fault.ts";

/** An X25519 key pair. */
export type ParcelKeys = { readonly publicKey: KeyObject; readonly privateKey: KeyObject };

/** A secret on its way to the one who has the other half of a public key. */
export type KeyParcel = {
  /** The sender's public key, made for this parcel alone: SPKI, base64. */
  readonly publicKey: string;
  /** The secret, AES-256-GCM, and the tag of 16 bytes: base64. */
  readonly text: string;
};

/** Each parcel has a key of its own, so no nonce is used twice with one. */
const NONCE = Buffer.alloc(12);
const TAG_BYTES = 16;

/** A public key as parcels and requests carry it: SPKI, base64. */
export function publicKeyText(key: KeyObject): string {
  return key.export({ type: "spki", format: "der" }).toString("base64");
}

/**
 * Packs `secret` so that only the owner of `receiver` reads it: whoever hears the parcel, and the request for it, does
 * not. (Whoever can change both on their way could; that takes a connection of its own protection.)
 *
 * The key is HKDF-SHA256 of the X25519 secret of both sides, with both public keys as the salt and `about` in the info.
 *
 * @param receiver its public key as text
 * @param own a new pair for each parcel
 * @param about what the secret is for; the other side must name the same
 * @throws {Fault} KEY_PARCEL_WRONG when `receiver` is no X25519 key
 */
export function packKey(secret: Uint8Array, receiver: string, own: ParcelKeys, about: string): KeyParcel {
  const publicKey = publicKeyText(own.publicKey);
  const key = parcelKey(own.privateKey, receiver, publicKey + receiver, about);
  const cipher = createCipheriv("aes-256-gcm", key, NONCE);
  const text = Buffer.concat([cipher.update(secret), cipher.final(), cipher.getAuthTag()]).toString("base64");
  return { publicKey, text };
}

/** The secret in a parcel. @throws {Fault} KEY_PARCEL_WRONG when it was not made for this key and this purpose */
export function unpackKey(parcel: KeyParcel, own: ParcelKeys, about: string): Uint8Array {
  const salt = parcel.publicKey + publicKeyText(own.publicKey);
  const decipher = createDecipheriv("aes-256-gcm", parcelKey(own.privateKey, parcel.publicKey, salt, about), NONCE);
  const bytes = Buffer.from(parcel.text, "base64");
  if (bytes.length < TAG_BYTES) throw wrong();
  decipher.setAuthTag(bytes.subarray(bytes.length - TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(0, bytes.length - TAG_BYTES)), decipher.final()]);
  } catch (error) {
    throw wrong(error);
  }
}

function parcelKey(privateKey: KeyObject, other: string, salt: string, about: string): Uint8Array {
  let shared: Buffer;
  try {
    const publicKey = createPublicKey({ key: Buffer.from(other, "base64"), format: "der", type: "spki" });
    shared = diffieHellman({ privateKey, publicKey });
  } catch (error) {
    throw wrong(error);
  }
  return new Uint8Array(hkdfSync("sha256", shared, salt, `bootcast key parcel 1\n${about}`, 32));
}

function wrong(cause?: unknown): Fault {
  return new Fault(
    "KEY_PARCEL_WRONG",
    {
      what: "The key of an encrypted stream could not be handed over.",
      why: "What came is not a key parcel for this receiver and this stream.",
      fix: "Start the restore again; server and agent must have versions that know encrypted streams.",
    },
    cause,
  );
}
