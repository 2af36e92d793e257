/** A name as FAT's directories hold it: eight and three bytes, and the long one where that is another. */
export type FatName = {
  /** 11 bytes, padded with spaces. */
  readonly short: Buffer;
  readonly long: string | undefined;
};

const CHARACTERS_PER_ENTRY = 13;
const LONG_NAME_ATTRIBUTES = 0x0f;
const LAST_PIECE = 0x40;
/** Where the characters of a piece stand in its entry. */
const characterPlaces = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];

/**
 * Names for the entries of one directory, in the same order. Names that differ in case alone are not told apart by FAT.
 *
 * Source: Microsoft, FAT32 File System Specification 1.03, "Name Limits and Character Sets".
 */
export function fatNames(names: readonly string[]): FatName[] {
  const taken = new Set<string>();
  return names.map((name) => {
    const plain = plainShort(name);
    const short = plain !== undefined && !taken.has(plain) ? plain : numberedShort(name, taken);
    taken.add(short);
    return { short: Buffer.from(short, "latin1"), long: plain !== undefined && short === plain ? undefined : name };
  });
}

/** The entries that hold a long name, before the one that it belongs to. */
export function longNameEntries({ short, long }: FatName): Buffer {
  if (long === undefined) return Buffer.alloc(0);
  const pieces = Math.ceil(long.length / CHARACTERS_PER_ENTRY);
  const entries: Buffer[] = [];
  for (let piece = pieces; piece > 0; piece -= 1) {
    const entry = Buffer.alloc(32);
    entry.writeUInt8(piece | (piece === pieces ? LAST_PIECE : 0), 0);
    entry.writeUInt8(LONG_NAME_ATTRIBUTES, 11);
    entry.writeUInt8(checksumOf(short), 13);
    for (const [index, place] of characterPlaces.entries()) {
      const at = (piece - 1) * CHARACTERS_PER_ENTRY + index;
      // A zero ends the name, and what is left is filled with ones.
      const code = at < long.length ? long.charCodeAt(at) : at === long.length ? 0 : 0xffff;
      entry.writeUInt16LE(code, place);
    }
    entries.push(entry);
  }
  return Buffer.concat(entries);
}

/** The name itself, when it is one of eight and three capitals; otherwise undefined. */
function plainShort(name: string): string | undefined {
  const match = /^([A-Z0-9_~-]{1,8})(?:\.([A-Z0-9_~-]{1,3}))?$/.exec(name);
  return match === null ? undefined : (match[1] ?? "").padEnd(8) + (match[2] ?? "").padEnd(3);
}

function numberedShort(name: string, taken: ReadonlySet<string>): string {
  const upper = name.toUpperCase().replace(/^\.+/, "");
  const dot = upper.lastIndexOf(".");
  const clean = (text: string) => text.replaceAll(/[^A-Z0-9_-]/g, "");
  const stem = clean(dot < 0 ? upper : upper.slice(0, dot)) || "FILE";
  const ending = clean(dot < 0 ? "" : upper.slice(dot + 1)).slice(0, 3);
  for (let number = 1; ; number += 1) {
    const tail = `~${number}`;
    const short = (stem.slice(0, 8 - tail.length) + tail).padEnd(8) + ending.padEnd(3);
    if (!taken.has(short)) return short;
  }
}

function checksumOf(short: Uint8Array): number {
  let sum = 0;
  for (const byte of short) sum = (((sum & 1) << 7) + (sum >> 1) + byte) & 0xff;
  return sum;
}
