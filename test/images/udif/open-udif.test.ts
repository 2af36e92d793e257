import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { ForeignImage } from "../../../images/foreign-image.ts";
import { openUdif } from "../../../images/udif/open-udif.ts";
import { MemoryDisk } from "../memory.ts";
import { type BuildOptions, buildUdif, RUN, type RunSpec } from "./build-udif.ts";
import { bzip2Text, everyCodec, noise, text, xzText } from "./sample-tables.ts";

const forms: Record<string, BuildOptions> = {
  "as hdiutil writes it": {},
  "with a resource fork only": { form: "resource-fork" },
  "with tables and runs in another order": { isReversed: true },
  "with a resource fork only, in another order": { isReversed: true, form: "resource-fork" },
  "with data that begins later": { prefixBytes: 1000 },
  "with runs that count from a place of their table's": { dataStartBytes: 300 },
  "without a checksum of its data": { hasDataChecksum: false },
  "with licence texts, plst and asr's entries": {
    extraResources: `<key>plst</key><array><dict><key>Data</key><data>${"A".repeat(1376)}</data></dict></array>
<key>LPic</key><array><dict><key>Data</key><data>AAAAAQAA</data><key>ID</key><string>5000</string></dict></array>
<key>cSum</key><array><dict><key>Data</key><data>AAEAAAACAAAAAA==</data></dict></array>
<key>nsiz</key><array/><key>size</key><array/>`,
  },
  "with every flag": { changeTrailer: (trailer) => trailer.writeUInt32BE(0xffffffff, 12) },
  "of an old hdiutil, which numbers no segments": { changeTrailer: (trailer) => trailer.fill(0, 56, 80) },
};

for (const [name, options] of Object.entries(forms)) {
  test(`a .dmg ${name} is the disk`, async () => {
    const { files, disk } = buildUdif(everyCodec, options);
    const image = await openUdif(new MemoryDisk(files[0]!));
    assert.equal(image.source.sizeBytes, disk.length);
    assert.deepEqual(Buffer.from(await image.source.read(0, disk.length)), disk);
    assert.equal(image.kind, "disk");
    await image.verify();
    assertRawChunks(image, files[0]!, disk);
  });
}

test("what is known without reading", async () => {
  const { files } = buildUdif(everyCodec);
  const image = await openUdif(new MemoryDisk(files[0]!));
  const sectors = [...image.ranges!()].map(({ startBytes, endBytes, state }) => [
    startBytes / 512,
    endBytes / 512,
    state,
  ]);
  assert.deepEqual(sectors, [
    [0, 7, "data"],
    [7, 15, "zero"],
    [15, 17, "data"],
    [17, 26, "unused"],
    [26, 27, "zero"],
    [27, 45, "data"],
    [45, 55, "unused"],
  ]);
  assert.deepEqual(
    [...image.chunks!()].map(({ codec, lengthBytes }) => [codec, lengthBytes / 512]),
    [
      ["raw", 1],
      ["zlib", 6],
      ["adc", 2],
      ["bzip2", 8],
      ["xz", 8],
      ["raw", 2],
    ],
  );
});

for (const [type, format] of [
  [RUN.raw, "udro"],
  [RUN.adc, "udco"],
  [RUN.zlib, "udzo"],
  [RUN.bzip2, "udbz"],
  [RUN.xz, "ulmo"],
] as const) {
  test(`a volume of the kind ${format}`, async () => {
    const stored = { [RUN.bzip2]: bzip2Text, [RUN.xz]: xzText }[type as number];
    const runs = [
      { type, sectors: 8, plain: text, ...(stored && { stored }) },
      { type: RUN.raw, sectors: 1, plain: noise(1, 1) },
    ];
    const { files } = buildUdif([{ name: "whole disk (Apple_HFS : 0)", runs }], { variant: 2 });
    const image = await openUdif(new MemoryDisk(files[0]!));
    assert.equal(image.format, format);
    assert.equal(image.kind, "volume");
    await image.verify();
  });
}

test("LZFSE is refused by its name before anything is read, with the ways out", async () => {
  const run = { type: RUN.lzfse, sectors: 8, plain: text, stored: Buffer.from("bvx-") };
  const { files } = buildUdif([{ name: "disk image (Apple_APFS : 4)", runs: [run] }]);
  await assert.rejects(openUdif(new MemoryDisk(files[0]!)), { code: "UDIF_CODEC_LZFSE", fix: /7zz.*hdiutil convert/ });
});

