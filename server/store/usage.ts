import { Fault } from "../../fault.ts";
import { CellIdTable } from "../../images/cell-id-table.ts";
import { dataBytes, ID_BYTES, type ImageTag, type PartitionScheme } from "../../images/manifest.ts";
import { decodeOutline } from "../../images/manifest-codec.ts";
import { unreadable } from "./faults.ts";
import { type Alias, listAliases, readNotes, readVerified, type Verified } from "./labels.ts";
import type { DamagedImage, ImageStore } from "./store.ts";

/** One image version and what it takes. Not checked against its signature. */
export type ImageUsage = {
  /** The notes are those that were given last. */
  readonly tag: ImageTag;
  readonly scheme: PartitionScheme;
  readonly diskBytes: number;
  /** Bytes of the disk that hold data. */
  readonly usedBytes: number;
  readonly packs: number;
  /** All of its packs. */
  readonly storedBytes: number;
  /** Of these, packs that other images name, too. The rest would be free without this version. */
  readonly sharedBytes: number;
  readonly verified: Verified | undefined;
  readonly aliases: readonly string[];
};

export type StoreUsage = {
  readonly images: readonly ImageUsage[];
  /** The packs of all images, each once. */
  readonly storedBytes: number;
};

/**
 * All images with their sizes, by name and then version. Reads every manifest once; memory is 52 bytes a pack.
 *
 * @param onDamaged told of each whose manifest cannot be read; it is left out
 */
export async function storeUsage(store: ImageStore, onDamaged?: (image: DamagedImage) => void): Promise<StoreUsage> {
  const aliases = await listAliases(store);
  const packs = new PackUses();
  const read: { usage: ImageUsage; numbers: Uint32Array }[] = [];
  for (const name of (await store.names()).sort()) {
    for (const version of await store.versions(name)) {
      try {
        read.push(await readUsage(store, packs, aliases, { name, version }));
      } catch (error) {
        onDamaged?.({ name, version, fault: error instanceof Fault ? error : unreadable(name, version, error) });
      }
    }
  }
  const images = read.map(({ usage, numbers }) => ({ ...usage, sharedBytes: packs.sharedBytes(numbers) }));
  return { images, storedBytes: packs.storedBytes };
}

async function readUsage(
  store: ImageStore,
  packs: PackUses,
  aliases: readonly Alias[],
  image: { readonly name: string; readonly version: number },
): Promise<{ usage: ImageUsage; numbers: Uint32Array }> {
  const outline = decodeOutline(await store.readManifestFile(image.name, image.version));
  const { digests, storedBytes } = outline.packs;
  const numbers = Uint32Array.from(storedBytes, (bytes, pack) =>
    packs.use(digests.subarray(pack * ID_BYTES, (pack + 1) * ID_BYTES), bytes),
  );
  const usage: ImageUsage = {
    tag: { ...outline.tag, notes: (await readNotes(store, image)) ?? outline.tag.notes },
    scheme: outline.scheme,
    diskBytes: outline.diskBytes,
    usedBytes: dataBytes(outline),
    packs: storedBytes.length,
    storedBytes: storedBytes.reduce((sum, bytes) => sum + bytes, 0),
    sharedBytes: 0,
    verified: await readVerified(store, image),
    aliases: aliases
      .filter(({ name, version }) => name === image.name && version === image.version)
      .map((a) => a.alias),
  };
  return { usage, numbers };
}

/** How many images name each pack. An image names a pack once. */
class PackUses {
  readonly #numbers = new CellIdTable();
  #uses = new Uint32Array(1024);
  #bytes = new Uint32Array(1024);
  storedBytes = 0;

  /** One more image names this pack. Returns the pack's number. */
  use(digest: Uint8Array, storedBytes: number): number {
    const known = this.#numbers.find(digest);
    const number = known ?? this.#numbers.add(digest);
    if (known === undefined) {
      if (number === this.#uses.length) this.#grow();
      this.#bytes[number] = storedBytes;
      this.storedBytes += storedBytes;
    }
    this.#uses[number]! += 1;
    return number;
  }

  sharedBytes(numbers: Uint32Array): number {
    let bytes = 0;
    for (const number of numbers) if (this.#uses[number]! > 1) bytes += this.#bytes[number]!;
    return bytes;
  }

  #grow(): void {
    const uses = new Uint32Array(this.#uses.length * 2);
    const bytes = new Uint32Array(this.#bytes.length * 2);
    uses.set(this.#uses);
    bytes.set(this.#bytes);
    this.#uses = uses;
    this.#bytes = bytes;
  }
}
