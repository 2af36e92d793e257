import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { BlockSource } from "../../../images/block.ts";
import { openUdif } from "../../../images/udif/open-udif.ts";
import { tablesOfPropertyList } from "../../../images/udif/resources.ts";
import { decodeTable, runsOf } from "../../../images/udif/table.ts";
import { decodeTrailer } from "../../../images/udif/trailer.ts";
import { MemoryDisk } from "../memory.ts";
import { readSample, samplePath, samplesMissing } from "../shared-data.ts";

type Expected = {
  file: string;
  sha256: string;
  rawBytes: number;
  rawSha256: string;
  udif?: {
    sectors: number;
    imageVariant: number;
    masterCrc: string;
    dataForkChecksum: string | null;
    parts: {
      name: string;
      firstSector: number;
      sectors: number;
      crc32: string;
      runs: Record<string, number>;
    }[];
  };
};

const all: Expected[] = samplesMissing ? [] : JSON.parse(readSample("dmg-expected.json").toString());
const expected = all.filter(({ udif }) => udif !== undefined);

test("there are samples of every codec", { skip: samplesMissing }, async () => {
  const formats = new Set<string>();
  for (const { file } of expected) formats.add((await open(file)).format);
  assert.deepEqual([...formats].sort(), ["udbz", "udco", "udro", "udzo", "ulmo"]);
});

for (const { file, sha256: fileSha256, rawBytes, rawSha256, udif } of expected) {
  test(`${file}: its disk, in pieces of any size`, async () => {
    assert.equal(sha256(readSample(`dmg/${file}`)), fileSha256);
    const image = await open(file);
    assert.equal(image.kind, udif!.imageVariant === 1 ? "disk" : "volume");
    assert.equal(image.source.sizeBytes, rawBytes);
    for (const stepBytes of [rawBytes, 2 ** 20, 777_777]) {
      assert.equal(sha256(await readAll(image.source, stepBytes)), rawSha256);
    }
  });

  test(`${file}: its checksums are right, and it says how far it is`, async () => {
    const image = await open(file);
    const progress: number[] = [];
    await image.verify((done, total) => progress.push(done / total));
    assert.equal(progress.at(-1), 1);
    assert.deepEqual(
      progress,
      progress.toSorted((a, b) => a - b),
    );
  });

  test(`${file}: its tables`, () => {
    const bytes = readSample(`dmg/${file}`);
    const trailer = decodeTrailer(bytes.subarray(-512));
    assert.equal(trailer.sectorCount, udif!.sectors);
    assert.equal(hex(trailer.masterChecksum.crc32), udif!.masterCrc);
    const { type, crc32 } = trailer.dataChecksum;
    assert.equal(type === 0 ? null : hex(crc32), udif!.dataForkChecksum);
    const { offset, length } = trailer.xml;
    const tables = tablesOfPropertyList(bytes.subarray(offset, offset + length));
    const found = tables.map(({ name, bytes }) => {
      const table = decodeTable(bytes, name);
      const runs: Record<string, number> = {};
      for (const { kind } of runsOf(table)) runs[kind] = (runs[kind] ?? 0) + 1;
      const { firstSector, sectorCount, checksum } = table;
      return { name, firstSector, sectors: sectorCount, crc32: hex(checksum.crc32), runs };
    });
    const wanted = udif!.parts.map(({ name, firstSector, sectors, crc32, runs }) => {
      const { terminator: _, comment: __, ignore, ...others } = runs;
      return { name, firstSector, sectors, crc32, runs: { ...others, ...(ignore && { unused: ignore }) } };
    });
    assert.deepEqual(found, wanted);
  });

  test(`${file}: its ranges are the disk, its chunks are the data`, async () => {
    const image = await open(file);
    let end = 0;
    for (const { startBytes, endBytes, state } of image.ranges!()) {
      assert.equal(startBytes, end);
      if (state !== "data") {
        const bytes = await image.source.read(startBytes, endBytes - startBytes);
        assert(bytes.every((byte) => byte === 0));
      }
      end = endBytes;
    }
    assert.equal(end, rawBytes);
    const fileBytes = readSample(`dmg/${file}`);
    for (const { startBytes, lengthBytes, fileOffset, fileBytes: length, codec } of image.chunks!()) {
      if (codec !== "raw") continue;
      assert.equal(length, lengthBytes);
      assert.deepEqual(
        Buffer.from(await image.source.read(startBytes, lengthBytes)),
        fileBytes.subarray(fileOffset, fileOffset + length),
      );
    }
  });

  test(`${file}: 7zz unpacks the same`, { skip: missing("7zz", "i") }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "bootcast-dmg-"));
    try {
      const list = execFileSync("7zz", ["l", "-slt", "-tdmg", samplePath(`dmg/${file}`)], { encoding: "utf8" });
      execFileSync("7zz", ["x", "-tdmg", `-o${folder}`, samplePath(`dmg/${file}`)], { stdio: "ignore" });
      const image = await open(file);
      // In the order of the tables; what it calls them is its own affair.
      const names = [...list.matchAll(/^Path = (.*)$/gm)].map(([, path]) => path!).slice(1);
      assert.deepEqual(readdirSync(folder).length, udif!.parts.length);
      for (const [index, { firstSector, sectors }] of udif!.parts.entries()) {
        const part = await image.source.read(firstSector * 512, sectors * 512);
        assert.equal(sha256(readFileSync(join(folder, names[index]!))), sha256(part), names[index]!);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  // The base package of qemu-img has zlib and raw only.
  const forQemu = udif!.parts.every(({ runs }) => !("bzip2" in runs || "xz" in runs || "adc" in runs));
  if (forQemu)
    test(`${file}: qemu-img unpacks the same`, { skip: missing("qemu-img", "--version") }, () => {
      const folder = mkdtempSync(join(tmpdir(), "bootcast-dmg-"));
      try {
        const raw = join(folder, "disk");
        execFileSync("qemu-img", ["convert", "-f", "dmg", "-O", "raw", samplePath(`dmg/${file}`), raw], {
          stdio: "ignore",
        });
        assert.equal(sha256(readFileSync(raw)), rawSha256);
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
}

async function open(file: string) {
  return await openUdif(new MemoryDisk(readSample(`dmg/${file}`)));
}

async function readAll(source: BlockSource, stepBytes: number): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < source.sizeBytes; at += stepBytes)
    pieces.push(await source.read(at, Math.min(stepBytes, source.sizeBytes - at)));
  return Buffer.concat(pieces);
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function hex(value: number): string {
  return value.toString(16).padStart(8, "0");
}

function missing(program: string, argument: string): string | false {
  return spawnSync(program, [argument]).error === undefined ? false : `${program} is not installed`;
}