test("segments are read as one, wherever they are cut", async () => {
  for (const segments of [2, 3, 7]) {
    const { files, disk } = buildUdif(everyCodec, { segments, prefixBytes: 10 });
    const [first, ...others] = files.map((file) => new MemoryDisk(file));
    const image = await openUdif(first!, { segments: others });
    assert.deepEqual(Buffer.from(await image.source.read(0, disk.length)), disk);
    await image.verify();
  }
});

for (const [name, change] of Object.entries<(files: Buffer[]) => Buffer[]>({
  "one is missing": (files) => files.slice(0, -1),
  "all others are missing": (files) => files.slice(0, 1),
  "there is one too many": (files) => [...files, files[2]!],
  "two are swapped": ([a, b, c]) => [a!, c!, b!],
  "the first is given as the second": ([a, , c]) => [a!, a!, c!],
  "the second is given as the first": ([, b, c]) => [b!, b!, c!],
  "one is of another image": ([a, b, c]) => [a!, b!, withByte(c!, c!.length - 512 + 64, 1)],
  "one says another place": ([a, b, c]) => [a!, b!, withByte(c!, c!.length - 512 + 23, 1)],
})) {
  test(`segments are refused when ${name}`, async () => {
    const [first, ...segments] = change(buildUdif(everyCodec, { segments: 3 }).files).map(
      (file) => new MemoryDisk(file),
    );
    await assert.rejects(openUdif(first!, { segments }), { code: "UDIF_SEGMENTS" });
  });
}

test("a segment that was cut is refused", async () => {
  const [first, second] = buildUdif(everyCodec, { segments: 2 }).files;
  const cut = Buffer.concat([second!.subarray(100)]);
  await assert.rejects(openUdif(new MemoryDisk(first!), { segments: [new MemoryDisk(cut)] }), {
    code: "UDIF_TRUNCATED",
  });
});

const runKinds = fc.array(
  fc.record({
    kind: fc.constantFrom("zero", "unused", "raw", "zlib", "adc"),
    sectors: fc.integer({ min: 1, max: 20 }),
  }),
  { minLength: 1, maxLength: 12 },
);

test("any disk: any reads, several at once, whatever is cached", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(runKinds, { minLength: 1, maxLength: 4 }),
      fc.array(fc.tuple(fc.nat(), fc.nat()), { minLength: 1, maxLength: 20 }),
      fc.constantFrom(0, 10_000, 32 * 2 ** 20),
      fc.boolean(),
      async (layout, reads, cacheBytes, isReversed) => {
        const tables = layout.map((runs, table) => ({
          name: `partition ${table}`,
          runs: runs.map(({ kind, sectors }, index): RunSpec => {
            const type = RUN[kind as keyof typeof RUN];
            return type === RUN.zero || type === RUN.unused
              ? { type, sectors }
              : { type, sectors, plain: noise(sectors, table * 20 + index) };
          }),
        }));
        const { files, disk } = buildUdif(tables, { isReversed });
        const image = await openUdif(new MemoryDisk(files[0]!), { cacheBytes });
        await image.verify();
        const found = reads.map(async ([at, length]) => {
          const offset = at % disk.length;
          const end = Math.min(disk.length, offset + (length % 30_000));
          assert.deepEqual(Buffer.from(await image.source.read(offset, end - offset)), disk.subarray(offset, end));
        });
        await Promise.all(found);
        const pieces: Uint8Array[] = [];
        for (let at = 0; at < disk.length; at += 5000)
          pieces.push(await image.source.read(at, Math.min(5000, disk.length - at)));
        assert.deepEqual(Buffer.concat(pieces), disk);
      },
    ),
    { numRuns: 60 },
  );
});

/** Raw chunks show whether `fileOffset` is the place in the file. */
function assertRawChunks(image: ForeignImage, file: Buffer, disk: Buffer): void {
  const raw = [...image.chunks!()].filter(({ codec }) => codec === "raw");
  assert.equal(raw.length, 2);
  for (const { startBytes, lengthBytes, fileOffset, fileBytes } of raw)
    assert.deepEqual(
      file.subarray(fileOffset, fileOffset + fileBytes),
      disk.subarray(startBytes, startBytes + lengthBytes),
    );
}

function withByte(file: Buffer, at: number, value: number): Buffer {
  const changed = Buffer.from(file);
  changed[at]! ^= value;
  return changed;
}
