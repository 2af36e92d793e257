import { createHash, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { Fault } from "../fault.ts";

/**
 * The last 96 bytes of a signed document: the SHA-256 of the signer's public
 * key (SPKI, DER), then Ed25519 over `DOMAIN` and the SHA-256 of all bytes
 * before the signature, fingerprint included. The digest is signed, not the
 * bytes, because a manifest may be larger than one wants to hold twice.
 */
export const TRAILER_BYTES = 96;
const FINGERPRINT_BYTES = 32;
const DOMAIN = Buffer.from("bootcast manifest signature 1\n", "latin1");

/** A public key's name: the SHA-256 of its SPKI DER bytes, lower-case hex. */
export function keyFingerprint(key: KeyObject): string {
  return fingerprintBytes(key).toString("hex");
}

/** Fills the trailer of `document`, whose last 96 bytes are free. */
export function signDocument(document: Uint8Array, privateKey: KeyObject): void {
  const signatureAt = document.length - TRAILER_BYTES + FINGERPRINT_BYTES;
  document.set(fingerprintBytes(createPublicKey(privateKey)), document.length - TRAILER_BYTES);
  document.set(sign(null, messageOf(document.subarray(0, signatureAt)), privateKey), signatureAt);
}

/** The fingerprint of the key that a signed document names. It proves nothing before `checkSignature`. */
export function signerOf(document: Uint8Array): string {
  const trailerAt = document.length - TRAILER_BYTES;
  return Buffer.from(document.subarray(trailerAt, trailerAt + FINGERPRINT_BYTES)).toString("hex");
}

/** The one of `keys` that a signed document names. It proves nothing before `checkSignature`. */
export function signerAmong(document: Uint8Array, keys: readonly KeyObject[]): KeyObject | undefined {
  const signer = signerOf(document);
  return keys.find((key) => keyFingerprint(key) === signer);
}

/**
 * @throws {Fault} MANIFEST_UNTRUSTED when none of `trusted` signed it;
 *   MANIFEST_FORGED when one is named as the signer but the bytes are not what it signed
 */
export function checkSignature(document: Uint8Array, trusted: readonly KeyObject[]): void {
  const trailerAt = document.length - TRAILER_BYTES;
  const signatureAt = trailerAt + FINGERPRINT_BYTES;
  const signer = document.subarray(trailerAt, signatureAt);
  const key = trusted.find((candidate) => fingerprintBytes(candidate).equals(signer));
  if (key === undefined) throw untrusted(Buffer.from(signer).toString("hex"), trusted);
  const signed = document.subarray(0, signatureAt);
  if (!verify(null, messageOf(signed), key, document.subarray(signatureAt))) throw forged(keyFingerprint(key));
}

function fingerprintBytes(key: KeyObject): Buffer {
  return createHash("sha256")
    .update(key.export({ type: "spki", format: "der" }))
    .digest();
}

function messageOf(signed: Uint8Array): Buffer {
  return Buffer.concat([DOMAIN, createHash("sha256").update(signed).digest()]);
}

function untrusted(signer: string, trusted: readonly KeyObject[]): Fault {
  const known = trusted.map((key) => keyFingerprint(key).slice(0, 16)).join(", ") || "none";
  return new Fault("MANIFEST_UNTRUSTED", {
    what: `The image was signed by ${signer.slice(0, 16)}…, which is not trusted here.`,
    why: `Trusted keys: ${known}.`,
    fix: "Use a server of this site, or build the boot image again with this server's key.",
  });
}

function forged(signer: string): Fault {
  return new Fault("MANIFEST_FORGED", {
    what: "The image's manifest was changed after it was signed.",
    why: `The signature of ${signer.slice(0, 16)}… does not fit its bytes.`,
    fix: 'Nothing was written. Run "bootcast image verify" on the server and import the image again if it fails.',
  });
}
