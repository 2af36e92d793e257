import { RUN, type TableSpec } from "./build-udif.ts";

/** Sectors that are neither all the same nor incompressible. */
export function noise(sectors: number, seed: number): Buffer {
  const bytes = Buffer.alloc(sectors * 512);
  for (let at = 0, state = seed; at < bytes.length; at += 1) {
    state = (state * 1_103_515_245 + 12_345) & 0x7fffffff;
    bytes[at] = (at / 64) & 1 ? state >> 16 : seed;
  }
  return bytes;
}

/** Eight sectors of text, as bzip2 1.0.8 and xz 5.4.1 (--check=crc32) pack it. */
export const text = Buffer.from("bootcast reads bzip2 chunks. ".repeat(142)).subarray(0, 4096);
export const bzip2Text = Buffer.from(
  "QlpoOTFBWSZTWQfs4x0AAnsZgEABEAA+ad4QMAC4CmTEyDIwpkxMgyMClUhoyMm1PU0lDqUO8oYlDtKHUoe5Q3VD1KHjSUNVQ0lDaUMShrKGZQxKGZQ5VDKofpQ3lDEoZlD4qHMoeVQzKG0ofxdyRThQkAfs4x0=",
  "base64",
);
export const xzText = Buffer.from(
  "/Td6WFoAAAFpIt42AgAhARYAAAB0L+Wj4A//ADhdADEb7OhkZ4KY+Sjqkc+/j2HLKR4KGQwfsGXi25eJcoD+pe+yJMApN7Yb9Mg47SbEd+ipBRVdQQQAAPzNBioAAVCAIAAAAIbDD94+MA2LAgAAAAABWVo=",
  "base64",
);

/** A disk with every kind of run. */
export const everyCodec: readonly TableSpec[] = [
  { name: "Driver Descriptor Map (DDM : 0)", runs: [{ type: RUN.raw, sectors: 1, plain: noise(1, 3) }] },
  {
    name: "disk & image (Apple_HFS : 1)",
    runs: [
      { type: RUN.zlib, sectors: 6, plain: noise(6, 5) },
      { type: RUN.comment, sectors: 7, stored: Buffer.from("comment") },
      { type: RUN.zero, sectors: 3 },
      { type: RUN.zero, sectors: 5 },
      { type: RUN.adc, sectors: 2, plain: noise(2, 7) },
      { type: RUN.unused, sectors: 9 },
      { type: RUN.zero, sectors: 1 },
      { type: RUN.bzip2, sectors: 8, plain: text, stored: bzip2Text },
      { type: RUN.xz, sectors: 8, plain: text, stored: xzText },
      { type: RUN.raw, sectors: 2, plain: noise(2, 11) },
    ],
  },
  { name: " (Apple_Free : 2)", runs: [{ type: RUN.unused, sectors: 10 }] },
];

/** A small one, for tests that read it thousands of times. */
export const small: readonly TableSpec[] = [
  { name: "Master Boot Record (MBR : 0)", runs: [{ type: RUN.raw, sectors: 1, plain: noise(1, 3) }] },
  {
    name: " (DOS_FAT_32 : 1)",
    runs: [
      { type: RUN.zlib, sectors: 2, plain: noise(2, 5) },
      { type: RUN.zero, sectors: 3 },
      { type: RUN.adc, sectors: 1, plain: noise(1, 7) },
      { type: RUN.unused, sectors: 4 },
    ],
  },
];
