import { userInfo } from "node:os";
import { Fault } from "../../fault.ts";
import { apfsWarnings } from "../../images/apfs/warnings.ts";
import type { ByteRange } from "../../images/block.ts";
import { CELL_BYTES } from "../../images/cell.ts";
import { CellBits } from "../../images/cell-bits.ts";
import type { ForeignRange } from "../../images/foreign-image.ts";
import { KnownCells } from "../../images/known-cells.ts";
import { KnownPacks } from "../../images/known-packs.ts";
import type { Manifest } from "../../images/manifest.ts";
import { encodeManifest } from "../../images/manifest-codec.ts";
import { readDiskLayout } from "../../images/partition-table.ts";
import { type PackReuse, type ScanProgress, scan } from "../../images/scan.ts";
import { findUnusedCells, type UnusedCellsOptions, type VolumeUse } from "../../images/unused-cells.ts";
import type { FileSource } from "../images/file-source.ts";
import { ImageThreads } from "../images/image-threads.ts";
import type { SiteKey } from "./keys.ts";
import type { ImageStore } from "./store.ts";

export type ImportOptions = {
  readonly store: ImageStore;
  readonly siteKey: SiteKey;
  readonly source: FileSource;
  /** What is known of the disk without reading it, as `ForeignImage.ranges` says it: these stretches are not read. */
  readonly ranges?: Iterable<ForeignRange> | undefined;
  /** Where `source` differs from the disk that `ranges` and `freeSpace` know: it is kept, whatever they say. */
  readonly changed?: readonly ByteRange[];
  readonly name: string;
  readonly notes: string;
  readonly now: number;
  /** Keeps also what lies in free blocks of a file system: deleted files. */
  readonly keepFreeBlocks?: boolean;
  /** What to leave out besides, and what to do with file systems that were not unmounted: kept unless told. */
  readonly freeSpace?: UnusedCellsOptions;
  readonly onProgress?: (progress: ScanProgress) => void;
  readonly signal?: AbortSignal;
};

export type ImportResult = {
  readonly manifest: Manifest;
  /** Bytes of packs that the store did not have yet. */
  readonly writtenBytes: number;
  /** What is unused on each volume, or why all of it was kept. */
  readonly volumes: readonly VolumeUse[];
  /** What people should know about the disk, one sentence each. */
  readonly warnings: readonly string[];
};

/**
 * Copies a disk image into the store as the next version of `name`. The
 * version appears when all of it is on the disk; what an import that failed
 * has written stays and is used by the next one.
 *
 * @throws {Fault} IMAGE_NAME, IMAGE_BUSY, STORE_FULL, GPT_DAMAGED, PARTITION_OUTSIDE, FILE_SYSTEM_DIRTY, and those of `source`
 */
export async function importImage(options: ImportOptions): Promise<ImportResult> {
  const { store, source, siteKey, name, notes, now, onProgress, signal } = options;
  const { version, release } = await store.reserveVersion(name);
  const threads = new ImageThreads();
  try {
    const layout = await readDiskLayout(source, source.sectorBytes);
    const unused = options.keepFreeBlocks ? undefined : await findUnusedCells(source, layout, options.freeSpace);
    const changed = new CellBits();
    for (const { startBytes, endBytes } of options.changed ?? [])
      changed.mark(Math.floor(startBytes / CELL_BYTES), Math.ceil(endBytes / CELL_BYTES));
    const knownCells =
      options.ranges &&
      new KnownCells(options.ranges, source.sizeBytes, { keepsUnused: options.keepFreeBlocks, changed });
    const known = await packsOfNewest(store, name);
    let writtenBytes = 0;
    const scanOnce = (): Promise<Manifest> =>
      scan(source, {
        tag: { name, version, builder: builderName(), createdAtMs: now, notes },
        codec: "zstd",
        layout,
        work: threads,
        ...(knownCells && { known: knownCells }),
        ...(unused && { isUnused: (cell: number) => unused.isUnused(cell) && !changed.has(cell) }),
        ...(known && { reuse: reuseOf(store, known) }),
        findPack: async (cellIds) => {
          const pack = known?.find(cellIds);
          return pack !== undefined && (await store.isSound(pack.digest)) ? pack : undefined;
        },
        onPack: async ({ digest, bytes }) => {
          if (await store.writePack(digest, bytes)) writtenBytes += bytes.length;
        },
        ...(onProgress && { onProgress }),
        ...(signal && { signal }),
      });
    let manifest: Manifest | undefined;
    while (manifest === undefined) {
      try {
        manifest = await scanOnce();
      } catch (error) {
        if (!(error instanceof UnsoundPack)) throw error;
        // An image must not rest on a pack that went bad. From the beginning, for other packs may follow from it.
        known?.forget(error.digest);
      }
    }
    await store.writeManifest(encodeManifest(manifest, siteKey.privateKey));
    const warnings = [...layout.warnings, ...(unused?.warnings ?? []), ...(await apfsWarnings(source, layout))];
    return { manifest, writtenBytes, volumes: unused?.volumes ?? [], warnings };
  } finally {
    await threads.close();
    await release();
  }
}

async function packsOfNewest(store: ImageStore, name: string): Promise<KnownPacks | undefined> {
  try {
    return new KnownPacks((await store.readManifest(name)).manifest);
  } catch (error) {
    // None yet, or one of another site's key or damaged: then every pack is made anew.
    if (error instanceof Fault) return undefined;
    throw error;
  }
}

class UnsoundPack extends Error {
  readonly digest: string;

  constructor(digest: string) {
    super(`pack ${digest} is missing or damaged`);
    this.digest = digest;
  }
}

function reuseOf(store: ImageStore, known: KnownPacks): PackReuse {
  return {
    packsHolding: (cellIds) => known.packsHolding(cellIds),
    onReuse: async ({ digest }) => {
      if (!(await store.isSound(digest))) throw new UnsoundPack(digest);
    },
  };
}

/** Who runs this, for the image's tag. */
export function builderName(): string {
  try {
    return process.env["SUDO_USER"] ?? userInfo().username;
  } catch {
    // A user without an entry in /etc/passwd, as in containers.
    return `uid ${process.getuid?.() ?? "unknown"}`;
  }
}
