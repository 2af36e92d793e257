import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { encodeManifest } from "../../../images/manifest-codec.ts";
import { encodePack } from "../../../images/pack.ts";
import { scan } from "../../../images/scan.ts";
import { type ImageStore, openStore } from "../../../server/store/store.ts";
import { sampleDisk } from "../../images/sample-disk.ts";
import { testKey } from "../../images/test-keys.ts";

const site = testKey(1);

async function newStore(t: TestContext): Promise<ImageStore> {
  const directory = await mkdtemp(join(tmpdir(), "bootcast-"));
  t.after(() => rm(directory, { recursive: true }));
  return openStore(directory, [site.publicKey]);
}

async function addImage(store: ImageStore, name: string, version: number, cells: string) {
  const manifest = await scan(sampleDisk(cells), {
    tag: { name, version, builder: "test", createdAtMs: 0, notes: "" },
    codec: "zstd",
    onPack: async ({ digest, bytes }) => void (await store.writePack(digest, bytes)),
  });
  await store.writeManifest(encodeManifest(manifest, site.privateKey));
  return manifest;
}

test("a pack comes back under its digest and lies where it is documented", async (t) => {
  const store = await newStore(t);
  const { digest, bytes } = await encodePack([new Uint8Array(100).fill(1)], "zstd");
  assert.equal(await store.has(digest), false);
  await assert.rejects(store.readPack(digest), { code: "PACK_MISSING" });
  assert.equal(await store.writePack(digest, bytes), true);
  assert.equal(await store.has(digest), true);
  assert.deepEqual(Buffer.from(await store.readPack(digest)), Buffer.from(bytes));
  assert.deepEqual(
    Buffer.from(await readFile(join(store.directory, "packs", digest.slice(0, 2), `${digest}.pack`))),
    Buffer.from(bytes),
  );
  assert.equal(await store.writePack(digest, bytes), false);
});

test("a damaged pack is written anew", async (t) => {
  const store = await newStore(t);
  const { digest, bytes } = await encodePack([new Uint8Array(100).fill(1)], "zstd");
  await store.writePack(digest, bytes);
  await writeFile(store.packPath(digest), "");
  assert.equal(await store.writePack(digest, bytes), true);
  assert.deepEqual(Buffer.from(await store.readPack(digest)), Buffer.from(bytes));
});

test("a digest that is none never becomes a path", async (t) => {
  const store = await newStore(t);
  for (const digest of ["", "../../etc/passwd", "A".repeat(64), `${"a".repeat(64)}/`])
    await assert.rejects(store.readPack(digest), RangeError);
});

test("a damaged manifest is told, and hides no other image", async (t) => {
  const store = await newStore(t);
  for (const version of [1, 2, 3, 4]) await addImage(store, "debian", version, "a?");
  await addImage(store, "kiosk", 1, "ab");
  const path = (version: number) => join(store.directory, "manifests", "debian", `${version}.manifest`);
  await truncate(path(1), 20);
  await truncate(path(2), 0);
  await rm(path(3));
  await mkdir(path(3));
  const damaged: string[] = [];
  const listed = await store.listImages(({ name, version, fault }) => damaged.push(`${name}:${version} ${fault.code}`));
  assert.deepEqual(
    listed.map(({ tag }) => `${tag.name}:${tag.version}`),
    ["debian:4", "kiosk:1"],
  );
  assert.deepEqual(damaged, [
    "debian:1 MANIFEST_TRUNCATED",
    "debian:2 MANIFEST_UNKNOWN",
    "debian:3 MANIFEST_UNREADABLE",
  ]);
});

