import assert from "node:assert/strict";
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { openImageSource } from "../../../cli/stream/source.ts";
import { CELL_BYTES } from "../../../images/cell.ts";
import { decodePack } from "../../../images/pack.ts";
import { placesOfPack } from "../../../images/pack-places.ts";
import { openImage } from "../../../server/images/open-image.ts";
import { makeVolume, noise, volumeKinds } from "../../images/free-space/made-volumes.ts";
import { samplePath, samplesMissing } from "../../images/shared-data.ts";
import { bootcast } from "../program.ts";

const directory = mkdtempSync(join(tmpdir(), "bootcast-scan-"));
after(() => rmSync(directory, { recursive: true }));
const path = (name: string) => join(directory, name);
const dataDir = path("data");
const fat = volumeKinds.find(({ name }) => name === "FAT16")!;

const scan = (...words: string[]) => bootcast(["image", "scan", ...words, "--data-dir", dataDir]);
const source = (name: string, onScan: () => void) => openImageSource(path(name), { dataDir, onScan });
const neverScanned = () => assert.fail("it was scanned again");

/** Everything that the packs of a source say, laid over zeros. */
async function contentOf(name: string): Promise<Buffer> {
  const { manifest, packs, close } = await source(name, neverScanned);
  try {
    const disk = Buffer.alloc(manifest.diskBytes);
    const places = placesOfPack(manifest);
    for (const [number, pack] of manifest.packs.entries()) {
      const cells = decodePack(await packs.read(pack, number), pack);
      for (const { index, cell } of places.get(number)) disk.set(cells[index]!, cell * CELL_BYTES);
    }
    return disk;
  } finally {
    await close();
  }
}

test("a raw disk is scanned once, stays where it is, and only what is used is sent", { skip: fat.skip }, async () => {
  makeVolume(fat, path("disk.raw"), 4 << 20, 20 << 20);
  const before = readFileSync(path("disk.raw"));
  const { code, stdout, stderr } = await scan(path("disk.raw"), "--json");
  assert.equal(code, 0, stderr);
  const said = JSON.parse(stdout) as { index: string; dataBytes: number; volumes: { unusedBytes: number }[] };
  assert.equal(said.index, path("disk.raw.bootcast-scan"));
  assert(said.dataBytes < before.length / 3 && said.volumes[0]!.unusedBytes > before.length / 3);
  assert(readFileSync(path("disk.raw")).equals(before));
  const { manifest, close } = await source("disk.raw", neverScanned);
  await close();
  const restored = await contentOf("disk.raw");
  for (const { state, firstCell, count } of manifest.cells.runs()) {
    const [from, to] = [firstCell * CELL_BYTES, (firstCell + count) * CELL_BYTES];
    if (state !== "unused") assert(restored.subarray(from, to).equals(before.subarray(from, to)));
  }
});

test("a file that was written to after its scan is refused, also when only a byte was", {
  skip: fat.skip,
}, async () => {
  copyFileSync(path("disk.raw"), path("changed.raw"));
  assert.equal((await scan(path("changed.raw"))).code, 0);
  utimesSync(path("changed.raw"), 1, 1);
  await assert.rejects(source("changed.raw", neverScanned), { code: "SOURCE_CHANGED" });
  assert.equal((await scan(path("changed.raw"))).code, 0);
  truncateSync(path("changed.raw"), fat.sizeBytes - 65536);
  utimesSync(path("changed.raw"), 1, 1);
  await assert.rejects(source("changed.raw", neverScanned), { code: "SOURCE_CHANGED" });
  // Without an index it is scanned as it is.
  rmSync(path("changed.raw.bootcast-scan"));
  let scans = 0;
  const opened = await source("changed.raw", () => {
    scans += 1;
  });
  assert(scans > 0);
  await opened.close();
});

