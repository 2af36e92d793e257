/** Bytes that belong at a place of the disk, in bytes from its beginning. */
export type DiskWrite = { readonly at: number; readonly bytes: Uint8Array };

/** Where partitions begin and end: by their numbers, in bytes, `endBytes` being the first byte behind. */
export type PartitionPlaces = ReadonlyMap<number, { readonly startBytes: number; readonly endBytes: number }>;

/** Partitions and their ends lie on these, for disks of any real sector and erase size. */
export const ALIGNMENT_BYTES = 1024 * 1024;

export function alignedDown(bytes: number): number {
  return bytes - (bytes % ALIGNMENT_BYTES);
}
