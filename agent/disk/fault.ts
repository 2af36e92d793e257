import { Fault } from "../../fault.ts";
import type { Manifest } from "../../images/manifest.ts";
import { formatSize } from "./sizes.ts";

/** What is known of a disk's places: enough to name one. */
export type DiskLayout = {
  readonly sectorBytes: number;
  /** Of the image that is on it, or comes to it. */
  readonly partitions?: Manifest["partitions"];
};

/**
 * A place on a disk as people and tools name it: "byte 1118208 (sector 2184, in partition 1, ext4 "root", 69632 bytes
 * behind its beginning)". Sectors are the disk's own, as the kernel's messages and smartctl count them.
 */
export function placeOnDisk(offset: number, { sectorBytes, partitions = [] }: DiskLayout): string {
  const sector = `sector ${Math.floor(offset / sectorBytes)}`;
  const partition = partitions.find(
    ({ startBytes, sizeBytes }) => offset >= startBytes && offset < startBytes + sizeBytes,
  );
  if (partition === undefined) return `byte ${offset} (${sector}${partitions.length > 0 ? ", in no partition" : ""})`;
  const { number, fileSystem, label, startBytes } = partition;
  const name = [fileSystem, label === "" ? "" : `"${label}"`].filter((word) => word !== "").join(" ");
  const where = [`in partition ${number}`, name, `${formatSize(offset - startBytes)} behind its beginning`];
  return `byte ${offset} (${[sector, ...where].filter((word) => word !== "").join(", ")})`;
}

/** DISK_READ or DISK_WRITE: the kernel says that it could not. `where` is as `placeOnDisk` says it. */
export function diskFault(act: "read" | "write to" | "flush", path: string, where: string, cause: unknown): Fault {
  const at = where === "" ? "" : ` at ${where}`;
  return new Fault(
    act === "read" ? "DISK_READ" : "DISK_WRITE",
    {
      what: `Could not ${act} ${path}${at}.`,
      why: cause instanceof Error ? cause.message : String(cause),
      fix: "Check the disk and its cable (smartctl -a); a disk that fails here must be replaced.",
    },
    cause,
  );
}

/** The kernel's words for a sector that cannot be read or written; everything else is not the disk's surface. */
const surfaceCodes: ReadonlySet<unknown> = new Set(["EIO", "EREMOTEIO", "EILSEQ", "ENODATA"]);

export function isBadSector(error: unknown): boolean {
  return surfaceCodes.has((error as NodeJS.ErrnoException | undefined)?.code);
}

/**
 * The first sector of a range that fails, by halves: a range fails as a whole, and says nothing of where.
 *
 * @param tryRange throws when the range fails
 * @returns its beginning, a multiple of `sectorBytes` from `at`; `at` when nothing fails any more
 */
export async function firstBadSector(
  at: number,
  length: number,
  sectorBytes: number,
  tryRange: (at: number, length: number) => Promise<unknown>,
): Promise<number> {
  let from = at;
  let sectors = Math.max(1, Math.ceil(length / sectorBytes));
  while (sectors > 1) {
    const half = Math.floor(sectors / 2);
    const isFirst = await tryRange(from, half * sectorBytes).then(
      () => false,
      () => true,
    );
    if (!isFirst) from += half * sectorBytes;
    sectors = isFirst ? half : sectors - half;
  }
  return from;
}
