import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, stat, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { CELL_BYTES } from "../../../images/cell.ts";
import { StagedBlocks } from "../../../images/staged-blocks.ts";
import { openFileSource } from "../../../server/images/file-source.ts";
import { openImage } from "../../../server/images/open-image.ts";
import { checkImage } from "../../../server/store/image-check.ts";
import { exportImage } from "../../../server/store/image-export.ts";
import { importImage } from "../../../server/store/image-import.ts";
import { loadSiteKey } from "../../../server/store/keys.ts";
import { openStore } from "../../../server/store/store.ts";
import { sampleDisk } from "../../images/sample-disk.ts";

async function newSite(t: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), "bootcast-"));
  t.after(() => rm(directory, { recursive: true }));
  const siteKey = await loadSiteKey(directory);
  const store = await openStore(join(directory, "store"), [siteKey.publicKey]);
  const importFile = async (path: string, signal?: AbortSignal) => {
    const source = await openFileSource(path);
    const options = { store, siteKey, source, name: "debian", notes: "first", now: 5, ...(signal && { signal }) };
    return importImage(options).finally(() => source.close());
  };
  return { directory, store, importFile };
}

test("an imported disk is exported the same, with holes", async (t) => {
  const { directory, store, importFile } = await newSite(t);
  const path = join(directory, "golden.raw");
  await writeFile(path, sampleDisk(`?ab${"0".repeat(100)}ab${"?".repeat(30)}`, 1024).bytes);
  const { manifest, writtenBytes } = await importFile(path);
  assert.deepEqual([manifest.tag.name, manifest.tag.version, manifest.tag.createdAtMs], ["debian", 1, 5]);
  assert(writtenBytes > 0);
  const copy = join(directory, "copy.raw");
  await exportImage(store, manifest, copy, { format: "raw" });
  assert(Buffer.from(await readFile(copy)).equals(await readFile(path)));
  assert((await stat(copy)).blocks * 512 < 50 * 65536);
  await assert.rejects(exportImage(store, manifest, copy, { format: "raw" }), { code: "FILE_EXISTS" });
  for (const format of ["udzo", "ulmo", "sparse"] as const) {
    const other = join(directory, `copy.${format}`);
    await exportImage(store, manifest, other, { format });
    const image = await openImage(other);
    await image.verify();
    assert(Buffer.from(await image.source.read(0, image.source.sizeBytes)).equals(await readFile(path)), format);
    await image.close();
  }
});

test("what was changed over a disk is kept, whatever is known of the disk below", async (t) => {
  const { directory, store } = await newSite(t);
  const siteKey = await loadSiteKey(directory);
  const path = join(directory, "empty.ext4");
  await writeFile(path, "");
  await truncate(path, 8 << 20);
  execFileSync("mkfs.ext4", ["-q", path]);
  const file = await openFileSource(path);
  const startBytes = (8 << 20) - 3 * CELL_BYTES;
  const staged = new StagedBlocks(file);
  await staged.write(startBytes, Buffer.from("what was put in"));
  const { sizeBytes, sectorBytes, close } = file;
  const source = { sizeBytes, sectorBytes, close, read: staged.read.bind(staged) };
  const changed = [{ startBytes, endBytes: startBytes + 4096 }];
  const ranges = [{ startBytes: 0, endBytes: file.sizeBytes, state: "unused" as const }];
  const common = { store, siteKey, source, name: "debian", notes: "", now: 5, changed };
  for (const known of [{}, { ranges }]) {
    const { manifest } = await importImage({ ...common, ...known });
    const copy = join(directory, `copy ${Object.keys(known)}`);
    await exportImage(store, manifest, copy, { format: "raw" });
    assert.equal((await readFile(copy)).toString("latin1", startBytes, startBytes + 15), "what was put in");
  }
  await file.close();
});

test("the same disk again is the next version and needs no room", async (t) => {
  const { directory, importFile } = await newSite(t);
  const path = join(directory, "golden.raw");
  await writeFile(path, sampleDisk("abcdef").bytes);
  await importFile(path);
  const { manifest, writtenBytes } = await importFile(path);
  assert.deepEqual([manifest.tag.version, writtenBytes], [2, 0]);
});

test("a version that cannot be trusted does not keep the next one from being made", async (t) => {
  const { directory, store, importFile } = await newSite(t);
  const path = join(directory, "golden.raw");
  await writeFile(path, sampleDisk("abcdef").bytes);
  await importFile(path);
  await truncate(join(store.directory, "manifests/debian/1.manifest"), 50);
  assert.equal((await importFile(path)).manifest.tag.version, 2);
});

