import type { BlockSource } from "./block.ts";

/**
 * A disk whose content lies in bands of one length, each somewhere of its own.
 *
 * @param readBand the bytes of a band from `offset` on: `length` of them, or fewer where the band ends; the rest are zeros
 */
export function bandedSource(
  sizeBytes: number,
  bandBytes: number,
  readBand: (band: number, offset: number, length: number) => Promise<Uint8Array | undefined>,
): BlockSource {
  return {
    sizeBytes,
    read: async (offset, length) => {
      const result = new Uint8Array(length);
      for (let done = 0; done < length; ) {
        const band = Math.floor((offset + done) / bandBytes);
        const inBand = offset + done - band * bandBytes;
        const part = Math.min(length - done, bandBytes - inBand);
        const bytes = await readBand(band, inBand, part);
        if (bytes !== undefined) result.set(bytes, done);
        done += part;
      }
      return result;
    },
  };
}
