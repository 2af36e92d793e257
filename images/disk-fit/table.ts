import type { BlockSource } from "../block.ts";
import type { DiskLayout } from "../partition-table.ts";
import type { DiskWrite, PartitionPlaces } from "./disk-write.ts";
import { type GptTable, gptEndBytes, gptWrites, readGptTable, renewGuids } from "./gpt-table.ts";
import {
  headBytesOf,
  isMbrWhole,
  type MbrTable,
  mbrEndBytes,
  mbrWrites,
  readMbrTable,
  renewDiskId,
} from "./mbr-table.ts";

/** The partition table of a disk as something that can be changed. */
export type Table =
  | { readonly scheme: "gpt"; readonly gpt: GptTable }
  | { readonly scheme: "mbr"; readonly mbr: MbrTable }
  /** One file system fills the disk. */
  | { readonly scheme: "none" }
  /** It is not changed; why, in words. */
  | { readonly scheme: "kept"; readonly why: string };

export async function readTable(disk: BlockSource, { scheme, sectorBytes, partitions }: DiskLayout): Promise<Table> {
  switch (scheme) {
    case "gpt": {
      const gpt = await readGptTable(disk, sectorBytes);
      if (gpt === undefined) return { scheme: "kept", why: "the GPT is damaged" };
      // Of an image that was cut behind its last partition, and a disk that is no larger.
      const endBytes = gptEndBytes(gpt, disk.sizeBytes);
      const isInTheWay = partitions.some(({ startBytes, sizeBytes }) => startBytes + sizeBytes > endBytes);
      if (isInTheWay && !gpt.isWhole) {
        return { scheme: "kept", why: "a partition lies where its second copy belongs" };
      }
      return { scheme, gpt };
    }
    case "mbr": {
      const mbr = await readMbrTable(disk, sectorBytes);
      return mbr.keeps === undefined ? { scheme, mbr } : { scheme: "kept", why: mbr.keeps };
    }
    case "apm":
      return { scheme: "kept", why: "it is Apple's old partition map" };
    case "none":
      return { scheme };
  }
}

/** The first byte that no partition may take. */
export function endBytesOf(table: Table, diskBytes: number): number {
  if (table.scheme === "gpt") return gptEndBytes(table.gpt, diskBytes);
  return table.scheme === "mbr" ? mbrEndBytes(table.mbr, diskBytes) : diskBytes;
}

/** Bytes right before a partition that belong to it. */
export function headBytesBefore(table: Table, number: number): number {
  return table.scheme === "mbr" ? headBytesOf(table.mbr, number) : 0;
}

/**
 * What is written so that the table fits the disk: nothing when it does.
 *
 * @param change.seed makes new numbers; undefined keeps those of the image
 * @param change.numbers of all partitions
 */
export function planTable(
  table: Table,
  change: {
    readonly diskBytes: number;
    readonly places: PartitionPlaces;
    readonly seed: string | undefined;
    readonly numbers: readonly number[];
  },
): { writes: readonly DiskWrite[]; renewed: ReadonlyMap<string, string> } {
  const { diskBytes, places, seed, numbers } = change;
  if (table.scheme === "gpt") {
    const { table: gpt, renewed } =
      seed === undefined ? { table: table.gpt, renewed: new Map<string, string>() } : renewGuids(table.gpt, seed);
    const isRight = gpt.isWhole && places.size === 0 && renewed.size === 0;
    return { writes: isRight ? [] : gptWrites(gpt, diskBytes, places), renewed };
  }
  if (table.scheme === "mbr") {
    const { table: mbr, renewed } =
      seed === undefined
        ? { table: table.mbr, renewed: new Map<string, string>() }
        : renewDiskId(table.mbr, numbers, seed);
    const isRight = isMbrWhole(mbr) && places.size === 0 && renewed.size === 0;
    return { writes: isRight ? [] : mbrWrites(mbr, places), renewed };
  }
  return { writes: [], renewed: new Map() };
}
