import { deflateRawSync } from "node:zlib";
import { Fault } from "../../fault.ts";
import type { BlockSource } from "../../images/block.ts";
import { FILE_SYSTEM_PROBE_BYTES, fileSystemOf } from "../../images/file-system.ts";
import type { ForeignImage } from "../../images/foreign-image.ts";
import { decodeMbr, MBR_BYTES } from "../../images/mbr.ts";
import { readDiskLayout } from "../../images/partition-table.ts";
import { formatOf } from "./file-source.ts";

/** A disk as it is. It carries no checksums: verifying it finds only what the medium cannot read. */
export async function rawImage(source: BlockSource, sectorBytes: number): Promise<Omit<ForeignImage, "close">> {
  return {
    source,
    format: "raw",
    kind: await kindOf(source, sectorBytes),
    verify: async (onProgress) => {
      for (let at = 0; at < source.sizeBytes; at += 1 << 20) {
        const length = Math.min(1 << 20, source.sizeBytes - at);
        await source.read(at, length);
        onProgress?.(at + length, source.sizeBytes);
      }
    },
  };
}

async function kindOf(source: BlockSource, sectorBytes: number): Promise<"disk" | "volume"> {
  try {
    return (await readDiskLayout(source, sectorBytes)).scheme === "none" ? "volume" : "disk";
  } catch (error) {
    // A damaged partition table is one, too; who reads it next says what is wrong.
    if (error instanceof Fault) return "disk";
    throw error;
  }
}

/**
 * Nothing in an encrypted image tells whether its key was damaged after it was
 * locked: its content is then noise, and would be taken for a raw disk.
 */
export async function isNoise(source: BlockSource): Promise<boolean> {
  if ((await formatOf(source)) !== undefined) return false;
  const start = await source.read(0, Math.min(FILE_SYSTEM_PROBE_BYTES, source.sizeBytes));
  const isKnown = fileSystemOf(start) !== "" || decodeMbr(start.subarray(0, MBR_BYTES)) !== undefined;
  return !isKnown && deflateRawSync(start).length > start.length;
}

/** Whether a name says that a file is a .dmg, packed or not. */
export function isNamedDmg(path: string): boolean {
  return /\.dmg(\.(gz|xz|zst))?$/i.test(path);
}

/**
 * A .dmg says at its end what it is. Without it, what was cut off in the middle would pass for a raw disk when its
 * length happens to be whole sectors; but a raw one begins with zeros or with something known.
 */
export async function isPiece(source: BlockSource): Promise<boolean> {
  const start = await source.read(0, Math.min(FILE_SYSTEM_PROBE_BYTES, source.sizeBytes));
  return fileSystemOf(start) === "" && start.subarray(0, 512).some((byte) => byte !== 0);
}