test("damaged and missing packs are found, and no file is exported from them", async (t) => {
  const { directory, store, importFile } = await newSite(t);
  const path = join(directory, "golden.raw");
  await writeFile(path, sampleDisk("?".repeat(60)).bytes);
  const { manifest } = await importFile(path);
  assert.deepEqual(await checkImage(store, manifest), []);
  const [first, second] = manifest.packs;
  await rm(store.packPath(first!.digest));
  await truncate(store.packPath(second!.digest), 100);
  const bad = await checkImage(store, manifest);
  assert.deepEqual(
    bad.map(({ pack, fault }) => [pack, fault.code]),
    [
      [0, "PACK_MISSING"],
      [1, "PACK_DAMAGED"],
    ],
  );
  const before = await readdir(directory);
  await assert.rejects(exportImage(store, manifest, join(directory, "copy.raw"), { format: "raw" }), {
    code: "PACK_MISSING",
  });
  assert.deepEqual(await readdir(directory), before);
  // As the message says: the next import repairs it.
  await importFile(path);
  assert.deepEqual(await checkImage(store, manifest), []);
});

test("an export never replaces what took its name meanwhile, nor what a link of that name leads to", async (t) => {
  const { directory, store, importFile } = await newSite(t);
  const path = join(directory, "golden.raw");
  await writeFile(path, sampleDisk("?".repeat(30)).bytes);
  const { manifest } = await importFile(path);
  const copy = join(directory, "copy.raw");
  const onProgress = () => writeFileSync(copy, "somebody's");
  await assert.rejects(exportImage(store, manifest, copy, { format: "raw", onProgress }), { code: "FILE_EXISTS" });
  assert.equal(await readFile(copy, "utf8"), "somebody's");
  const link = join(directory, "link.raw");
  await symlink(join(directory, "absent"), link);
  await assert.rejects(exportImage(store, manifest, link, { format: "raw" }), { code: "FILE_EXISTS" });
});

test("a version never rests on a pack of the one before that went bad", async (t) => {
  const { directory, store, importFile } = await newSite(t);
  const path = join(directory, "golden.raw");
  const disk = sampleDisk("?".repeat(60));
  await writeFile(path, disk.bytes);
  const { manifest } = await importFile(path);
  for (const { digest } of manifest.packs.slice(1, 3)) await truncate(store.packPath(digest), 100);
  // One cell of each pack changes, so that none is made the same again.
  for (const cell of [0, 16, 32, 48]) disk.bytes[cell * 65536]! ^= 1;
  await writeFile(path, disk.bytes);
  const next = await importFile(path);
  assert.deepEqual(await checkImage(store, next.manifest), []);
  const before = new Set(manifest.packs.map(({ digest }) => digest));
  assert.equal(next.manifest.packs.filter(({ digest }) => before.has(digest)).length, 2);
});

test("an interrupted import leaves no image and no lock", async (t) => {
  const { directory, store, importFile } = await newSite(t);
  const path = join(directory, "golden.raw");
  await writeFile(path, sampleDisk("?".repeat(60)).bytes);
  const stopped = AbortSignal.abort(new Error("stop"));
  await assert.rejects(importFile(path, stopped), { message: "stop" });
  assert.deepEqual(await store.listImages(), []);
  assert.equal((await importFile(path)).manifest.tag.version, 1);
});

test("what is no whole raw disk is refused with the reason", async (t) => {
  const { directory } = await newSite(t);
  const file = async (name: string, content: string | Uint8Array) => {
    await writeFile(join(directory, name), content);
    return join(directory, name);
  };
  await assert.rejects(openFileSource(join(directory, "none")), { code: "FILE_MISSING" });
  await assert.rejects(openFileSource(directory), { code: "FILE_KIND" });
  await assert.rejects(openFileSource(await file("empty", "")), { code: "IMAGE_EMPTY" });
  await assert.rejects(openFileSource(await file("cut", Buffer.alloc(1000))), { code: "IMAGE_SIZE" });
  await assert.rejects(openFileSource(await file("disk.qcow2", Buffer.from("514649fb", "hex"))), {
    code: "IMAGE_FORMAT",
  });
  await assert.rejects(openFileSource(await file("disk.gz", Buffer.from("1f8b0800", "hex"))), { code: "IMAGE_FORMAT" });
  const pipe = join(directory, "pipe");
  execFileSync("mkfifo", [pipe]);
  await assert.rejects(openFileSource(pipe), { code: "FILE_KIND" });
});

test("a file that becomes shorter while it is read is noticed", async (t) => {
  const { directory } = await newSite(t);
  const path = join(directory, "golden.raw");
  await writeFile(path, new Uint8Array(1 << 20));
  const source = await openFileSource(path);
  t.after(() => source.close());
  await truncate(path, 1000);
  await assert.rejects(source.read(0, 65536), { code: "SOURCE_CHANGED" });
});
