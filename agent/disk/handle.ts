import { constants, type FileHandle, open } from "node:fs/promises";
import { AlignedPlaces, PAGE_BYTES } from "./aligned-memory.ts";

/** An open disk, and whether it goes past the kernel's memory. */
export type DiskHandle = { readonly handle: FileHandle; readonly isDirect: boolean };

/**
 * Opens a disk so that reads and writes go past the kernel's memory (O_DIRECT): what is read comes from the disk, and
 * what is written takes no memory and no second copy. Where that does not work (some file systems that hold a disk's
 * file) it is opened as usual.
 *
 * @param flags constants.O_RDONLY, or O_RDWR | O_EXCL
 */
export async function openDisk(
  disk: { readonly path: string; readonly sizeBytes: number; readonly sectorBytes: number },
  flags: number,
): Promise<DiskHandle> {
  // Only a file that plays a disk can end inside a sector.
  if (disk.sizeBytes % disk.sectorBytes === 0 && disk.sizeBytes > 0) {
    const handle = await open(disk.path, flags | constants.O_DIRECT).catch(orNoDirect);
    if (handle !== undefined) {
      // A file system may say no only when it is used.
      const probe = new AlignedPlaces(1, Math.max(PAGE_BYTES, disk.sectorBytes)).take()!;
      const isDirect = await handle.read(probe, 0, disk.sectorBytes, 0).then(() => true, isOther);
      if (isDirect) return { handle, isDirect };
      await handle.close();
    }
  }
  return { handle: await open(disk.path, flags), isDirect: false };
}

function orNoDirect(error: NodeJS.ErrnoException): undefined {
  if (error.code === "EINVAL" || error.code === "EOPNOTSUPP") return undefined;
  throw error;
}

/** A first sector that cannot be read is another matter, and shows when it is needed. */
function isOther(error: NodeJS.ErrnoException): boolean {
  return error.code !== "EINVAL";
}
