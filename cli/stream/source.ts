import { createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../../fault.ts";
import { KnownCells } from "../../images/known-cells.ts";
import { isImageName, type Manifest } from "../../images/manifest.ts";
import { decodeManifest, encodeManifest } from "../../images/manifest-codec.ts";
import { type PackReader, rawFilePacks } from "../../images/pack-reader.ts";
import { type ScanProgress, scan } from "../../images/scan.ts";
import { signerAmong } from "../../images/signature.ts";
import { ImageThreads } from "../../server/images/image-threads.ts";
import type { DiskImage } from "../../server/images/open-image.ts";
import { isPackedImage, openPackedImage } from "../../server/images/packed-image.ts";
import { changed, readScanIndex, scanIndexPath } from "../../server/images/scan-index-file.ts";
import { loadSiteKey, readSitePublicKey } from "../../server/store/keys.ts";
import { readStore } from "../../server/store/store.ts";
import { isImageFile, openImageFile } from "../image/file.ts";
import { tagOfFile } from "../image/file-tag.ts";
import type { PassphraseFlags } from "../image/passphrase.ts";
import { parseImageReference } from "../image/reference.ts";
import { storeKeyFile } from "../image/store.ts";
import { storeKeyOf } from "../settings/read-configuration.ts";

/** An image that can be sent or written: from the store, or a file that stays where it is. */
export type ImageSource = {
  readonly manifest: Manifest;
  readonly manifestBytes: Uint8Array;
  /** The key that signed the manifest. */
  readonly signer: KeyObject;
  readonly packs: PackReader;
  readonly close: () => Promise<void>;
};

export type SourceOptions = {
  readonly dataDir: string;
  readonly onScan: (progress: ScanProgress) => void;
  readonly passphrase?: PassphraseFlags;
  /** `--store-key`; without it, the one that is set. */
  readonly storeKey?: string | undefined;
  readonly signal?: AbortSignal;
};

/**
 * Opens what `--source` names: a path of a disk image of any format, or NAME[:VERSION] in the store.
 * A file is scanned in place, or read by its scan index: nothing is converted or copied.
 *
 * @throws {Fault} SOURCE_UNKNOWN, SOURCE_KIND, SOURCE_CHANGED, SITE_KEY_ABSENT; those of the store and of `scan`
 */
export async function openImageSource(source: string, options: SourceOptions): Promise<ImageSource> {
  refuseOtherKinds(source);
  if (await isPackedImage(source)) return openPacked(source, options.dataDir);
  if (await isImageFile(source)) return openFile(source, options);
  const reference = parseImageReference(source);
  const isStored = reference !== undefined && isImageName(reference.name);
  if (!isStored || !existsSync(join(options.dataDir, "store"))) throw unknown(source, options.dataDir);
  const { publicKey, trusted } = await readSitePublicKey(options.dataDir);
  const keys = storeKeyFile(options.dataDir, storeKeyOf(options.storeKey));
  const store = readStore(join(options.dataDir, "store"), trusted, { keys });
  const { bytes, manifest } = await store.readManifest(reference.name, reference.version);
  // Before a disk is erased for it, or a room waits.
  await store.sealer.require("read");
  const signer = signerAmong(bytes, trusted) ?? publicKey;
  return { manifest, manifestBytes: bytes, signer, packs: store, close: async () => undefined };
}

async function openPacked(folder: string, dataDir: string): Promise<ImageSource> {
  const { publicKey, trusted } = await readSitePublicKey(dataDir);
  const image = await openPackedImage(folder, trusted);
  return { ...image, signer: signerAmong(image.manifestBytes, trusted) ?? publicKey };
}

async function openFile(path: string, options: SourceOptions): Promise<ImageSource> {
  const image = await openImageFile(path, options.passphrase ?? {}, options);
  try {
    const indexed = await openIndexed(path, image, options.dataDir);
    if (indexed !== undefined) return indexed;
    const ranges = image.ranges?.();
    const threads = new ImageThreads();
    const scanned = await scan(image.source, {
      tag: tagOfFile(path),
      codec: "stored",
      sectorBytes: image.sectorBytes,
      work: threads,
      // Without a word from the person nothing is left out: what was never kept is sent as zeros.
      ...(ranges && { known: new KnownCells(ranges, image.source.sizeBytes, { keepsUnused: true }) }),
      // The packs are made again from the file when they are sent.
      onPack: async () => undefined,
      onProgress: options.onScan,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    }).finally(() => threads.close());
    const privateKey = await signingKey(options.dataDir);
    const signer = createPublicKey(privateKey);
    const manifestBytes = encodeManifest(scanned, privateKey);
    // It keeps views of these bytes: what the scan made of a large image is not held beside them.
    const manifest = decodeManifest(manifestBytes, [signer]);
    const packs = rawFilePacks(image.source, manifest);
    return { manifest, manifestBytes, signer, packs, close: () => image.close() };
  } catch (error) {
    await image.close();
    throw error;
  }
}

/** By the index that "bootcast image scan" has written, when there is one. */
async function openIndexed(path: string, image: DiskImage, dataDir: string): Promise<ImageSource | undefined> {
  const indexPath = scanIndexPath(path);
  if (!existsSync(indexPath)) return undefined;
  const { publicKey, trusted } = await readSitePublicKey(dataDir);
  const index = await readScanIndex(path, indexPath, trusted);
  if (index === undefined) return undefined;
  const { manifest, manifestBytes } = index;
  if (manifest.diskBytes !== image.source.sizeBytes) throw changed(path, indexPath);
  const signer = signerAmong(manifestBytes, trusted) ?? publicKey;
  return { manifest, manifestBytes, signer, packs: rawFilePacks(image.source, manifest), close: () => image.close() };
}

// Without a site key the stream is signed by a key of its own: receivers ask whether to trust it.
async function signingKey(dataDir: string): Promise<KeyObject> {
  if (!existsSync(join(dataDir, "keys", "site.key"))) return generateKeyPairSync("ed25519").privateKey;
  return (await loadSiteKey(dataDir)).privateKey;
}

const otherKinds: readonly (readonly [RegExp, string])[] = [
  [/^afp:/, "AFP is gone from macOS and from servers."],
  [/^https?:/, "A file on a web server can be restored, but not sent to a room: everybody would wait for that server."],
];

function refuseOtherKinds(source: string): void {
  for (const [pattern, why] of otherKinds) {
    if (!pattern.test(source)) continue;
    throw new Fault("SOURCE_KIND", {
      what: `${source} cannot be the source.`,
      why,
      fix: 'Give a disk image file or an image of the store; a file on a server works through a mounted share. "bootcast restore" reads http:// and https:// addresses, and asr://HOST of a running stream, too.',
    });
  }
}

function unknown(source: string, dataDir: string): Fault {
  return new Fault("SOURCE_UNKNOWN", {
    what: `There is no file ${source}, and no image of that name in ${join(dataDir, "store")}.`,
    why: "A source is the path of a disk image, or the NAME or NAME:VERSION of an image of the store.",
    fix: '"bootcast image list" shows the images; check the spelling of a path.',
  });
}
