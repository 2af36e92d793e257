import { basename } from "node:path";
import { Readable } from "node:stream";
import { crc32 } from "node:zlib";
import { type Entry, fromRandomAccessReaderPromise, RandomAccessReader, type ZipFile } from "yauzl";
import { Fault } from "../../fault.ts";
import type { BlockSource } from "../../images/block.ts";
import type { ForeignRange } from "../../images/foreign-image.ts";
import {
  bandNumberOf,
  damagedBundle,
  decodeBundleInfo,
  MAX_BUNDLE_INFO_BYTES,
  sparseBundleSource,
} from "../../images/sparse-bundle.ts";
import { TemporaryFile } from "./temporary-file.ts";
import type { UnpackOptions } from "./unpack.ts";

/** The one disk image of a zip archive. */
export type ZipContent = {
  readonly member: string;
  readonly source: BlockSource;
  /** Given when the member is a sparse bundle: then `source` is its disk. */
  readonly bundle?: { ranges(): Iterable<ForeignRange> };
  /** Given when the content was not unpacked, and so not checked yet. */
  readonly verify?: () => Promise<void>;
  /** The unpacked copy, when there is one. */
  readonly file?: TemporaryFile;
};

/** A sparse bundle of a TiB has 130 000 bands. */
const MAX_ENTRIES = 1 << 20;
const STORED = 0;
const DEFLATED = 8;

/**
 * Finds the disk image in a zip archive: a file, or a folder that is a sparse
 * bundle. One that is only stored is read where it lies; others are unpacked.
 *
 * @throws {Fault} ZIP_DAMAGED, ZIP_KIND, ZIP_CONTENT (none, or several), SPARSE_BUNDLE_DAMAGED, TEMPORARY_SPACE
 */
export async function openZip(source: BlockSource, options: UnpackOptions): Promise<ZipContent> {
  try {
    const zip = await fromRandomAccessReaderPromise(new SourceReader(source), source.sizeBytes, {
      autoClose: false,
      lazyEntries: true,
    });
    const entries = await readEntries(zip);
    const bundle = bundleIn(entries);
    if (bundle !== undefined) return await unpackBundle(zip, bundle, options);
    const entry = imageIn(entries);
    if (entry.compressionMethod !== STORED) {
      const file = await unpackMember(zip, entry, options);
      return { member: entry.fileName, source: file, file };
    }
    const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true });
    if (fileDataStart + entry.uncompressedSize > source.sizeBytes) throw new Error("a member ends behind the archive");
    const part: BlockSource = {
      sizeBytes: entry.uncompressedSize,
      read: (offset, length) => source.read(fileDataStart + offset, length),
    };
    return { member: entry.fileName, source: part, verify: () => checkStored(part, entry) };
  } catch (error) {
    // yauzl speaks in plain errors; those of Node have a code.
    if (error instanceof Fault || !(error instanceof Error) || ("code" in error && !isZlibs(error))) throw error;
    throw damagedZip(error.message, error);
  }
}

function isZlibs(error: object): boolean {
  return "code" in error && typeof error.code === "string" && error.code.startsWith("Z_");
}

async function readEntries(zip: ZipFile): Promise<Entry[]> {
  const entries: Entry[] = [];
  for await (const entry of zip.eachEntry()) {
    if (entries.push(entry) > MAX_ENTRIES) throw new Error(`it has more than ${MAX_ENTRIES} members`);
  }
  return entries;
}

type Bundle = { readonly name: string; readonly info: Entry; readonly bands: ReadonlyMap<number, Entry> };

function bundleIn(entries: readonly Entry[]): Bundle | undefined {
  const found: Bundle[] = [];
  for (const info of entries) {
    if (!/(^|\.sparsebundle\/)Info\.plist$/.test(info.fileName) || isMacOnly(info)) continue;
    const root = info.fileName.slice(0, -"Info.plist".length);
    const bands = new Map<number, Entry>();
    for (const entry of entries) {
      if (!entry.fileName.startsWith(`${root}bands/`)) continue;
      const band = bandNumberOf(entry.fileName.slice(root.length + "bands/".length));
      if (band !== undefined) bands.set(band, entry);
    }
    const token = entries.find(({ fileName }) => fileName === `${root}token`);
    if ((token?.uncompressedSize ?? 0) > 0) throw encryptedBundle();
    if (bands.size > 0 || root !== "") found.push({ name: root.slice(0, -1), info, bands });
  }
  if (found.length > 1) throw severalImages(found.map(({ name }) => name));
  return found[0];
}

async function unpackBundle(zip: ZipFile, bundle: Bundle, options: UnpackOptions): Promise<ZipContent> {
  if (bundle.info.uncompressedSize > MAX_BUNDLE_INFO_BYTES) throw damagedBundle("Its Info.plist is too long.");
  const chunks: Uint8Array[] = [];
  await readMember(zip, bundle.info, async (chunk) => void chunks.push(chunk));
  const info = decodeBundleInfo(Buffer.concat(chunks));
  const lengths = new Map([...bundle.bands].map(([band, entry]) => [band, entry.uncompressedSize]));
  let file: TemporaryFile | undefined;
  const { source, ranges } = sparseBundleSource(info, lengths, (band, offset, length) =>
    file!.read(band * info.bandBytes + offset, length),
  );
  file = await TemporaryFile.create(options.space);
  try {
    let doneBands = 0;
    for (const [band, entry] of bundle.bands) {
      let at = band * info.bandBytes;
      await readMember(zip, entry, async (chunk) => {
        options.signal?.throwIfAborted();
        await file!.write(at, chunk);
        at += chunk.length;
      });
      doneBands += 1;
      options.onProgress?.(doneBands, bundle.bands.size);
    }
    await file.finish(Math.max(info.sizeBytes, file.sizeBytes));
    return { member: bundle.name, source, bundle: { ranges }, file };
  } catch (error) {
    await file.close();
    throw error;
  }
}

