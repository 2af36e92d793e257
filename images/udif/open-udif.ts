import type { BlockSource } from "../block.ts";
import type { ForeignImage } from "../foreign-image.ts";
import { isPresent } from "./checksum.ts";
import { lzfse } from "./codecs.ts";
import { DataFork, readTrailer } from "./data-fork.ts";
import { DiskSource, type DiskSourceOptions } from "./disk-source.ts";
import { udifFault } from "./faults.ts";
import { type TableResource, tablesOfPropertyList, tablesOfResourceFork } from "./resources.ts";
import { RunMap } from "./run-map.ts";
import { decodeTable } from "./table.ts";
import { type Extent, TRAILER_BYTES, type UdifTrailer } from "./trailer.ts";
import { verifyUdif, verifyUdifCopy } from "./verify.ts";

export type UdifOptions = DiskSourceOptions & {
  /** Segments 2, 3 … of an image whose trailer says that it has several, in order. */
  readonly segments?: readonly BlockSource[];
};

/**
 * Opens a .dmg with a trailer (UDIF: UDRO, UDCO, UDZO, UDBZ, ULMO) as the disk
 * that it stands for. Reads its trailer and its tables only.
 *
 * `close` does nothing: `source` belongs to the caller.
 *
 * @throws {Fault} those of `UdifFaultCode`, and what `source` throws
 */
export async function openUdif(source: BlockSource, options: UdifOptions = {}): Promise<ForeignImage> {
  const trailer = await readTrailer(source);
  const fork = await DataFork.open(source, trailer, options.segments ?? []);
  const tables = (await readTables(source, trailer)).map(({ name, bytes }) => decodeTable(bytes, name));
  const map = RunMap.of(tables, trailer.sectorCount, fork.lengthBytes);
  if (map.has("lzfse")) throw lzfse();
  const disk = new DiskSource(map, fork, options);
  return {
    source: disk,
    format: formatOf(map),
    kind: kindOf(trailer, map),
    verify: (onProgress) => verifyUdif({ trailer, fork, map, disk }, onProgress),
    ...(map.tables.some(({ checksum }) => isPresent(checksum)) && {
      verifyCopy: (copy, onProgress) => verifyUdifCopy({ trailer, map }, copy, onProgress),
    }),
    ranges: () => map.ranges(),
    chunks: () => map.chunks((offset) => fork.fileOffset(offset)),
    close: async () => {},
  };
}

/** The tables of a disk of some TiB; a longer list is damage, and parsing takes five times its length. */
const MAX_RESOURCES_BYTES = 64 * 2 ** 20;

async function readTables(source: BlockSource, trailer: UdifTrailer): Promise<TableResource[]> {
  const { xml, resourceFork } = trailer;
  if (xml.length > 0) return tablesOfPropertyList(await readExtent(source, xml, "property list"));
  if (resourceFork.length > 0) return tablesOfResourceFork(await readExtent(source, resourceFork, "resource fork"));
  throw udifFault(
    "UDIF_RESOURCES",
    "The .dmg is damaged: it has no list of its partitions.",
    "Its trailer names neither a property list nor a resource fork.",
  );
}

async function readExtent(source: BlockSource, { offset, length }: Extent, name: string): Promise<Uint8Array> {
  if (offset + length > source.sizeBytes - TRAILER_BYTES)
    throw udifFault(
      "UDIF_TRUNCATED",
      "The .dmg is incomplete.",
      `Its ${name} should have ${length} bytes from byte ${offset} on; the file has ${source.sizeBytes}.`,
    );
  if (length > MAX_RESOURCES_BYTES)
    throw udifFault(
      "UDIF_TOO_LARGE",
      `The .dmg is damaged: its ${name} has ${length} bytes.`,
      "That of a disk of a TiB has 60 MiB.",
    );
  return await source.read(offset, length);
}

/** hdiutil's names. A compressed image has raw runs, too, where nothing was gained. */
function formatOf(map: RunMap): string {
  if (map.has("zlib")) return "udzo";
  if (map.has("bzip2")) return "udbz";
  if (map.has("xz")) return "ulmo";
  if (map.has("adc")) return "udco";
  return "udro";
}

function kindOf({ imageVariant }: UdifTrailer, map: RunMap): ForeignImage["kind"] {
  if (imageVariant === 1) return "disk";
  if (imageVariant === 2) return "volume";
  return map.tables.length > 1 ? "disk" : "volume";
}
