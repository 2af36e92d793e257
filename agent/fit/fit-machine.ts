import type { Clock } from "../client/backoff.ts";
import { DiskTarget } from "../disk/target.ts";
import type { MachineFiles } from "../machine/machine-files.ts";
import type { VolumeMachine } from "../volumes/volumes.ts";

/** The disk that was restored. */
export type FitDisk = { readonly path: string; readonly sizeBytes: number; readonly sectorBytes: number };

export type FitMachine = VolumeMachine & { readonly files: MachineFiles; readonly clock: Clock };

/** Opens the disk alone for writing. */
export async function writeToDisk(disk: FitDisk, use: (target: DiskTarget) => Promise<void>): Promise<void> {
  const target = new DiskTarget(disk);
  await target.open();
  try {
    await use(target);
  } finally {
    // Closing flushes.
    await target.close();
  }
}
