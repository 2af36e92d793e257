import { stat } from "node:fs/promises";
import { Fault } from "../../fault.ts";
import type { BlockSource } from "../../images/block.ts";
import { decryptedSource } from "../../images/encrypted/decrypted-source.ts";
import { readEncryptedHeader } from "../../images/encrypted/header.ts";
import type { ForeignFormat } from "../../images/foreign-format.ts";
import type { ForeignImage } from "../../images/foreign-image.ts";
import { openPartclone } from "../../images/partclone.ts";
import { openSparseImage } from "../../images/sparse-image.ts";
import { readTrailer } from "../../images/udif/data-fork.ts";
import { openUdif } from "../../images/udif/open-udif.ts";
import { holesOf } from "./file-holes.ts";
import { checkWholeSectors, formatOf, openAnyFile } from "./file-source.ts";
import { contentNotRead, cutDmg, emptyMember, noise, tooManyLayers } from "./format-faults.ts";
import { ImageThreads } from "./image-threads.ts";
import { type PassphraseSource, unlockWith } from "./passphrase.ts";
import { isNamedDmg, isNoise, isPiece, rawImage } from "./raw-image.ts";
import { openSegments } from "./segments.ts";
import { unpackDmg } from "./seven-zip.ts";
import { isSparseBundle, openSparseBundle } from "./sparse-bundle-folder.ts";
import { openWholeFile } from "./split-file.ts";
import { TemporaryFile, type TemporarySpace } from "./temporary-file.ts";
import { unpack } from "./unpack.ts";
import { type ChildFile, openVirtualDisk, type VirtualDiskFormat } from "./virtual-disk.ts";
import { openZip } from "./zip.ts";

export type OpenImageOptions = {
  /** Asked for encrypted images only, at most three times. */
  readonly passphrase?: PassphraseSource;
  /** Hears what takes time or room: one sentence. */
  readonly log?: (message: string) => void;
  readonly space?: TemporarySpace;
  /** Of unpacking a compressed file, before the image can be read. */
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
  readonly signal?: AbortSignal;
};

/** A file that is not on this machine. */
export type RemoteFile = BlockSource & {
  /** As its address says it, "tiger.dmg": its ending tells a raw disk from a cut .dmg. */
  readonly name: string;
  /** Opens a file that lies beside it. */
  beside(name: string): Promise<RemoteFile>;
  close(): Promise<void>;
};

/** Something around the image itself, outermost first. */
export type ImageLayer = {
  readonly kind: "pieces" | "gzip" | "xz" | "zstd" | "zip" | "encrypted";
  /** For people: "gzip", "zip (disk.dmg)", "encrypted (AES-128)". */
  readonly title: string;
};

/** A disk image of any format that bootcast reads, as a raw disk. */
export type DiskImage = ForeignImage & {
  /** The device's logical sector size; 512 for a file. */
  readonly sectorBytes: number;
  readonly layers: readonly ImageLayer[];
  /** The file's own length; of a folder, undefined. */
  readonly fileBytes: number | undefined;
};

/** A .dmg in a gzip in a zip has three; something that packs itself has no end. */
const MOST_LAYERS = 8;

/**
 * Opens a disk image of any format: the one place that turns a path into a disk.
 *
 * Raw, .dmg (segmented and encrypted, too), sparse images and bundles, partclone
 * images and stored members of a zip are read where they lie. What is compressed
 * as a whole (gzip, xz, zstd, members of a zip) is unpacked first, into a file
 * without a name in TMPDIR or /var/tmp, where zeros take no room.
 *
 * @throws {Fault} FILE_MISSING, DEVICE_BUSY, FILE_KIND, IMAGE_EMPTY, IMAGE_SIZE, IMAGE_FORMAT, IMAGE_LAYERS,
 *   PASSPHRASE_MISSING, PASSPHRASE_WRONG, TEMPORARY_SPACE, and those of each format
 */
export async function openImage(path: string, options: OpenImageOptions = {}): Promise<DiskImage> {
  const opening = new Opening(options);
  try {
    return await opening.open(path);
  } catch (error) {
    await opening.close();
    throw error;
  }
}

/**
 * Opens a disk image that lies on another machine, of any format; see `openImage`. What another program must read
 * (qcow2 and others, LZFSE) is fetched into a file without a name first.
 *
 * @param file closed with the image, or when it cannot be opened
 * @throws {Fault} those of `openImage`
 */
