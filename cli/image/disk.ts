import type { Command } from "commander";
import type { BlockSource } from "../../images/block.ts";
import type { ForeignRange } from "../../images/foreign-image.ts";
import { StoredDisk } from "../../images/stored-disk.ts";
import { ImageThreads } from "../../server/images/image-threads.ts";
import { isImageFile, openImageFile } from "./file.ts";
import type { PassphraseFlags } from "./passphrase.ts";
import { imageReference } from "./reference.ts";

/** A disk to be read, wherever it comes from. */
export type ImageDisk = {
  /** "lab-debian:2", or the path as it was given. */
  readonly title: string;
  /** Whether it has partitions, or is one volume. */
  readonly kind: "disk" | "volume";
  readonly source: BlockSource;
  /** What is known of it without reading. */
  readonly ranges?: (() => Iterable<ForeignRange>) | undefined;
  close(): Promise<void>;
};

/**
 * Opens the disk of an image of the store, or of a file of any format that is read; a file counts first.
 *
 * @throws {Fault} those of `openImage` and of the store
 */
export async function openImageDisk(
  command: Command,
  image: string,
  flags: PassphraseFlags,
  signal: AbortSignal,
): Promise<ImageDisk> {
  if (await isImageFile(image)) {
    const file = await openImageFile(image, flags, { signal });
    return {
      title: image,
      kind: file.kind,
      source: file.source,
      ranges: file.ranges?.bind(file),
      close: () => file.close(),
    };
  }
  // Its packages take longer to load than a small file takes to be read, which needs none of them.
  const { readImageStore } = await import("./store.ts");
  const { store } = await readImageStore(command, "packs");
  const { name, version } = imageReference(image);
  const { manifest } = await store.readManifest(name, version);
  const { tag } = manifest;
  const threads = new ImageThreads();
  const disk = new StoredDisk(store, manifest, threads.unpack);
  return {
    title: `${tag.name}:${tag.version}`,
    kind: manifest.scheme === "none" ? "volume" : "disk",
    source: disk,
    ranges: () => disk.ranges(),
    close: () => threads.close(),
  };
}
