import { Fault } from "../../fault.ts";

/** Bytes 2 to 16 of ICU's common data: magic, "this is UDataInfo", little-endian, ASCII, UTF-16, "CmnD". */
const SIGNATURE = Buffer.from([0xda, 0x27, 0x14, 0, 0, 0, 0, 0, 2, 0, 0x43, 0x6d, 0x6e, 0x44]);

/** A real table of contents has some thousands. */
const MOST_ITEMS = 100_000;

/**
 * Of what a country or a language has of its own, only that of the root and of English stays. Of the rest, what only
 * other languages, other character sets or spoofing checks need goes.
 *
 * @param name of an item, "icudt78l/curr/de_CH.res"
 */
export function isKept(name: string): boolean {
  const [, path = ""] = /^icudt\d+[lb]\/(.*)$/.exec(name) ?? [];
  if (/\.(cnv|dict|cfu|spp)$/.test(path) || path === "unames.icu") return false;
  if (/^(translit|rbnf)\//.test(path)) return /\/(root|en|pool|res_index)\.res$/.test(path);
  if (/^brkitr\/.*\.brk$/.test(path)) return /\/(char|word|line|sent|title)\.brk$/.test(path);
  if (!path.endsWith(".res")) return true;
  const base = path.slice(path.lastIndexOf("/") + 1, -".res".length);
  // "de", "zh_Hant_HK", "es_419"; not "root", "pool", "res_index", "supplementalData" and the like.
  const isLocale = /^[a-z]{2,3}(_[A-Z][a-z]{3})?(_([A-Z]{2}|\d{3}))?(_[A-Z]{4,})?$/.test(base);
  return !isLocale || /^en(_US|_US_POSIX|_001)?$/.test(base);
}

/**
 * Node carries the texts and rules of all languages in itself, 33 MB of its 103. The agent speaks English: what it never
 * looks up is filled with zeros, which take no room in the compressed image and none in a client's memory (see init).
 * The table of contents stays, so that whoever asks for German finds an empty place and falls back to the root.
 * Format: ICU's icu4c/source/common/ucmndata.h.
 *
 * @param program the bytes of a node program; changed in place
 * @returns how many bytes were cleared; 0 when the program has no such data in itself
 * @throws {Fault} BOOT_IMAGE_NODE_UNFIT when its table of contents is not one
 */
export function clearForeignLocales(program: Buffer): number {
  const signatureAt = program.indexOf(SIGNATURE);
  if (signatureAt < 0) return 0;
  const start = signatureAt - 2;
  const table = start + program.readUInt16LE(start);
  const items = contentsOf(program, table);
  let cleared = 0;
  for (const [index, { name, offset }] of items.entries()) {
    // Where the last one ends is not written anywhere.
    const end = items[index + 1]?.offset;
    if (end === undefined || isKept(name)) continue;
    program.fill(0, table + offset, table + end);
    cleared += end - offset;
  }
  return cleared;
}

/** Offsets are from the table's beginning, ascending, as the names are. */
function contentsOf(program: Buffer, table: number): { name: string; offset: number }[] {
  const count = table + 4 <= program.length ? program.readUInt32LE(table) : 0;
  if (count === 0 || count > MOST_ITEMS || table + 4 + count * 8 > program.length) throw unfit(`${count} items`);
  let last = 4 + count * 8;
  return Array.from({ length: count }, (_, index) => {
    const at = table + 4 + index * 8;
    const nameAt = table + program.readUInt32LE(at);
    const offset = program.readUInt32LE(at + 4);
    const name = program.toString("latin1", nameAt, program.indexOf(0, nameAt));
    if (!/^icudt\d+[lb]\/[\w./-]+$/.test(name) || offset < last || table + offset > program.length) {
      throw unfit(`item ${index} at ${offset}`);
    }
    last = offset;
    return { name, offset };
  });
}

function unfit(why: string): Fault {
  return new Fault("BOOT_IMAGE_NODE_UNFIT", {
    what: "The language data inside of Node could not be read.",
    why: `Its table of contents is not as ICU writes it: ${why}.`,
    fix: "Use the Node that bootcast installs (npm ci with optional packages).",
  });
}
