import { parseXmlPropertyList } from "../property-list.ts";
import { udifFault } from "./faults.ts";

/** One resource of the type "blkx": a partition's table and its name. */
export type TableResource = { readonly name: string; readonly bytes: Uint8Array };

/**
 * The partitions' tables of a .dmg's property list, in its order. Everything
 * else in it (licence texts, `plst`, the `cSum`, `nsiz` and `size` of asr) is of
 * no use for reading.
 *
 * @throws {Fault} UDIF_RESOURCES
 */
export function tablesOfPropertyList(xml: Uint8Array): TableResource[] {
  let list: unknown;
  try {
    list = parseXmlPropertyList(xml);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw badResources(`Its property list cannot be read: ${reason}.`, error);
  }
  const tables = field(field(list, "resource-fork"), "blkx");
  if (!Array.isArray(tables) || tables.length === 0) throw badResources("Its property list names no partition.");
  return tables.map((entry: unknown, index) => {
    const bytes = field(entry, "Data");
    if (!(bytes instanceof Uint8Array)) throw badResources(`Partition ${index + 1} of its property list has no table.`);
    const name = field(entry, "Name") ?? field(entry, "CFName");
    return { name: typeof name === "string" ? name : "", bytes };
  });
}

const BLKX = 0x626c6b78; // "blkx"

/**
 * The same of a Macintosh resource fork, which is all that images of before 2002 have.
 *
 *    header  data offset u32, map offset u32, data length u32, map length u32
 *    data    of each resource: length u32, bytes
 *    map     24 type list offset u16, 26 name list offset u16
 *    types   count - 1 u16, of each: type u32, count - 1 u16, reference list offset u16 (from the type list)
 *    references, 12 bytes: id i16, name offset u16 (0xffff none), attributes u8, data offset u24, handle u32
 *
 * Source: Inside Macintosh: More Macintosh Toolbox, "Resource Manager", resource file format.
 *
 * @throws {Fault} UDIF_RESOURCES
 */
export function tablesOfResourceFork(fork: Uint8Array): TableResource[] {
  const view = new DataView(fork.buffer, fork.byteOffset, fork.length);
  try {
    const dataAt = view.getUint32(0);
    const mapAt = view.getUint32(4);
    const typesAt = mapAt + view.getUint16(mapAt + 24);
    const namesAt = mapAt + view.getUint16(mapAt + 26);
    const tables: TableResource[] = [];
    let tablesBytes = 0;
    // A count of -1 (0xffff) stands for none.
    const typeCount = (view.getUint16(typesAt) + 1) & 0xffff;
    for (let type = 0; type < typeCount; type += 1) {
      const typeAt = typesAt + 2 + type * 8;
      if (view.getUint32(typeAt) !== BLKX) continue;
      const referencesAt = typesAt + view.getUint16(typeAt + 6);
      for (let index = 0; index <= view.getUint16(typeAt + 4); index += 1) {
        const referenceAt = referencesAt + index * 12;
        const bytesAt = dataAt + (view.getUint32(referenceAt + 4) & 0xffffff);
        const length = view.getUint32(bytesAt);
        // No byte is in two resources; so the tables have no more runs than the fork has room for.
        tablesBytes += 4 + length;
        if (bytesAt + 4 + length > fork.length || tablesBytes > fork.length)
          throw new RangeError("a resource ends outside of it");
        const nameOffset = view.getUint16(referenceAt + 2);
        const name = nameOffset === 0xffff ? "" : pascalString(fork, view, namesAt + nameOffset);
        tables.push({ name, bytes: fork.subarray(bytesAt + 4, bytesAt + 4 + length) });
      }
      break;
    }
    if (tables.length === 0) throw badResources("Its resource fork names no partition.");
    return tables;
  } catch (error) {
    // DataView's own check of its bounds.
    if (error instanceof RangeError) throw badResources("Its resource fork points outside of itself.", error);
    throw error;
  }
}

function pascalString(fork: Uint8Array, view: DataView, at: number): string {
  const end = at + 1 + view.getUint8(at);
  if (end > fork.length) throw new RangeError("a name ends outside of it");
  return Buffer.from(fork.subarray(at + 1, end)).toString("latin1");
}

function field(value: unknown, key: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
  return (value as Record<string, unknown>)[key];
}

function badResources(why: string, cause?: unknown) {
  return udifFault(
    "UDIF_RESOURCES",
    "The .dmg is damaged: its list of partitions cannot be read.",
    why,
    undefined,
    cause,
  );
}
