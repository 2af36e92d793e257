import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, utimes, writeFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { promisify } from "node:util";
import { constants, zstdCompress } from "node:zlib";
import { type ArchiveEntry, encodeCpio } from "./cpio.ts";

/** A compressed cpio archive. The kernel unpacks several, one after the other, from one initramfs file. */
export type Layer = {
  readonly compressed: Uint8Array;
  /** What it occupies in memory once it is unpacked. */
  readonly unpackedBytes: number;
};

/** A layer in the cache, with the files that were made along with it. */
export type CachedLayer<Notes> = Layer & { readonly notes: Notes; readonly files: ReadonlyMap<string, Uint8Array> };

/**
 * Packed well, unpacked fast. The kernel needs a window of 32 MiB beside what it unpacks; it would take up to 128 MiB
 * (lib/decompress_unzstd.c), which the smallest client has not to spare. Higher levels cost minutes and gain a percent.
 */
const ZSTD_LEVEL = 19;
const ZSTD_WINDOW_LOG = 25;
const compress = promisify(zstdCompress);

/** "quick": in two seconds instead of a minute, and a sixth larger. For trying something out. */
export type Packing = "best" | "quick";
const levels: Readonly<Record<Packing, number>> = { best: ZSTD_LEVEL, quick: 9 };

const zstd = process.versions["zstd"] ?? process.versions.node;
/** How layers are packed: one of the inputs of each. */
export function compressorVersion(packing: Packing): string {
  return `zstd ${zstd} level ${levels[packing]}, window ${ZSTD_WINDOW_LOG}`;
}
const packer = ["cpio", "layers"].map((name) =>
  createHash("sha256")
    .update(readFileSync(join(import.meta.dirname, name + extname(import.meta.filename))))
    .digest("hex"),
);

/** Makes a layer, padded so that the next one starts at a multiple of four bytes, where the kernel looks for it. */
export async function makeLayer(entries: readonly ArchiveEntry[], packing: Packing = "best"): Promise<Layer> {
  const archive = encodeCpio(entries);
  const params = {
    [constants.ZSTD_c_compressionLevel]: levels[packing],
    [constants.ZSTD_c_windowLog]: ZSTD_WINDOW_LOG,
  };
  const packed = await compress(archive, { params });
  const compressed = new Uint8Array((packed.length + 3) & ~3);
  compressed.set(packed);
  return { compressed, unpackedBytes: unpackedBytes(entries) };
}

/**
 * Takes a layer from the cache, or makes it and keeps it.
 *
 * @param inputs everything that its content depends on
 * @param make returns the content, `notes` (JSON) and further files to keep with it
 */
export async function cachedLayer<Notes>(
  cacheDir: string,
  name: string,
  inputs: unknown,
  packing: Packing,
  make: () => Promise<{ entries: ArchiveEntry[]; notes: Notes; files: Map<string, Uint8Array> }>,
): Promise<CachedLayer<Notes>> {
  const digest = digestOf([inputs, compressorVersion(packing), packer]);
  const directory = join(cacheDir, "layers", `${name}-${digest.slice(0, 32)}`);
  const kept = await readLayer<Notes>(directory);
  if (kept !== undefined) return kept;

  const { entries, notes, files } = await make();
  const layer = await makeLayer(entries, packing);
  await mkdir(join(cacheDir, "layers"), { recursive: true });
  const draft = await mkdtemp(join(cacheDir, "layers", "draft-"));
  try {
    await writeFile(join(draft, "layer.cpio.zst"), layer.compressed);
    for (const [file, content] of files) await writeFile(join(draft, file), content);
    const record: LayerRecord<Notes> = { notes, unpackedBytes: layer.unpackedBytes, files: [...files.keys()] };
    await writeFile(join(draft, "layer.json"), JSON.stringify(record));
    // A second build may have been quicker; its result is the same.
    await rename(draft, directory).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
    });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return { ...layer, notes, files };
}

type LayerRecord<Notes> = { readonly notes: Notes; readonly unpackedBytes: number; readonly files: readonly string[] };

async function readLayer<Notes>(directory: string): Promise<CachedLayer<Notes> | undefined> {
  const text = await readFile(join(directory, "layer.json"), "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  const { notes, unpackedBytes, files } = JSON.parse(text) as LayerRecord<Notes>;
  const contents = new Map<string, Uint8Array>();
  for (const file of files) contents.set(file, await readFile(join(directory, file)));
  // What is in use is not old, see prune.ts.
  await utimes(directory, new Date(), new Date());
  return { notes, unpackedBytes, files: contents, compressed: await readFile(join(directory, "layer.cpio.zst")) };
}

/** SHA-256 of a JSON value, hexadecimal. */
export function digestOf(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex");
}

// The kernel keeps whole pages of 4 KiB.
function unpackedBytes(entries: readonly ArchiveEntry[]): number {
  return entries.reduce((sum, entry) => sum + (entry.type === "file" ? (entry.content.length + 4095) & ~4095 : 0), 0);
}
