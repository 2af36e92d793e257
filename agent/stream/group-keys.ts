import { generateKeyPairSync } from "node:crypto";
import { type ParcelKeys, publicKeyText, unpackKey } from "../../images/key-parcel.ts";
import { type StoreKey, storeKeyOf } from "../../images/sealed-pack.ts";
import type { Joined } from "../contract.ts";

/** The keys of encrypted streams that this process was given when it joined them. */
export class GroupKeys {
  readonly #own: ParcelKeys = generateKeyPairSync("x25519");
  readonly #keys = new Map<string, StoreKey>();

  /** What the server packs a stream's key for. */
  get publicKey(): string {
    return publicKeyText(this.#own.publicKey);
  }

  /** @throws {Fault} KEY_PARCEL_WRONG */
  onJoined(streamId: string, { groupKey }: Joined): void {
    if (groupKey !== undefined) this.#keys.set(streamId, storeKeyOf(unpackKey(groupKey, this.#own, streamId)));
  }

  /** Undefined while it is not known, and where the stream is not encrypted. */
  of(streamId: string): StoreKey | undefined {
    return this.#keys.get(streamId);
  }
}