test("images are listed by name and version, and read by name, newest first", async (t) => {
  const store = await newStore(t);
  assert.deepEqual(await store.listImages(), []);
  await addImage(store, "kiosk", 1, "ab");
  for (const version of [1, 2, 10]) await addImage(store, "debian", version, "a?");
  const listed = (await store.listImages()).map(({ tag }) => `${tag.name}:${tag.version}`);
  assert.deepEqual(listed, ["debian:1", "debian:2", "debian:10", "kiosk:1"]);
  assert.equal((await store.readManifest("debian")).manifest.tag.version, 10);
  assert.equal((await store.readManifest("debian", 2)).manifest.tag.version, 2);
  await assert.rejects(store.readManifest("debian", 3), { code: "IMAGE_MISSING" });
  await assert.rejects(store.readManifest("windows"), { code: "IMAGE_MISSING" });
  await assert.rejects(store.readManifest("../keys"), { code: "IMAGE_NAME" });
});

test("a version never changes", async (t) => {
  const store = await newStore(t);
  const first = await addImage(store, "debian", 1, "ab");
  await assert.rejects(addImage(store, "debian", 1, "ba"), { code: "IMAGE_EXISTS" });
  assert.deepEqual(Buffer.from((await store.readManifest("debian")).manifest.root), Buffer.from(first.root));
});

test("a manifest of another key is neither written nor read", async (t) => {
  const store = await newStore(t);
  const manifest = await addImage(store, "debian", 1, "ab");
  const foreign = encodeManifest({ ...manifest, tag: { ...manifest.tag, version: 2 } }, testKey(2).privateKey);
  await assert.rejects(store.writeManifest(foreign), { code: "MANIFEST_UNTRUSTED" });
  await writeFile(join(store.directory, "manifests/debian/2.manifest"), foreign);
  await assert.rejects(store.readManifest("debian"), { code: "MANIFEST_UNTRUSTED" });
});

test("nothing temporary is left, and leftovers of a crash go with the next start", async (t) => {
  const store = await newStore(t);
  await addImage(store, "debian", 1, "ab");
  const temporary = join(store.directory, "temp");
  assert.deepEqual(await readdir(temporary), []);
  await writeFile(join(temporary, "old"), "half a pack");
  await writeFile(join(temporary, "new"), "being written by another process");
  const twoHoursAgo = Date.now() / 1000 - 7200;
  await utimes(join(temporary, "old"), twoHoursAgo, twoHoursAgo);
  await openStore(store.directory, [site.publicKey]);
  assert.deepEqual(await readdir(temporary), ["new"]);
});

test("an import that crashed before its manifest leaves no image, and its packs are used", async (t) => {
  const store = await newStore(t);
  const crashing = scan(sampleDisk(`${"?".repeat(40)}`), {
    tag: { name: "debian", version: 1, builder: "test", createdAtMs: 0, notes: "" },
    codec: "zstd",
    onPack: async ({ digest, bytes }) => {
      await store.writePack(digest, bytes);
      throw new Error("power cut");
    },
  });
  await assert.rejects(crashing, { message: "power cut" });
  assert.deepEqual(await store.listImages(), []);
  await addImage(store, "debian", 1, "?".repeat(40));
  assert.deepEqual(await store.versions("debian"), [1]);
});

test("two processes do not make versions of one image at the same time", async (t) => {
  const store = await newStore(t);
  const first = await store.reserveVersion("debian");
  assert.equal(first.version, 1);
  await assert.rejects(store.reserveVersion("debian"), { code: "IMAGE_BUSY" });
  await (await store.reserveVersion("kiosk")).release();
  await first.release();
  await (await store.reserveVersion("debian")).release();
});

test("the lock of a process that is gone is taken over", async (t) => {
  const store = await newStore(t);
  const process = spawn("true");
  await once(process, "exit");
  await mkdir(join(store.directory, "locks"));
  for (const text of [`${process.pid} 12345`, `${globalThis.process.pid} 1`, "", "nonsense"]) {
    await writeFile(join(store.directory, "locks/debian.lock"), text);
    const { version, release } = await store.reserveVersion("debian");
    assert.equal(version, 1);
    await release();
  }
});
