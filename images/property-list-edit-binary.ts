import type { PropertyEdit } from "./property-list.ts";

const TRAILER_BYTES = 32;
const MOST_OBJECTS = 1_000_000;
const MOST_DEPTH = 64;
/** Kinds of objects, in the upper half of their first byte (CFBinaryPList.c). */
const kinds = { int: 0x1, ascii: 0x5, utf16: 0x6, dict: 0xd } as const;

/**
 * As `editPropertyList`, of a binary list (bplist00). Objects that change get new bytes behind all others, because
 * equal texts are stored once and shared; the table of places at the end is made anew.
 */
export function editBinaryPropertyList(bytes: Uint8Array, edits: readonly PropertyEdit[]): Uint8Array {
  const parsed = parse(bytes);
  const offsets = [...parsed.offsets];
  let written = Buffer.from(bytes.subarray(0, parsed.tableAt));
  const put = (object: Uint8Array) => {
    const at = written.length;
    written = Buffer.concat([written, object]);
    return at;
  };
  const list: Editable = {
    bytes: () => written,
    offsets,
    refBytes: parsed.refBytes,
    add(object) {
      if (offsets.length >= 2 ** (8 * parsed.refBytes)) throw new Error("it has no number left for another object");
      offsets.push(put(object));
      return offsets.length - 1;
    },
    replace(index, object) {
      offsets[index] = put(object);
    },
  };
  for (const { keys, text } of edits) edit(list, parsed.root, keys, text, 0);
  return written.length === parsed.tableAt ? bytes : assemble(list, parsed.root);
}

/** Objects by number: where each lies, and ways to have more of them. */
type Editable = {
  bytes(): Buffer;
  readonly offsets: number[];
  readonly refBytes: number;
  add(object: Uint8Array): number;
  replace(index: number, object: Uint8Array): void;
};

function edit(list: Editable, index: number, keys: readonly string[], text: string | undefined, depth: number): void {
  const [key = "", ...deeper] = keys;
  const entries = dictionaryAt(list, index);
  if (entries === undefined || depth > MOST_DEPTH)
    throw new Error(`"${key}" would be inside something that is no dictionary`);
  const at = entries.findIndex(({ keyIndex }) => textAt(list, keyIndex) === key);
  const entry = entries[at];
  if (text === undefined && entry === undefined) return;
  if (deeper.length > 0 && entry !== undefined) {
    edit(list, entry.valueIndex, deeper, text, depth + 1);
    return;
  }
  if (text === undefined) entries.splice(at, 1);
  else if (entry === undefined) {
    const valueIndex = deeper.reduceRight(
      (inside, name) =>
        list.add(dictionaryBytes([{ keyIndex: list.add(textBytes(name)), valueIndex: inside }], list.refBytes)),
      list.add(textBytes(text)),
    );
    entries.push({ keyIndex: list.add(textBytes(key)), valueIndex });
  } else {
    if (textAt(list, entry.valueIndex) === text) return;
    entries[at] = { ...entry, valueIndex: list.add(textBytes(text)) };
  }
  list.replace(index, dictionaryBytes(entries, list.refBytes));
}

function parse(bytes: Uint8Array): { offsets: number[]; refBytes: number; root: number; tableAt: number } {
  if (bytes.length < 8 + TRAILER_BYTES) throw new Error("it is cut off");
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const trailer = buffer.subarray(bytes.length - TRAILER_BYTES);
  const offsetBytes = trailer[6] ?? 0;
  const refBytes = trailer[7] ?? 0;
  const count = Number(trailer.readBigUInt64BE(8));
  const root = Number(trailer.readBigUInt64BE(16));
  const tableAt = Number(trailer.readBigUInt64BE(24));
  const isSane =
    [offsetBytes, refBytes].every((size) => size >= 1 && size <= 6) &&
    count >= 1 &&
    count <= MOST_OBJECTS &&
    root < count &&
    tableAt >= 8 &&
    tableAt + count * offsetBytes <= bytes.length - TRAILER_BYTES;
  if (!isSane) throw new Error("its table of objects is not right");
  const offsets = Array.from({ length: count }, (_, index) =>
    buffer.readUIntBE(tableAt + index * offsetBytes, offsetBytes),
  );
  if (offsets.some((offset) => offset < 8 || offset >= tableAt)) throw new Error("an object of it lies outside");
  return { offsets, refBytes, root, tableAt };
}