test("a change that kept size and date is found when the pack is read", { skip: fat.skip }, async () => {
  copyFileSync(path("disk.raw"), path("sly.raw"));
  utimesSync(path("sly.raw"), 1000, 1000);
  assert.equal((await scan(path("sly.raw"))).code, 0);
  const bytes = readFileSync(path("sly.raw"));
  bytes[20_000]! ^= 1;
  writeFileSync(path("sly.raw"), bytes);
  utimesSync(path("sly.raw"), 1000, 1000);
  await assert.rejects(contentOf("sly.raw"), { code: "SOURCE_CHANGED" });
});

test("an index of another site, a damaged one, one cut off: each is refused", { skip: fat.skip }, async () => {
  const index = readFileSync(path("disk.raw.bootcast-scan"));
  try {
    assert.equal((await bootcast(["image", "scan", path("disk.raw"), "--data-dir", path("other")])).code, 0);
    await assert.rejects(source("disk.raw", neverScanned), { code: "MANIFEST_UNTRUSTED" });
    for (const cut of [0, 5, 15, 20, 100, index.length - 1]) {
      writeFileSync(path("disk.raw.bootcast-scan"), index.subarray(0, cut));
      await assert.rejects(source("disk.raw", neverScanned), /SCAN_INDEX|cut off|MANIFEST|scan index|manifest/);
    }
    const flipped = Buffer.from(index);
    flipped[index.length - 200]! ^= 1;
    writeFileSync(path("disk.raw.bootcast-scan"), flipped);
    await assert.rejects(source("disk.raw", neverScanned), { code: "MANIFEST_FORGED" });
  } finally {
    writeFileSync(path("disk.raw.bootcast-scan"), index);
  }
});

test("a disk that was not unmounted gets no index, unless all of it is to be kept", { skip: fat.skip }, async () => {
  const bytes = readFileSync(path("disk.raw"));
  bytes[37] = 1;
  writeFileSync(path("dirty.raw"), bytes);
  const refused = await scan(path("dirty.raw"));
  assert.notEqual(refused.code, 0);
  assert.match(refused.stderr, /FILE_SYSTEM_DIRTY[\s\S]*fsck\.fat[\s\S]*--dirty keep/);
  assert(!existsSync(path("dirty.raw.bootcast-scan")));
  const kept = await scan(path("dirty.raw"), "--dirty", "keep", "--json");
  assert.equal(kept.code, 0);
  assert.equal((JSON.parse(kept.stdout) as { warnings: string[] }).warnings.length, 1);
  const imported = (...words: string[]) =>
    bootcast(["image", "import", path("dirty.raw"), "--name", "dirty", "--data-dir", dataDir, ...words]);
  assert.match((await imported()).stderr, /FILE_SYSTEM_DIRTY/);
  assert.equal((await imported("--dirty", "keep")).code, 0);
});

for (const name of [
  "udzo-apm-hfsplus.dmg",
  "udbz-apm-hfsplus.dmg",
  "udzo-gpt-hfsplus.dmg",
  "ulmo-generated-volume.dmg",
]) {
  test(`${name}: packs are made from its chunks, nothing is copied`, { skip: samplesMissing }, async () => {
    copyFileSync(samplePath(`dmg/${name}`), path(name));
    const { code, stderr } = await scan(path(name));
    assert.equal(code, 0, stderr);
    const image = await openImage(path(name));
    const disk = Buffer.from(await image.source.read(0, image.source.sizeBytes));
    await image.close();
    const { manifest, close } = await source(name, neverScanned);
    await close();
    const restored = await contentOf(name);
    for (const { state, firstCell, count } of manifest.cells.runs()) {
      const [from, to] = [firstCell * CELL_BYTES, (firstCell + count) * CELL_BYTES];
      if (state !== "unused") assert(restored.subarray(from, to).equals(disk.subarray(from, to)));
    }
  });
}

test("the index may lie elsewhere", async () => {
  writeFileSync(path("small.raw"), noise("small", 1 << 20));
  assert.equal((await scan(path("small.raw"), "--index", path("elsewhere"))).code, 0);
  assert(existsSync(path("elsewhere")) && !existsSync(path("small.raw.bootcast-scan")));
});
