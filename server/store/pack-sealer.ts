import {
  openInto,
  openSealedFront,
  openSealedPack,
  type SealedParts,
  type StoreKey,
  sealOf,
  sealPack,
} from "../../images/sealed-pack.ts";
import { keyAbsent, notSealed, sealUnknown } from "./faults.ts";
import type { StoreKeyFile } from "./key-file.ts";
import { NEVER_SEALED, type PackForm, readSealState } from "./seal-state.ts";

/**
 * Seals what goes into a store and opens what comes out, as its file `seal` says and with the keys that were given.
 * A pack says itself which key it is sealed with: while all packs are changed, both forms are read.
 */
export class PackSealer {
  readonly #directory: string;
  /** Where the store's keys are; undefined when nobody gave any. */
  readonly keys: StoreKeyFile | undefined;

  constructor(directory: string, keys: StoreKeyFile | undefined) {
    this.#directory = directory;
    this.keys = keys;
  }

  /**
   * The form that packs are written in. Read anew each time: another process may have begun to seal the store.
   *
   * @throws {Fault} STORE_NOT_SEALED when a key was given for a store that is not sealed: whoever gave it counts on that
   */
  async wanted(): Promise<PackForm> {
    const state = await readSealState(this.#directory);
    if (state === NEVER_SEALED && this.keys !== undefined) throw notSealed(this.#directory, this.keys.path);
    return state.target;
  }

  /**
   * What lies there of a pack in this form.
   *
   * @throws {Fault} STORE_KEY_MISSING, STORE_KEY_WRONG; PACK_DAMAGED when these are not the bytes of that pack
   */
  async seal(digest: string, pack: Uint8Array, form: PackForm): Promise<Uint8Array> {
    return form === "plain" ? pack : sealPack(digest, pack, await this.#key(form));
  }

  /**
   * A pack's own bytes. Of one that is plain they are what lies there: its reader checks them.
   *
   * @throws {Fault} STORE_KEY_MISSING, STORE_KEY_WRONG, PACK_DAMAGED
   */
  async open(digest: string, bytes: Uint8Array): Promise<Uint8Array> {
    const id = sealOf(bytes);
    return id === undefined ? bytes : openSealedPack(digest, bytes, await this.#keyOfPack(digest, id));
  }

  /** The same of one that is sealed, into memory that is there: that of its text may be it. @param id what `sealOf` says */
  async openInto(digest: string, id: string, sealed: SealedParts, target: Uint8Array): Promise<void> {
    openInto(digest, sealed, target, await this.#keyOfPack(digest, id));
  }

  /** The front of a pack, from the front of what lies there; nothing is checked. Throws as above. */
  async openFront(digest: string, front: Uint8Array): Promise<Uint8Array> {
    const id = sealOf(front);
    return id === undefined ? front : openSealedFront(digest, front, await this.#keyOfPack(digest, id));
  }

  /**
   * Makes sure that all packs can be read, or written as well, before anything is begun that takes long.
   *
   * @throws {Fault} STORE_KEY_MISSING, STORE_KEY_WRONG, and those of the key file; STORE_NOT_SEALED for "write"
   */
  async require(need: "read" | "write"): Promise<void> {
    const { target, former } = await readSealState(this.#directory);
    await this.requireForms([target, ...former]);
    if (need === "write") await this.wanted();
  }

  /** The same for packs of these forms. */
  async requireForms(forms: readonly PackForm[]): Promise<void> {
    for (const form of forms) if (form !== "plain") await this.#key(form);
  }

  async #key(id: string): Promise<StoreKey> {
    const key = await this.keys?.find(id);
    if (key !== undefined) return key;
    const found = await this.keys?.keys();
    throw keyAbsent(this.#directory, id, this.keys?.path, found?.map((other) => other.id) ?? []);
  }

  /** A pack that names a key which this store never had has a flipped bit there, and hides no other pack. */
  async #keyOfPack(digest: string, id: string): Promise<StoreKey> {
    const key = await this.keys?.find(id);
    if (key !== undefined) return key;
    const { target, former } = await readSealState(this.#directory);
    if (![target, ...former].includes(id)) throw sealUnknown(digest, id);
    return this.#key(id);
  }
}