function assemble(list: Editable, root: number): Uint8Array {
  const { offsets, refBytes } = list;
  const objects = list.bytes();
  const tableAt = objects.length;
  const offsetBytes = tableAt < 2 ** 8 ? 1 : tableAt < 2 ** 16 ? 2 : tableAt < 2 ** 24 ? 3 : 4;
  const table = Buffer.alloc(offsets.length * offsetBytes);
  for (const [index, offset] of offsets.entries()) table.writeUIntBE(offset, index * offsetBytes, offsetBytes);
  const trailer = Buffer.alloc(TRAILER_BYTES);
  trailer[6] = offsetBytes;
  trailer[7] = refBytes;
  trailer.writeBigUInt64BE(BigInt(offsets.length), 8);
  trailer.writeBigUInt64BE(BigInt(root), 16);
  trailer.writeBigUInt64BE(BigInt(tableAt), 24);
  return Buffer.concat([objects, table, trailer]);
}

/** The kind of an object, how many parts it has, and where they begin. */
function headAt(list: Editable, index: number): { bytes: Buffer; kind: number; count: number; at: number } {
  const bytes = list.bytes();
  const offset = list.offsets[index];
  const first = offset === undefined ? undefined : bytes[offset];
  if (offset === undefined || first === undefined) throw new Error("it points at an object that is not there");
  const low = first & 0x0f;
  const kind = first >> 4;
  if (low !== 0x0f) return { bytes, kind, count: low, at: offset + 1 };
  const size = 2 ** ((bytes[offset + 1] ?? 0) & 0x0f);
  if ((bytes[offset + 1] ?? 0) >> 4 !== kinds.int || size > 4 || offset + 2 + size > bytes.length) {
    throw new Error("an object's size is not right");
  }
  return { bytes, kind, count: bytes.readUIntBE(offset + 2, size), at: offset + 2 + size };
}

type Entry = { readonly keyIndex: number; readonly valueIndex: number };

function dictionaryAt(list: Editable, index: number): Entry[] | undefined {
  const { bytes, kind, count, at } = headAt(list, index);
  if (kind !== kinds.dict) return undefined;
  const { refBytes } = list;
  if (at + 2 * count * refBytes > bytes.length) throw new Error("a dictionary of it is cut off");
  const ref = (place: number) => bytes.readUIntBE(at + place * refBytes, refBytes);
  return Array.from({ length: count }, (_, place) => ({ keyIndex: ref(place), valueIndex: ref(count + place) }));
}

function textAt(list: Editable, index: number): string | undefined {
  const { bytes, kind, count, at } = headAt(list, index);
  if (kind === kinds.ascii) return bytes.toString("latin1", at, at + count);
  if (kind !== kinds.utf16 || at + 2 * count > bytes.length) return undefined;
  return Buffer.from(bytes.subarray(at, at + 2 * count))
    .swap16()
    .toString("utf16le");
}

function dictionaryBytes(entries: readonly Entry[], refBytes: number): Uint8Array {
  const refs = Buffer.alloc(2 * entries.length * refBytes);
  entries.forEach(({ keyIndex, valueIndex }, place) => {
    refs.writeUIntBE(keyIndex, place * refBytes, refBytes);
    refs.writeUIntBE(valueIndex, (entries.length + place) * refBytes, refBytes);
  });
  return Buffer.concat([head(kinds.dict, entries.length), refs]);
}

function textBytes(text: string): Uint8Array {
  if (/^[\x01-\x7f]*$/.test(text)) return Buffer.concat([head(kinds.ascii, text.length), Buffer.from(text, "latin1")]);
  return Buffer.concat([head(kinds.utf16, text.length), Buffer.from(text, "utf16le").swap16()]);
}

function head(kind: number, count: number): Uint8Array {
  if (count < 15) return Uint8Array.of((kind << 4) | count);
  const marker = (kind << 4) | 0x0f;
  if (count < 2 ** 8) return Uint8Array.of(marker, 0x10, count);
  if (count < 2 ** 16) return Uint8Array.of(marker, 0x11, count >> 8, count & 0xff);
  return Uint8Array.of(marker, 0x12, count >>> 24, (count >> 16) & 0xff, (count >> 8) & 0xff, count & 0xff);
}
