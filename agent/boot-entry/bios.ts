import { open } from "node:fs/promises";
import type { BootEntryResult } from "./result.ts";

/** Of the first sector: boot code, then numbers and the partition table, then the mark. */
const CODE_BYTES = 440;
const SECTOR_BYTES = 512;

/**
 * BIOS needs no entry: it starts what is in the first sector of the disk, which the restore wrote as it was in the
 * image. This says only when there is nothing to start.
 */
export async function biosStart(disk: string): Promise<BootEntryResult> {
  const sector = await firstSector(disk);
  if (sector !== undefined && !startsOnBios(sector)) {
    return {
      detail: "BIOS finds no boot code on the disk: the image is one for UEFI, so set the firmware to UEFI",
      isWarning: true,
    };
  }
  return { detail: "BIOS starts the disk by itself", isWarning: false };
}

/** @param sector the first one, 512 bytes */
export function startsOnBios(sector: Uint8Array): boolean {
  const isMarked = sector[510] === 0x55 && sector[511] === 0xaa;
  return isMarked && sector.subarray(0, CODE_BYTES).some((byte) => byte !== 0);
}

async function firstSector(disk: string): Promise<Uint8Array | undefined> {
  try {
    const handle = await open(disk, "r");
    try {
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(4096), 0, 4096, 0);
      return bytesRead >= SECTOR_BYTES ? buffer.subarray(0, SECTOR_BYTES) : undefined;
    } finally {
      await handle.close();
    }
  } catch {
    // Whatever is wrong with the disk was said by those who wrote it.
    return undefined;
  }
}
