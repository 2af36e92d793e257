import { generateKeyPairSync, hkdfSync } from "node:crypto";
import { type KeyParcel, packKey } from "../../images/key-parcel.ts";
import type { PackEntry } from "../../images/manifest.ts";
import { type PackReader, readPackInto } from "../../images/pack-reader.ts";
import {
  SEAL_BYTES,
  SEALED_HEADER_BYTES,
  SEALED_TAG_BYTES,
  sealInPlace,
  storeKeyOf,
} from "../../images/sealed-pack.ts";
import { streamEncrypted } from "./stream-faults.ts";

/**
 * The packs of an encrypted stream: each is sealed on its own with the stream's key (images/sealed-pack.ts has the
 * rule of the nonce), on the group and by unicast. Who joins is given the key.
 */
export type SealedPacks = {
  readonly packs: PackReader;
  /** @throws {Fault} KEY_PARCEL_WRONG */
  keyFor(publicKey: string): KeyParcel;
};

/**
 * @param secret of this server: a stream that goes on under its id after a restart has the same key then, so what its
 *   receivers hold is of use. Two streams never have the same key, because their ids are random
 */
export function sealedPacks(packs: PackReader, streamId: string, secret: Uint8Array): SealedPacks {
  const groupSecret = new Uint8Array(hkdfSync("sha256", secret, streamId, "bootcast stream key 1", 32));
  const key = storeKeyOf(groupSecret);
  const readInto = async (pack: PackEntry, number: number, target: Uint8Array) => {
    await readPackInto(packs, pack, number, target.subarray(SEALED_HEADER_BYTES, -SEALED_TAG_BYTES));
    sealInPlace(pack.digest, target, key);
  };
  const read = async (pack: PackEntry, number: number) => {
    const bytes = Buffer.allocUnsafeSlow(pack.storedBytes + SEAL_BYTES);
    await readInto(pack, number, bytes);
    return bytes;
  };
  return {
    packs: { read, readInto },
    keyFor: (publicKey) => packKey(groupSecret, publicKey, generateKeyPairSync("x25519"), streamId),
  };
}

/** @throws {Fault} STREAM_ENCRYPTED for who knows no encrypted streams; KEY_PARCEL_WRONG */
export function groupKeyFor(sealed: SealedPacks, publicKey: string | undefined): KeyParcel {
  if (publicKey === undefined) throw streamEncrypted();
  return sealed.keyFor(publicKey);
}