const imageNames = /\.(dmg|cdr|iso|img|image|raw|dd|bin|sparseimage|qcow2?|vmdk|vhdx?|vdi|pcl|gz|xz|zst|zip)$/i;

function imageIn(entries: readonly Entry[]): Entry {
  const files = entries.filter((entry) => !entry.fileName.endsWith("/") && !isMacOnly(entry));
  const images = files.length === 1 ? files : files.filter(({ fileName }) => imageNames.test(fileName));
  const [entry] = images;
  if (entry === undefined) throw noImage(files.map(({ fileName }) => fileName));
  if (images.length > 1) throw severalImages(images.map(({ fileName }) => fileName));
  if (entry.isEncrypted()) throw unknownKind("it is encrypted");
  if (entry.compressionMethod !== STORED && entry.compressionMethod !== DEFLATED)
    throw unknownKind(`it is compressed by method ${entry.compressionMethod}`);
  return entry;
}

/** What macOS puts beside a file: its attributes, and where its window was. */
function isMacOnly({ fileName }: Entry): boolean {
  return fileName.startsWith("__MACOSX/") || basename(fileName).startsWith(".");
}

async function unpackMember(zip: ZipFile, entry: Entry, options: UnpackOptions): Promise<TemporaryFile> {
  const file = await TemporaryFile.create(options.space);
  try {
    let at = 0;
    await readMember(zip, entry, async (chunk) => {
      options.signal?.throwIfAborted();
      await file.write(at, chunk);
      at += chunk.length;
      options.onProgress?.(at, entry.uncompressedSize);
    });
    await file.finish();
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Unpacks a member piece by piece; yauzl checks its length, this its CRC-32. */
async function readMember(zip: ZipFile, entry: Entry, each: (chunk: Uint8Array) => Promise<void>): Promise<void> {
  let sum = 0;
  for await (const chunk of await zip.openReadStreamPromise(entry)) {
    sum = crc32(chunk, sum);
    await each(chunk);
  }
  if (sum !== entry.crc32) throw damagedZip(`the checksum of ${entry.fileName} does not fit`);
}

async function checkStored(part: BlockSource, entry: Entry): Promise<void> {
  let sum = 0;
  for (let at = 0; at < part.sizeBytes; at += 1 << 20)
    sum = crc32(await part.read(at, Math.min(1 << 20, part.sizeBytes - at)), sum);
  if (sum !== entry.crc32) throw damagedZip(`the checksum of ${entry.fileName} does not fit`);
}

/** yauzl's view of a source. */
class SourceReader extends RandomAccessReader {
  readonly #source: BlockSource;

  constructor(source: BlockSource) {
    super();
    this.#source = source;
  }

  override _readStreamForRange(start: number, end: number): Readable {
    const source = this.#source;
    return Readable.from(
      (async function* () {
        for (let at = start; at < end; at += 1 << 18) yield await source.read(at, Math.min(1 << 18, end - at));
      })(),
      { objectMode: false },
    );
  }
}

function damagedZip(why: string, cause?: unknown): Fault {
  return new Fault(
    "ZIP_DAMAGED",
    {
      what: "The zip archive is damaged.",
      why: `Reading it: ${why}.`,
      fix: 'Copy it again; "unzip -t FILE" checks the original.',
    },
    cause,
  );
}

function unknownKind(why: string): Fault {
  return new Fault("ZIP_KIND", {
    what: "The member of the zip archive cannot be read.",
    why: `For ${why}.`,
    fix: "Unpack it with the program that made it, and give the disk image.",
  });
}

function noImage(names: readonly string[]): Fault {
  return new Fault("ZIP_CONTENT", {
    what: "The zip archive holds no disk image.",
    why: names.length === 0 ? "It is empty." : `It holds ${listed(names)}.`,
    fix: "Give the archive that holds one, or the disk image itself.",
  });
}

function severalImages(names: readonly string[]): Fault {
  return new Fault("ZIP_CONTENT", {
    what: "The zip archive holds more than one disk image.",
    why: `It holds ${listed(names)}.`,
    fix: "Unpack it, and give the one that is meant.",
  });
}

export function encryptedBundle(): Fault {
  return new Fault("ENCRYPTED_KIND", {
    what: "An encrypted sparse bundle cannot be read.",
    why: "How its bands are encrypted could not be proved against a real one.",
    fix: 'On a Mac that opens it: "hdiutil convert IN.sparsebundle -format UDZO -encryption -o OUT.dmg" makes one that bootcast reads.',
  });
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, 5).map((name) => JSON.stringify(name));
  return names.length > 5 ? `${shown.join(", ")} and ${names.length - 5} more` : shown.join(", ");
}
