import type { KeyObject } from "node:crypto";
import { type FileHandle, open, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../../fault.ts";
import type { Manifest, PackEntry } from "../../images/manifest.ts";
import { decodeManifest, decodeSummary, type ManifestSummary } from "../../images/manifest-codec.ts";
import type { PackReader } from "../../images/pack-reader.ts";

/** FAT holds no file of 4 GiB. */
const PART_BYTES = 2 ** 31;
const MANIFEST = "manifest";

/** A file of a packed image: its content is made when it is asked for. */
export type PackedFile = {
  readonly name: string;
  readonly sizeBytes: number;
  content(): AsyncIterable<Uint8Array>;
};

/** An image in a folder of few large files, for media that hold many small ones badly. */
export type PackedImage = {
  readonly manifest: Manifest;
  readonly manifestBytes: Uint8Array;
  readonly packs: PackReader;
  close(): Promise<void>;
};

/**
 * The files of an image: `manifest`, as it was signed, and its packs end to end in the order of the manifest, plain, in
 * `packs.000`, `packs.001` …. No pack lies in two files. Where each lies follows from the manifest alone.
 */
export function packedFiles(
  { manifest, bytes }: { readonly manifest: Manifest; readonly bytes: Uint8Array },
  packs: PackReader,
): PackedFile[] {
  const parts = partsOf(manifest.packs).map(
    (part, number): PackedFile => ({
      name: partName(number),
      sizeBytes: part.sizeBytes,
      async *content() {
        for (let pack = part.firstPack; pack < part.endPack; pack += 1) yield packs.read(manifest.packs[pack]!, pack);
      },
    }),
  );
  const whole: PackedFile = {
    name: MANIFEST,
    sizeBytes: bytes.length,
    async *content() {
      yield bytes;
    },
  };
  return [whole, ...parts];
}

/** Whether a folder looks like a packed image. */
export async function isPackedImage(path: string): Promise<boolean> {
  const found = await Promise.all([MANIFEST, partName(0)].map((name) => stat(join(path, name)).catch(() => undefined)));
  return found.every((file) => file?.isFile() === true);
}

/** What a packed image says of itself; not checked. */
export async function packedSummary(folder: string): Promise<ManifestSummary> {
  return decodeSummary(await readFile(join(folder, MANIFEST)));
}

/**
 * Opens a packed image. Packs are checked by whoever unpacks them.
 *
 * @throws {Fault} PACKED_IMAGE_CUT when a file is missing or has another length; those of `decodeManifest`
 */
export async function openPackedImage(folder: string, trusted: readonly KeyObject[]): Promise<PackedImage> {
  const manifestBytes = await readFile(join(folder, MANIFEST));
  const manifest = decodeManifest(manifestBytes, trusted);
  const parts = partsOf(manifest.packs);
  const files: FileHandle[] = [];
  const close = async () => {
    for (const file of files) await file.close();
  };
  try {
    for (const [number, { sizeBytes }] of parts.entries()) {
      const path = join(folder, partName(number));
      const file = await open(path).catch((error: unknown) => {
        throw cut(path, "it cannot be opened", error);
      });
      files.push(file);
      const found = (await file.stat()).size;
      if (found !== sizeBytes) throw cut(path, `it has ${found} bytes, and the manifest says ${sizeBytes}`);
    }
  } catch (error) {
    await close();
    throw error;
  }
  const starts = startsOf(manifest.packs, parts);
  const readPack = async (pack: PackEntry, number: number, target: Uint8Array) => {
    const part = parts.findIndex(({ endPack }) => number < endPack);
    for (let done = 0; done < target.length; ) {
      const { bytesRead } = await files[part]!.read(target, done, target.length - done, starts[number]! + done);
      if (bytesRead === 0) throw cut(join(folder, partName(part)), `it ends inside of pack ${pack.digest}`);
      done += bytesRead;
    }
  };
  return {
    manifest,
    manifestBytes,
    packs: {
      async read(pack, number) {
        const bytes = Buffer.allocUnsafeSlow(pack.storedBytes);
        await readPack(pack, number, bytes);
        return bytes;
      },
      readInto: readPack,
    },
    close,
  };
}

type Part = { readonly firstPack: number; readonly endPack: number; readonly sizeBytes: number };

function partsOf(packs: readonly Pick<PackEntry, "storedBytes">[]): Part[] {
  const parts: Part[] = [];
  let firstPack = 0;
  let sizeBytes = 0;
  for (const [number, { storedBytes }] of packs.entries()) {
    if (sizeBytes > 0 && sizeBytes + storedBytes > PART_BYTES) {
      parts.push({ firstPack, endPack: number, sizeBytes });
      firstPack = number;
      sizeBytes = 0;
    }
    sizeBytes += storedBytes;
  }
  // An image of zeros has no packs, and one file all the same: a folder without it is no image.
  return [...parts, { firstPack, endPack: packs.length, sizeBytes }];
}

function startsOf(packs: readonly Pick<PackEntry, "storedBytes">[], parts: readonly Part[]): Float64Array {
  const starts = new Float64Array(packs.length);
  for (const { firstPack, endPack } of parts) {
    let at = 0;
    for (let pack = firstPack; pack < endPack; pack += 1) {
      starts[pack] = at;
      at += packs[pack]!.storedBytes;
    }
  }
  return starts;
}

function partName(number: number): string {
  return `packs.${String(number).padStart(3, "0")}`;
}

function cut(path: string, problem: string, cause?: unknown): Fault {
  return new Fault(
    "PACKED_IMAGE_CUT",
    {
      what: `The image of ${path} is not complete.`,
      why: `${path}: ${problem}.`,
      fix: 'Make the stick again: "bootcast boot-image usb --image NAME".',
    },
    cause,
  );
}
