import { Fault } from "../fault.ts";
import { bandedSource } from "./banded-source.ts";
import type { BlockSource } from "./block.ts";
import type { ForeignRange } from "./foreign-image.ts";
import { parseXmlPropertyList } from "./property-list.ts";

/** What the Info.plist of a sparse bundle (.sparsebundle, UDSB) says. */
export type SparseBundleInfo = {
  readonly sizeBytes: number;
  /** Each file in `bands/` has so many bytes, or fewer when its end is zeros. */
  readonly bandBytes: number;
};

/** The files in `bands/` that there are: their number on the disk, and their length. */
export type BundleBands = ReadonlyMap<number, number>;

/** Longer than any that macOS writes by a hundred times. */
export const MAX_BUNDLE_INFO_BYTES = 1 << 16;
const MAX_BAND_BYTES = 2 ** 31;

/** @throws {Fault} SPARSE_BUNDLE_DAMAGED */
export function decodeBundleInfo(bytes: Uint8Array): SparseBundleInfo {
  let info: unknown;
  try {
    info = parseXmlPropertyList(bytes);
  } catch (error) {
    throw damagedBundle("Its Info.plist is no property list.", error);
  }
  if (typeof info !== "object" || info === null || Array.isArray(info))
    throw damagedBundle("Its Info.plist holds no dictionary.");
  const values = info as Record<string, unknown>;
  if (values["diskimage-bundle-type"] !== "com.apple.diskimage.sparsebundle")
    throw damagedBundle(`Its Info.plist is of type ${JSON.stringify(values["diskimage-bundle-type"])}.`);
  const number = (key: string, most: number): number => {
    const value = Number(values[key]);
    if (Number.isSafeInteger(value) && value > 0 && value <= most && value % 512 === 0) return value;
    throw damagedBundle(`Its Info.plist says ${key} = ${JSON.stringify(values[key])}.`);
  };
  return { sizeBytes: number("size", Number.MAX_SAFE_INTEGER), bandBytes: number("band-size", MAX_BAND_BYTES) };
}

/** The number of a band by the name of its file, lower-case hexadecimal; undefined when it is none. */
export function bandNumberOf(name: string): number | undefined {
  return /^(0|[1-9a-f][0-9a-f]{0,9})$/.test(name) ? Number.parseInt(name, 16) : undefined;
}

/**
 * The disk of a sparse bundle.
 *
 * @param readBand reads inside of a band's file
 * @throws {Fault} SPARSE_BUNDLE_DAMAGED when a band is too long or behind the disk's end
 */
export function sparseBundleSource(
  { sizeBytes, bandBytes }: SparseBundleInfo,
  bands: BundleBands,
  readBand: (band: number, offset: number, length: number) => Promise<Uint8Array>,
): { readonly source: BlockSource; ranges(): Iterable<ForeignRange> } {
  const bandCount = Math.ceil(sizeBytes / bandBytes);
  for (const [band, length] of bands) {
    if (band >= bandCount) throw damagedBundle(`It has a band ${band.toString(16)} behind the disk's end.`);
    if (length > bandBytes)
      throw damagedBundle(`Band ${band.toString(16)} has ${length} bytes instead of ${bandBytes}.`);
  }
  return {
    source: bandedSource(sizeBytes, bandBytes, async (band, offset, length) => {
      const stored = Math.min(length, (bands.get(band) ?? 0) - offset);
      return stored > 0 ? readBand(band, offset, stored) : undefined;
    }),
    *ranges() {
      let at = 0;
      for (const band of [...bands.keys()].sort((a, b) => a - b)) {
        const startBytes = band * bandBytes;
        const endBytes = Math.min(startBytes + bands.get(band)!, sizeBytes);
        if (endBytes === startBytes) continue;
        if (startBytes > at) yield { startBytes: at, endBytes: startBytes, state: "zero" };
        yield { startBytes, endBytes, state: "data" };
        at = endBytes;
      }
      if (at < sizeBytes) yield { startBytes: at, endBytes: sizeBytes, state: "zero" };
    },
  };
}

export function damagedBundle(why: string, cause?: unknown): Fault {
  return new Fault(
    "SPARSE_BUNDLE_DAMAGED",
    {
      what: "The sparse bundle is damaged.",
      why,
      fix: "Copy the whole folder again from where it came from: with Info.plist and everything in bands.",
    },
    cause,
  );
}