export async function openRemoteImage(file: RemoteFile, options: OpenImageOptions = {}): Promise<DiskImage> {
  const opening = new Opening(options);
  try {
    return await opening.openRemote(file);
  } catch (error) {
    await opening.close();
    throw error;
  }
}

/** What a layer holds: the bytes, and the file that has exactly these, for programs that read it themselves. */
type Content = { readonly source: BlockSource; readonly file?: ChildFile };

/** What the innermost layer is. */
type Found = Omit<ForeignImage, "close">;

class Opening {
  readonly #options: OpenImageOptions;
  readonly #layers: ImageLayer[] = [];
  readonly #checks: (() => Promise<void>)[] = [];
  readonly #closers: (() => unknown)[] = [];
  #sectorBytes = 512;
  #segments: (count: number) => Promise<(BlockSource & { close(): Promise<void> })[]> = async () => [];

  constructor(options: OpenImageOptions) {
    this.#options = options;
  }

  async open(path: string): Promise<DiskImage> {
    const isFolder = (await stat(path).catch(() => undefined))?.isDirectory() === true && (await isSparseBundle(path));
    if (isFolder) return this.#result(await this.#sparseBundle(path), path, undefined);
    const whole = await openWholeFile(path);
    this.#closers.push(() => whole.close());
    this.#sectorBytes = whole.sectorBytes;
    if (whole.pieces > 1) this.#layers.push({ kind: "pieces", title: `${whole.pieces} pieces` });
    const content = { source: whole, ...(whole.pieces === 1 && { file: { path } }) };
    this.#segments = (count) => openSegments(path, count, openAnyFile);
    return this.#result(await this.#image(content, path), path, whole.sizeBytes);
  }

