import { userInfo } from "node:os";
import { Fault } from "../fault.ts";
import { KnownPacks } from "../images/known-packs.ts";
import type { Manifest } from "../images/manifest.ts";
import { encodeManifest } from "../images/manifest-codec.ts";
import { readDiskLayout } from "../images/partition-table.ts";
import { type ScanProgress, scan } from "../images/scan.ts";
import { findUnusedCells } from "../images/unused-cells.ts";
import type { FileSource } from "./file-source.ts";
import type { SiteKey } from "./keys.ts";
import type { ImageStore } from "./store.ts";

export type ImportOptions = {
  readonly store: ImageStore;
  readonly siteKey: SiteKey;
  readonly source: FileSource;
  readonly name: string;
  readonly notes: string;
  readonly now: number;
  /** Keeps also what lies in free blocks of a file system: deleted files. */
  readonly keepFreeBlocks?: boolean;
  readonly onProgress?: (progress: ScanProgress) => void;
  readonly signal?: AbortSignal;
};

export type ImportResult = {
  readonly manifest: Manifest;
  /** Bytes of packs that the store did not have yet. */
  readonly writtenBytes: number;
  /** What people should know about the disk, one sentence each. */
  readonly warnings: readonly string[];
};

/**
 * Copies a disk image into the store as the next version of `name`. The
 * version appears when all of it is on the disk; what an import that failed
 * has written stays and is used by the next one.
 *
 * @throws {Fault} IMAGE_NAME, IMAGE_BUSY, STORE_FULL, GPT_DAMAGED, PARTITION_OUTSIDE, and those of `source`
 */
export async function importImage(options: ImportOptions): Promise<ImportResult> {
  const { store, source, siteKey, name, notes, now, onProgress, signal } = options;
  const { version, release } = await store.reserveVersion(name);
  try {
    const layout = await readDiskLayout(source, source.sectorBytes);
    const unused = options.keepFreeBlocks ? undefined : await findUnusedCells(source, layout);
    const known = await packsOfNewest(store, name);
    let writtenBytes = 0;
    const manifest = await scan(source, {
      tag: { name, version, builder: builderName(), createdAtMs: now, notes },
      codec: "zstd",
      layout,
      ...(unused && { isUnused: unused.isUnused }),
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
    await store.writeManifest(encodeManifest(manifest, siteKey.privateKey));
    return { manifest, writtenBytes, warnings: [...layout.warnings, ...(unused?.warnings ?? [])] };
  } finally {
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

/** Who runs this, for the image's tag. */
function builderName(): string {
  try {
    return process.env["SUDO_USER"] ?? userInfo().username;
  } catch {
    // A user without an entry in /etc/passwd, as in containers.
    return `uid ${process.getuid?.() ?? "unknown"}`;
  }
}
