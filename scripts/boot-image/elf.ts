import { Fault } from "../../fault.ts";

/** What a program or library needs to be started. All empty for a static program. */
export type ElfLinks = {
  /** Path of the dynamic loader, "/lib64/ld-linux-x86-64.so.2". */
  readonly interpreter: string | undefined;
  /** Names of the libraries it is linked with, "libc.so.6", in the file's order. */
  readonly needed: readonly string[];
};

// Names and numbers of the System V ABI, "Object Files" and "Program Loading and Dynamic Linking".
const ELFCLASS64 = 2;
const ELFDATA2LSB = 1;
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const SHT_NOBITS = 8;
const DT_NULL = 0;
const DT_NEEDED = 1;
const DT_STRTAB = 5;
const PROGRAM_HEADER_BYTES = 56;
const SECTION_HEADER_BYTES = 64;

/** True when the bytes start like an ELF file. */
export function isElf(bytes: Uint8Array): boolean {
  return bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;
}

/**
 * Reads the loader and the needed libraries of a 64-bit little-endian program or library.
 *
 * @throws {Fault} ELF_INVALID when it is another kind of file, or a table runs past its end
 */
export function readElfLinks(bytes: Uint8Array): ElfLinks {
  const file = new ElfReader(bytes);
  const segments = file.table(file.u64(32), file.u16(54), file.u16(56), PROGRAM_HEADER_BYTES).map((at) => ({
    type: file.u32(at),
    offset: file.u64(at + 8),
    address: file.u64(at + 16),
    size: file.u64(at + 32),
  }));
  const interp = segments.find(({ type }) => type === PT_INTERP);
  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
  const names: number[] = [];
  let strings: number | undefined;
  for (let at = dynamic?.offset ?? 0; dynamic !== undefined && at < dynamic.offset + dynamic.size; at += 16) {
    const tag = file.u64(at);
    if (tag === DT_NULL) break;
    if (tag === DT_NEEDED) names.push(file.u64(at + 8));
    if (tag === DT_STRTAB) strings = file.u64(at + 8);
  }
  if (names.length > 0 && strings === undefined) throw invalid("it names libraries but has no string table");
  // DT_STRTAB is an address in memory; the segment that is loaded there says where it is in the file.
  const load = segments.find(
    ({ type, address, size }) => type === PT_LOAD && address <= (strings ?? 0) && (strings ?? 0) < address + size,
  );
  if (names.length > 0 && load === undefined) throw invalid("its string table is in no loaded segment");
  const start = (strings ?? 0) - (load?.address ?? 0) + (load?.offset ?? 0);
  return {
    interpreter: interp === undefined ? undefined : file.text(interp.offset),
    needed: names.map((name) => file.text(start + name)),
  };
}

/**
 * Reads `.modinfo` of a Linux kernel module: "key=value" strings, each ended by NUL.
 *
 * @returns key ► values in the file's order, for example "alias" ► ["pci:v00008086d…", …]
 * @throws {Fault} ELF_INVALID when it is another kind of file, a table runs past its end, or there is no `.modinfo`
 */
export function readModuleInfo(bytes: Uint8Array): Map<string, string[]> {
  const file = new ElfReader(bytes);
  const sections = file.table(file.u64(40), file.u16(58), file.u16(60), SECTION_HEADER_BYTES).map((at) => ({
    name: file.u32(at),
    type: file.u32(at + 4),
    offset: file.u64(at + 24),
    size: file.u64(at + 32),
  }));
  const names = sections[file.u16(62)];
  const modinfo = sections.find(
    ({ name, type }) => names !== undefined && type !== SHT_NOBITS && file.text(names.offset + name) === ".modinfo",
  );
  if (modinfo === undefined) throw invalid("it has no section .modinfo");
  const info = new Map<string, string[]>();
  for (const line of file.slice(modinfo.offset, modinfo.size).toString("utf8").split("\0")) {
    const equals = line.indexOf("=");
    if (equals <= 0) continue;
    const key = line.slice(0, equals);
    const values = info.get(key) ?? [];
    values.push(line.slice(equals + 1));
    info.set(key, values);
  }
  return info;
}

/** Reads numbers and strings at offsets, and refuses to leave the file. */
class ElfReader {
  readonly #bytes: Buffer;

  constructor(bytes: Uint8Array) {
    if (bytes.length < 64 || !isElf(bytes)) throw invalid("it does not start with an ELF header");
    if (bytes[4] !== ELFCLASS64 || bytes[5] !== ELFDATA2LSB) throw invalid("it is not 64-bit little-endian");
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u16(at: number): number {
    return this.slice(at, 2).readUInt16LE();
  }

  u32(at: number): number {
    return this.slice(at, 4).readUInt32LE();
  }

  u64(at: number): number {
    const value = this.slice(at, 8).readBigUInt64LE();
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw invalid(`the number at byte ${at} is too large`);
    return Number(value);
  }

  text(at: number): string {
    this.slice(at, 1);
    const end = this.#bytes.indexOf(0, at);
    if (end < 0) throw invalid(`the string at byte ${at} does not end`);
    return this.#bytes.toString("utf8", at, end);
  }

  slice(at: number, length: number): Buffer {
    if (at + length > this.#bytes.length) {
      throw invalid(`bytes ${at} to ${at + length} are needed and it ends at ${this.#bytes.length}`);
    }
    return this.#bytes.subarray(at, at + length);
  }

  /** Offsets of the entries of a header table. */
  table(offset: number, entryBytes: number, count: number, leastBytes: number): number[] {
    if (count > 0 && entryBytes < leastBytes) throw invalid(`its table entries have ${entryBytes} bytes`);
    this.slice(offset, entryBytes * count);
    return Array.from({ length: count }, (_, index) => offset + index * entryBytes);
  }
}

function invalid(reason: string): Fault {
  return new Fault("ELF_INVALID", {
    what: "A program, library or kernel module cannot be read.",
    why: `It is no ELF file that bootcast understands: ${reason}.`,
    fix: 'Remove the downloaded packages from the cache ("bootcast boot-image build" names the folder) and build again.',
  });
}