  async openRemote(file: RemoteFile): Promise<DiskImage> {
    this.#closers.push(() => file.close());
    this.#segments = (count) => openSegments(file.name, count, (name) => file.beside(name));
    return this.#result(await this.#image({ source: file }, file.name), file.name, file.sizeBytes);
  }

  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close();
  }

  #result(found: Found, path: string, fileBytes: number | undefined): DiskImage {
    checkWholeSectors({ sizeBytes: found.source.sizeBytes, sectorBytes: this.#sectorBytes }, path);
    const { chunks, ...rest } = found;
    return {
      ...rest,
      format: this.#formatName(found.format),
      // Places in the file mean nothing when the file is not the image itself.
      ...(chunks !== undefined && this.#layers.length === 0 && { chunks }),
      verify: async (onProgress) => {
        for (const check of this.#checks) await check();
        await found.verify(onProgress);
      },
      sectorBytes: this.#sectorBytes,
      layers: this.#layers,
      fileBytes,
      close: () => this.close(),
    };
  }

  #formatName(format: string): string {
    const isEncrypted = this.#layers.some(({ kind }) => kind === "encrypted");
    // hdiutil's name for a raw disk in a .dmg that can be written to.
    return isEncrypted ? `encrypted ${format === "raw" ? "udrw" : format}` : format;
  }

  async #image(content: Content, path: string): Promise<Found> {
    if (this.#layers.length > MOST_LAYERS) throw tooManyLayers(MOST_LAYERS);
    const format = await formatOf(content.source);
    if (format === undefined) {
      const found = await this.#raw(content);
      if (found.kind === "volume" && isNamedDmg(path) && (await isPiece(found.source))) throw cutDmg(path);
      return found;
    }
    switch (format.id) {
      case "gzip":
      case "xz":
      case "zstd":
        return this.#image(await this.#unpacked(content, format.id), path);
      case "zip":
        return this.#zip(content);
      case "encrypted":
        return this.#image(await this.#decrypted(content), path);
      case "udif":
        return this.#udif(content);
      case "sparseimage": {
        const image = await openSparseImage(content.source);
        return { ...image, ...(await rawImage(image.source, 512)), format: "sparseimage" };
      }
      case "partclone":
        return openPartclone(content.source);
      case "other":
        throw contentNotRead(path, format.name);
      default:
        return this.#virtualDisk(content, { ...format, id: format.id });
    }
  }

  async #raw({ source, file }: Content): Promise<Found> {
    const image = await rawImage(source, this.#sectorBytes);
    if (file === undefined) return image;
    const ranges = await holesOf("path" in file ? file.path : `/proc/self/fd/${file.descriptor}`);
    return ranges === undefined ? image : { ...image, ranges };
  }

  async #unpacked({ source }: Content, codec: "gzip" | "xz" | "zstd"): Promise<Content> {
    this.#layers.push({ kind: codec, title: codec });
    const { space = {}, onProgress, signal, log } = this.#options;
    log?.(`The image is packed with ${codec} as a whole: it is unpacked first.`);
    return this.#temporary(await unpack(source, codec, { space, onProgress, signal }));
  }

  async #zip({ source }: Content): Promise<Found> {
    const { space = {}, onProgress, signal } = this.#options;
    const found = await openZip(source, { space, onProgress, signal });
    this.#layers.push({ kind: "zip", title: `zip (${found.member})` });
    if (found.verify !== undefined) this.#checks.push(found.verify);
    if (found.bundle !== undefined) {
      this.#temporary(found.file!);
      return { ...(await rawImage(found.source, 512)), ...found.bundle, format: "sparsebundle" };
    }
    if (found.source.sizeBytes === 0) throw emptyMember(found.member);
    const inner = found.file === undefined ? { source: found.source } : this.#temporary(found.file);
    return this.#image(inner, found.member);
  }

  async #decrypted({ source }: Content): Promise<Content> {
    const header = await readEncryptedHeader(source);
    const keys = await unlockWith(header, this.#options.passphrase);
    this.#layers.push({ kind: "encrypted", title: `encrypted (AES-${header.keyBits})` });
    const plain = decryptedSource(source, header, keys);
    if (plain.sizeBytes === 0) throw emptyMember("The encrypted image");
    if (await isNoise(plain)) throw noise();
    return { source: plain };
  }

  async #udif(content: Content): Promise<Found> {
    const trailer = await readTrailer(content.source);
    const segments = this.#layers.length === 0 ? await this.#segments(trailer.segmentCount) : [];
    this.#closers.push(...segments.map((segment) => () => segment.close()));
    try {
      const threads = new ImageThreads();
      this.#closers.push(() => threads.close());
      return await openUdif(content.source, {
        segments,
        decode: threads.decodeChunk,
        chunksAtOnce: Math.max(2, threads.lanes),
      });
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== "UDIF_CODEC_LZFSE" || segments.length > 0) throw error;
      return this.#lzfse(content, trailer.sectorCount * 512, error);
    }
  }

  async #lzfse(content: Content, sizeBytes: number, refusal: Fault): Promise<Found> {
    const { space = {}, onProgress, signal, log } = this.#options;
    log?.("The .dmg is compressed with LZFSE: it is unpacked first, by 7zz.");
    try {
      const unpacked = await unpackDmg(await this.#asFile(content), sizeBytes, { space, onProgress, signal });
      return { ...(await rawImage(this.#temporary(unpacked).source, 512)), format: "ulfo" };
    } catch (error) {
      // Without 7zz its own fault says what this image is and every way out.
      throw error instanceof Fault && error.code === "PROGRAM_MISSING" ? refusal : error;
    }
  }

  async #virtualDisk(content: Content, format: ForeignFormat & { id: VirtualDiskFormat }) {
    const disk = await openVirtualDisk(await this.#asFile(content), content.source.sizeBytes, format.id);
    this.#closers.push(() => disk.close());
    return { ...(await rawImage(disk.source, 512)), format: format.name.toLowerCase() };
  }

  async #sparseBundle(path: string): Promise<Found> {
    const { source, ranges } = await openSparseBundle(path);
    return { ...(await rawImage(source, 512)), ranges, format: "sparsebundle" };
  }

  /** For a program that opens files: the content as one, copied when it is none. */
  async #asFile({ source, file }: Content): Promise<ChildFile> {
    if (file !== undefined) return file;
    const copy = await TemporaryFile.create(this.#options.space ?? {});
    this.#closers.push(() => copy.close());
    for (let at = 0; at < source.sizeBytes; at += 1 << 20)
      await copy.write(at, await source.read(at, Math.min(1 << 20, source.sizeBytes - at)));
    await copy.finish(source.sizeBytes);
    return { descriptor: copy.descriptor };
  }

  #temporary(file: TemporaryFile): Content {
    this.#closers.push(() => file.close());
    return { source: file, file: { descriptor: file.descriptor } };
  }
}
