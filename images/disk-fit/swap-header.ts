/** Everything before it is for boot loaders; the header proper begins here. */
const HEADER_AT = 1024;
const MAGIC = "SWAPSPACE2";
/** Pages that a swap area of Linux may have at least. */
const LEAST_PAGES = 10;

/** No magic of something else may be left behind the header: then nobody would know which one counts. */
const CLEARED_BYTES = 128 * 1024;

/**
 * The beginning of a swap area, made anew for another place: as `mkswap` writes it, with the same number and label.
 *
 * Source: Linux include/linux/swap.h (union swap_header).
 *
 * @param old the first 64 KiB of the old area; one with a sleeping machine's memory in it becomes plain swap, because
 *   that machine is not this one
 * @returns undefined when it is no area of this kind
 */
export function swapHeader(old: Uint8Array, sizeBytes: number): Buffer | undefined {
  const before = Buffer.from(old.buffer, old.byteOffset, old.length);
  const pageBytes = [4096, 8192, 16384, 65536].find(
    (bytes) => bytes <= before.length && magics.includes(before.toString("latin1", bytes - 10, bytes)),
  );
  if (pageBytes === undefined || before.readUInt32LE(HEADER_AT) !== 1) return undefined;
  const pages = Math.floor(sizeBytes / pageBytes);
  if (pages < LEAST_PAGES) return undefined;
  const page = Buffer.alloc(Math.min(CLEARED_BYTES, pages * pageBytes));
  page.writeUInt32LE(1, HEADER_AT);
  page.writeUInt32LE(pages - 1, HEADER_AT + 4);
  // The number of bad pages stays 0: nobody has looked at the new place.
  before.copy(page, HEADER_AT + 12, HEADER_AT + 12, HEADER_AT + 44);
  page.write(MAGIC, pageBytes - 10, "latin1");
  return page;
}

const magics = [MAGIC, "S1SUSPEND\0", "S2SUSPEND\0", "ULSUSPEND\0", "LINHIB0001"];
