import { createHash, type KeyObject } from "node:crypto";
import { posix } from "node:path";
import { Fault } from "../../fault.ts";
import type { BlockSource } from "../../images/block.ts";
import type { ImageTag, Manifest } from "../../images/manifest.ts";
import { type PackReader, rawFilePacks } from "../../images/pack-reader.ts";
import { decodeScanIndex } from "../../images/scan-index.ts";
import { signerAmong } from "../../images/signature.ts";
import { type DiskImage, openRemoteImage, type RemoteFile } from "../../server/images/open-image.ts";
import { changed, scanIndexPath } from "../../server/images/scan-index-file.ts";
import { WebFile, type WebFileOptions } from "../../server/images/web-file.ts";
import { say } from "../terminal/output.ts";
import { nameOfFile } from "./file-tag.ts";
import { type PassphraseFlags, passphraseOf } from "./passphrase.ts";

/** A disk image on a web server. */
export type WebImage = {
  readonly image: DiskImage;
  /** What a trusted key signed, when there is such a manifest: every cell is checked against it before it is written. */
  readonly signed?: { readonly manifest: Manifest; readonly signer: KeyObject; readonly packs: PackReader };
  /** Compares what was written with the checksums that came with the file; absent when there are none. */
  readonly verifyCopy?: DiskImage["verifyCopy"];
  readonly tag: ImageTag;
  close(): Promise<void>;
};

/** A manifest has 44 bytes a cell: that of a disk of 1.5 TiB. */
const MOST_INDEX_BYTES = 1024 ** 3;
const MOST_CHECKSUM_BYTES = 4096;
/** How servers say that a file beside the image is not there; some refuse, and some answer anything with a page. */
const absences = ["WEB_MISSING", "WEB_REFUSED", "WEB_NO_RANGES", "IMAGE_EMPTY"];

/**
 * Opens a disk image on a web server, of any format. Beside it may lie its scan index ("bootcast image scan"), whose
 * signed manifest then counts, or for a raw disk its SHA-256 (ADDRESS.sha256, as sha256sum writes it).
 *
 * @param trusted the keys that count; undefined: none is known here
 * @param options.mustBeSigned a manifest by one of them is demanded
 * @throws {Fault} MANIFEST_ABSENT, MANIFEST_UNTRUSTED, SOURCE_CHANGED; those of `WebFile.open` and `openImage`
 */
export async function openWebImage(
  url: URL,
  trusted: readonly KeyObject[] | undefined,
  options: WebFileOptions & { readonly mustBeSigned: boolean; readonly passphrase: PassphraseFlags },
): Promise<WebImage> {
  const file = await remoteFile(url, options);
  const passphrase = passphraseOf(options.passphrase, url.href);
  const image = await openRemoteImage(file, {
    ...(passphrase && { passphrase }),
    ...(options.signal && { signal: options.signal }),
    log: say,
  });
  try {
    const tag = { name: nameOfFile(url.pathname), version: 1, builder: url.host, createdAtMs: Date.now(), notes: "" };
    const own = { image, tag, close: () => image.close() };
    const signed = await signedManifest(url, file, image, trusted, options);
    if (signed !== undefined) return { ...own, signed };
    if (options.mustBeSigned) throw manifestAbsent(url);
    const verifyCopy = image.verifyCopy ?? (await sha256Check(url, image, options));
    return { ...own, ...(verifyCopy && { verifyCopy }) };
  } catch (error) {
    await image.close();
    throw error;
  }
}

async function remoteFile(url: URL, options: WebFileOptions): Promise<RemoteFile> {
  const file = await WebFile.open(url, options);
  return {
    name: decodeURIComponent(posix.basename(url.pathname)),
    sizeBytes: file.sizeBytes,
    read: (offset, length) => file.read(offset, length),
    readInto: (offset, target) => file.readInto(offset, target),
    beside: (name) => remoteFile(new URL(encodeURIComponent(name) + url.search, url), options),
    close: () => file.close(),
  };
}

async function signedManifest(
  url: URL,
  file: RemoteFile,
  image: DiskImage,
  trusted: readonly KeyObject[] | undefined,
  options: WebFileOptions,
): Promise<WebImage["signed"]> {
  const indexUrl = beside(url, scanIndexPath);
  const bytes = await wholeFile(indexUrl, MOST_INDEX_BYTES, options);
  if (bytes === undefined) return undefined;
  if (trusted === undefined) {
    say(`The signed manifest ${indexUrl.href} is not used, because no key is known here (--trust FILE names one).`);
    return undefined;
  }
  const index = decodeScanIndex(bytes, trusted);
  const isSame = index.file.files > 1 || index.file.sizeBytes === file.sizeBytes;
  const { manifest, manifestBytes } = index;
  if (!isSame || manifest.diskBytes !== image.source.sizeBytes) throw changed(url.href, indexUrl.href);
  const signer = signerAmong(manifestBytes, trusted)!;
  return { manifest, signer, packs: rawFilePacks(image.source, manifest) };
}

/** A raw disk carries no checksum in itself. */
async function sha256Check(url: URL, image: DiskImage, options: WebFileOptions): Promise<WebImage["verifyCopy"]> {
  if (image.format !== "raw" || image.layers.length > 0) return undefined;
  const sumUrl = beside(url, (path) => `${path}.sha256`);
  const bytes = await wholeFile(sumUrl, MOST_CHECKSUM_BYTES, options);
  const wanted = /^([0-9a-f]{64})\b/i.exec(Buffer.from(bytes ?? []).toString("latin1"))?.[1]?.toLowerCase();
  if (wanted === undefined) return undefined;
  return async (copy, onProgress) => {
    const found = await sha256Of(copy, onProgress);
    if (found !== wanted) throw otherSum(url, sumUrl, found, wanted);
  };
}

async function sha256Of(source: BlockSource, onProgress?: (done: number, total: number) => void): Promise<string> {
  const hash = createHash("sha256");
  for (let at = 0; at < source.sizeBytes; at += 1 << 20) {
    const length = Math.min(1 << 20, source.sizeBytes - at);
    hash.update(await source.read(at, length));
    onProgress?.(at + length, source.sizeBytes);
  }
  return hash.digest("hex");
}

async function wholeFile(url: URL, mostBytes: number, options: WebFileOptions): Promise<Uint8Array | undefined> {
  let file: WebFile;
  try {
    file = await WebFile.open(url, options);
  } catch (error) {
    if (error instanceof Fault && absences.includes(error.code)) return undefined;
    throw error;
  }
  try {
    return file.sizeBytes > mostBytes ? undefined : await file.read(0, file.sizeBytes);
  } finally {
    await file.close();
  }
}

function beside(url: URL, name: (path: string) => string): URL {
  const other = new URL(url);
  other.pathname = name(url.pathname);
  return other;
}

function manifestAbsent(url: URL): Fault {
  return new Fault("MANIFEST_ABSENT", {
    what: `${url.href} is not signed. Nothing was erased.`,
    why: `--trust was given, and there is no ${beside(url, scanIndexPath).href} that one of its keys signed.`,
    fix: "Put it there: \"bootcast image scan FILE\" on the site's server makes it. Or leave --trust out: then the file's own checksums count.",
  });
}

function otherSum(url: URL, sumUrl: URL, found: string, wanted: string): Fault {
  return new Fault("SOURCE_DAMAGED", {
    what: `${url.href} is not what its checksum says.`,
    why: `Its SHA-256 is ${found}, and ${sumUrl.href} says ${wanted}.`,
    fix: "Copy the image to the server again, and compare.",
  });
}
