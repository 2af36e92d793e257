import { createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { hostname, userInfo } from "node:os";
import { basename, extname, join } from "node:path";
import { Fault } from "../fault.ts";
import { type ImageTag, isImageName, type Manifest } from "../images/manifest.ts";
import { encodeManifest } from "../images/manifest-codec.ts";
import { type PackReader, rawFilePacks } from "../images/pack-reader.ts";
import { type ScanProgress, scan } from "../images/scan.ts";
import { signerAmong } from "../images/signature.ts";
import { loadSiteKey, readSitePublicKey } from "../server/keys.ts";
import { readStore } from "../server/store.ts";
import { isImageFile, openImageFile } from "./image-file.ts";
import { parseImageReference } from "./image-reference.ts";
import type { PassphraseFlags } from "./passphrase.ts";

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
  readonly signal?: AbortSignal;
};

/**
 * Opens what `--source` names: a path of a disk image of any format, or NAME[:VERSION] in the store.
 * A file is scanned in place: nothing is converted or copied.
 *
 * @throws {Fault} SOURCE_UNKNOWN, SOURCE_KIND, SITE_KEY_ABSENT; those of the store and of `scan`
 */
export async function openImageSource(source: string, options: SourceOptions): Promise<ImageSource> {
  refuseOtherKinds(source);
  if (await isImageFile(source)) return openFile(source, options);
  const reference = parseImageReference(source);
  const isStored = reference !== undefined && isImageName(reference.name);
  if (!isStored || !existsSync(join(options.dataDir, "store"))) throw unknown(source, options.dataDir);
  const { publicKey, trusted } = await readSitePublicKey(options.dataDir);
  const store = readStore(join(options.dataDir, "store"), trusted);
  const { bytes, manifest } = await store.readManifest(reference.name, reference.version);
  const signer = signerAmong(bytes, trusted) ?? publicKey;
  return { manifest, manifestBytes: bytes, signer, packs: store, close: async () => undefined };
}

async function openFile(path: string, options: SourceOptions): Promise<ImageSource> {
  const image = await openImageFile(path, options.passphrase ?? {}, options);
  try {
    const manifest = await scan(image.source, {
      tag: tagOf(path),
      codec: "stored",
      sectorBytes: image.sectorBytes,
      // The packs are made again from the file when they are sent.
      onPack: async () => undefined,
      onProgress: options.onScan,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    const privateKey = await signingKey(options.dataDir);
    const manifestBytes = encodeManifest(manifest, privateKey);
    const packs = rawFilePacks(image.source, manifest);
    return { manifest, manifestBytes, signer: createPublicKey(privateKey), packs, close: () => image.close() };
  } catch (error) {
    await image.close();
    throw error;
  }
}

// Without a site key the stream is signed by a key of its own: receivers ask whether to trust it.
async function signingKey(dataDir: string): Promise<KeyObject> {
  if (!existsSync(join(dataDir, "keys", "site.key"))) return generateKeyPairSync("ed25519").privateKey;
  return (await loadSiteKey(dataDir)).privateKey;
}

function tagOf(path: string): ImageTag {
  const stem = basename(path, extname(path))
    .replaceAll(/[^A-Za-z0-9._-]+/g, "-")
    .replace(/^[^A-Za-z0-9]+/, "")
    .slice(0, 64);
  return {
    name: isImageName(stem) ? stem : "disk",
    version: 1,
    builder: `${userInfo().username}@${hostname()}`,
    createdAtMs: Math.floor(statSync(path).mtimeMs),
    notes: "",
  };
}

const otherKinds: readonly (readonly [RegExp, string])[] = [
  [/^afp:/, "AFP is gone from macOS and from servers."],
  [/^https?:/, "Restoring from a web address does not exist yet."],
];

function refuseOtherKinds(source: string): void {
  for (const [pattern, why] of otherKinds) {
    if (!pattern.test(source)) continue;
    throw new Fault("SOURCE_KIND", {
      what: `${source} cannot be the source.`,
      why,
      fix: "Give a disk image file, an image of the store, or asr://HOST of a running stream; a file on a server works through a mounted share.",
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
