import assert from "node:assert/strict";
import {
  chmod,
  cp,
  lstat,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { encodeManifest } from "../../../images/manifest-codec.ts";
import { packCellIds } from "../../../images/pack.ts";
import { scan } from "../../../images/scan.ts";
import { realDisk } from "../../../server/store/disk.ts";
import { checkImage } from "../../../server/store/image-check.ts";
import { exportImage } from "../../../server/store/image-export.ts";
import { StoreKeyFile } from "../../../server/store/key-file.ts";
import { removeVersions } from "../../../server/store/remove.ts";
import { changeSeal } from "../../../server/store/seal.ts";
import { readSealState } from "../../../server/store/seal-state.ts";
import { type ImageStore, openStore, readStore } from "../../../server/store/store.ts";
import { sweepStore } from "../../../server/store/sweep.ts";
import { verifyStore } from "../../../server/store/verify.ts";
import { sampleDisk } from "../../images/sample-disk.ts";
import { testKey } from "../../images/test-keys.ts";

const site = testKey(1);
/** Stands in each cell of the disks here. */
const SECRET = "plain words of a person";

type Place = { directory: string; keyFile: StoreKeyFile; open: () => Promise<ImageStore>; plain: ImageStore };

async function place(t: TestContext): Promise<Place> {
  const root = await mkdtemp(join(tmpdir(), "bootcast-"));
  t.after(() => rm(root, { recursive: true }));
  const directory = join(root, "store");
  const keyFile = new StoreKeyFile(join(root, "key", "store.key"), directory);
  const plain = await openStore(directory, [site.publicKey]);
  return { directory, keyFile, plain, open: () => openStore(directory, [site.publicKey], { keys: keyFile }) };
}

async function addImage(store: ImageStore, name: string, cells: string) {
  const { version, release } = await store.reserveVersion(name);
  const disk = sampleDisk(cells);
  for (let at = 0; at < disk.bytes.length; at += 65_536) disk.bytes.set(Buffer.from(SECRET), at);
  try {
    const manifest = await scan(disk, {
      tag: { name, version, builder: "test", createdAtMs: 0, notes: "" },
      codec: "stored",
      onPack: async ({ digest, bytes }) => void (await store.writePack(digest, bytes)),
    });
    await store.writeManifest(encodeManifest(manifest, site.privateKey));
    return { manifest, disk };
  } finally {
    await release();
  }
}

/** What the store says of itself, without who wrote it. */
async function sealOf(directory: string) {
  const { target, former } = await readSealState(directory);
  return { target, former };
}

async function sealedBy(store: ImageStore): Promise<string[]> {
  const forms = new Set<string>();
  for await (const digest of store.packDigests()) forms.add((await store.formOf(digest)) ?? "gone");
  return [...forms].sort();
}

async function filesWithPlainText(directory: string): Promise<string[]> {
  const files = await readdir(directory, { recursive: true, withFileTypes: true });
  const found: string[] = [];
  for (const file of files.filter((entry) => entry.isFile())) {
    const path = join(file.parentPath, file.name);
    if ((await readFile(path)).includes(SECRET)) found.push(path);
  }
  return found;
}

async function firstKey(keyFile: StoreKeyFile): Promise<string> {
  return (await keyFile.keys())[0]!.id;
}

test("a store is sealed, used, sealed with another key and opened again; what it holds stays the same", async (t) => {
  const { directory, keyFile, plain, open } = await place(t);
  const { manifest, disk } = await addImage(plain, "debian", "?".repeat(40));
  assert.notDeepEqual(await filesWithPlainText(directory), [], "the words are found where they are");
  const digests = (await readdir(join(directory, "packs"), { recursive: true })).sort();

  await keyFile.make();
  const id = await firstKey(keyFile);
  const store = await open();
  assert.deepEqual(await changeSeal(store, id), { changedPacks: manifest.packs.length, samePacks: 0, badPacks: [] });
  assert.deepEqual(await sealedBy(store), [id]);
  assert.deepEqual(await filesWithPlainText(directory), []);
  assert.deepEqual((await readdir(join(directory, "packs"), { recursive: true })).sort(), digests, "names stay");
  assert.deepEqual(await checkImage(store, manifest), []);

  const second = await addImage(store, "debian", `${"?".repeat(20)}ab`);
  assert.deepEqual(await sealedBy(store), [id]);
  assert.deepEqual(await filesWithPlainText(directory), []);
  const out = join(directory, "..", "out.raw");
  await exportImage(store, second.manifest, out, { format: "raw" });
  assert.deepEqual(await readFile(out), Buffer.from(second.disk.bytes));

  await keyFile.addKeyAfter((await keyFile.keys())[0]!.id);
  const next = await firstKey(keyFile);
  assert.notEqual(next, id);
  await changeSeal(store, next);
  assert.deepEqual(await sealedBy(store), [next]);
  // A reader that was there all the time finds the new key in the file.
  const { hurt, packs } = await verifyStore(store, { now: 1 });
  assert.deepEqual(hurt, []);
  assert(packs > manifest.packs.length);

  await changeSeal(await open(), "plain");
  assert.deepEqual(await sealOf(directory), { target: "plain", former: [] });
  assert.deepEqual((await readdir(directory)).includes("seal"), false);
  assert.deepEqual(await checkImage(plain, manifest), []);
  await exportImage(plain, manifest, out, { format: "raw", isForced: true });
  assert.deepEqual(await readFile(out), Buffer.from(disk.bytes));
});

test("a new store that is given a key is sealed from its first pack on; without the file nothing begins", async (t) => {
  const { directory, keyFile, open } = await place(t);
  await assert.rejects(open(), { code: "STORE_KEY_MISSING" });
  await keyFile.make();
  const store = await open();
  assert.deepEqual(await sealOf(directory), { target: await firstKey(keyFile), former: [] });
  await addImage(store, "debian", "?ab");
  assert.deepEqual(await filesWithPlainText(directory), []);
});

test("a store with plain packs and a key for it takes nothing in, and can be read", async (t) => {
  const { keyFile, plain, open } = await place(t);
  const { manifest } = await addImage(plain, "debian", "?ab");
  await keyFile.make();
  const store = await open();
  assert.deepEqual(await checkImage(store, manifest), []);
  await store.sealer.require("read");
  await assert.rejects(store.sealer.require("write"), { code: "STORE_NOT_SEALED" });
  await assert.rejects(addImage(store, "debian", "?cd"), { code: "STORE_NOT_SEALED" });
});

test("without the key, or with another one, every reader and writer says so, and nothing is called damaged", async (t) => {
  const { directory, keyFile, open } = await place(t);
  await keyFile.make();
  const { manifest } = await addImage(await open(), "debian", "?ab");
  const digest = manifest.packs[0]!.digest;
  const stranger = new StoreKeyFile(join(directory, "..", "other.key"), directory);
  await stranger.make();
  const absent = new StoreKeyFile(join(directory, "..", "nowhere.key"), directory);
  const cases = [
    { keys: undefined, code: "STORE_KEY_MISSING" },
    { keys: absent, code: "STORE_KEY_MISSING" },
    { keys: stranger, code: "STORE_KEY_WRONG" },
  ];
  for (const { keys, code } of cases) {
    const store = await openStore(directory, [site.publicKey], { keys });
    await assert.rejects(store.sealer.require("read"), { code });
    await assert.rejects(store.readPack(digest), { code });
    await assert.rejects(store.readFront(digest), { code });
    await assert.rejects(store.isSound(digest), { code });
    await assert.rejects(store.writePack(digest, new Uint8Array(100)), { code });
    await assert.rejects(checkImage(store, manifest), { code });
    await assert.rejects(verifyStore(store, { now: 1 }), { code });
    await assert.rejects(exportImage(store, manifest, join(directory, "..", "out.raw"), { format: "raw" }), { code });
    await assert.rejects(changeSeal(store, "plain"), { code });
    // What needs no pack needs no key.
    assert.equal((await store.listImages()).length, 1);
    assert.equal(await store.has(digest), true);
  }
  assert.deepEqual(await sealOf(directory), { target: await firstKey(keyFile), former: [] });
  const reader = readStore(directory, [site.publicKey], { keys: keyFile });
  assert.deepEqual(await checkImage(reader, manifest), []);
});

test("a sealed pack with a flipped bit is found wherever the bit is, and another copy repairs it", async (t) => {
  const { directory, keyFile, open } = await place(t);
  await keyFile.make();
  const store = await open();
  const { manifest } = await addImage(store, "debian", "?ab");
  const copy = `${directory}-copy`;
  await cp(directory, copy, { recursive: true });
  const { digest, storedBytes } = manifest.packs[0]!;
  const path = store.packPath(digest);
  const sealed = await readFile(path);
  assert.equal(sealed.length, storedBytes + 48);
  const from = readStore(copy, [site.publicKey], { keys: keyFile });
  // Of the magic, the version, the key's id, the front, the body and the tag.
  for (const at of [0, 9, 12, 16, 31, 32, 80, sealed.length >> 1, sealed.length - 1]) {
    const flipped = Buffer.from(sealed);
    flipped[at]! ^= 0x10;
    await writeFile(path, flipped);
    const { hurt } = await verifyStore(store, { now: 1 });
    assert.deepEqual(
      hurt.map(({ fault, images }) => [fault.code, images]),
      [["PACK_DAMAGED", ["debian:1"]]],
      `byte ${at}`,
    );
    assert.equal(await store.isSound(digest), false);
  }
  await truncate(path, 20);
  assert.equal((await verifyStore(store, { now: 1 })).hurt[0]?.fault.code, "PACK_DAMAGED");
  const repaired = await verifyStore(store, { now: 2, from });
  assert.deepEqual(
    repaired.hurt.map(({ isRepaired }) => isRepaired),
    [true],
  );
  assert.deepEqual(await readFile(path), sealed, "the same pack is sealed to the same bytes");
});

test("a pack swapped with another one of the store is found", async (t) => {
  const { keyFile, open } = await place(t);
  await keyFile.make();
  const store = await open();
  const { manifest } = await addImage(store, "debian", "?".repeat(20));
  const [one, two] = manifest.packs;
  await cp(store.packPath(two!.digest), store.packPath(one!.digest));
  await assert.rejects(store.readPack(one!.digest), { code: "PACK_DAMAGED" });
});

test("the front of a sealed pack has its cells, and the length is that of the pack", async (t) => {
  const { keyFile, open } = await place(t);
  await keyFile.make();
  const store = await open();
  const { manifest } = await addImage(store, "debian", "?ab");
  const { digest, storedBytes, cellIds } = manifest.packs[0]!;
  const found = await store.readFront(digest);
  assert.equal(found?.sizeBytes, storedBytes);
  assert.deepEqual(Buffer.from(packCellIds(found!.front)), Buffer.from(cellIds));
});

test("sealing keeps when a pack was last used, so that what nobody needs goes when its day has gone by", async (t) => {
  const { keyFile, plain, open } = await place(t);
  await addImage(plain, "gone", "?".repeat(20));
  const then = Date.now() - 30 * 3_600_000;
  for await (const digest of plain.packDigests()) await utimes(plain.packPath(digest), then / 1000, then / 1000);
  await keyFile.make();
  const store = await open();
  await changeSeal(store, await firstKey(keyFile));
  await removeVersions(store, [{ name: "gone", version: 1 }]);
  const { removedPacks, keptPacks } = await sweepStore(store, { now: Date.now() });
  assert.deepEqual([removedPacks > 0, keptPacks], [true, 0]);
});

test("a damaged pack is not sealed and not lost: the change stays open until it is repaired", async (t) => {
  const { directory, keyFile, plain, open } = await place(t);
  const { manifest } = await addImage(plain, "debian", "?".repeat(40));
  const copy = `${directory}-copy`;
  await cp(directory, copy, { recursive: true });
  const { digest } = manifest.packs[1]!;
  await truncate(plain.packPath(digest), 1000);
  await keyFile.make();
  const id = await firstKey(keyFile);
  const store = await open();
  const first = await changeSeal(store, id);
  assert.deepEqual(
    [first.changedPacks, first.badPacks.map((bad) => bad.digest)],
    [manifest.packs.length - 1, [digest]],
  );
  assert.equal((await stat(store.packPath(digest))).size, 1000);
  assert.deepEqual(await sealOf(directory), { target: id, former: ["plain"] });
  await verifyStore(store, { now: 1, from: readStore(copy, [site.publicKey]) });
  assert.deepEqual(await sealedBy(store), [id], "what is repaired is sealed at once");
  assert.deepEqual(await changeSeal(store, id), { changedPacks: 0, samePacks: manifest.packs.length, badPacks: [] });
  assert.deepEqual(await sealOf(directory), { target: id, former: [] });
});

test("sealing is stopped anywhere: both forms are read, new packs are sealed, and it goes on, or back", async (t) => {
  const { directory, keyFile, plain, open } = await place(t);
  const { manifest } = await addImage(plain, "debian", "?".repeat(300));
  await keyFile.make();
  const id = await firstKey(keyFile);
  const store = await open();
  const stop = new AbortController();
  const onProgress = (done: number) => done === 3 && stop.abort(new Error("stopped"));
  await assert.rejects(changeSeal(store, id, { signal: stop.signal, onProgress }), { message: "stopped" });
  assert.deepEqual(await sealedBy(store), [id, "plain"].sort());
  assert.deepEqual(await checkImage(store, manifest), []);
  const { manifest: more } = await addImage(store, "more", "?xyz");
  assert.equal(await store.formOf(more.packs[0]!.digest), id);
  const { hurt, otherwiseSealed } = await verifyStore(store, { now: 1 });
  assert.deepEqual([hurt, otherwiseSealed > 0], [[], true]);
  // A plain pack is used as it is, and sealed when it is written.
  const left = await firstOf(store, "plain");
  assert.equal(await store.isSound(left), true);
  assert.equal(await store.writePack(left, await store.readPack(left)), true);
  assert.equal(await store.formOf(left), id);
  // Back again, and on from there with a third wish.
  await changeSeal(store, "plain");
  assert.deepEqual(await sealedBy(plain), ["plain"]);
  assert.deepEqual(await checkImage(plain, manifest), []);
  await changeSeal(store, id);
  assert.deepEqual(await sealedBy(store), [id]);
  assert.equal((await verifyStore(store, { now: 1 })).otherwiseSealed, 0);
  assert.deepEqual(await sealOf(directory), { target: id, former: [] });
});

async function firstOf(store: ImageStore, form: string): Promise<string> {
  for await (const digest of store.packDigests()) if ((await store.formOf(digest)) === form) return digest;
  throw new Error(`no pack is ${form}`);
}

test("a pack that was being written while another key came is sealed with that one", async (t) => {
  const { directory, keyFile, open } = await place(t);
  await keyFile.make();
  const store = await open();
  const { manifest } = await addImage(store, "debian", "?ab");
  const { digest } = manifest.packs[0]!;
  const bytes = await store.readPack(digest);
  await rm(store.packPath(digest));
  await keyFile.addKeyAfter((await keyFile.keys())[0]!.id);
  const next = await firstKey(keyFile);
  let isBegun = false;
  // The writer has its pack on the disk, and gives it the name only when all others are changed.
  const rename = async (from: string, to: string) => {
    if (!isBegun) {
      isBegun = true;
      await changeSeal(store, next);
    }
    await realDisk.rename(from, to);
  };
  const writer = await openStore(directory, [site.publicKey], { keys: keyFile, disk: { ...realDisk, rename } });
  assert.equal(await writer.writePack(digest, bytes), true);
  assert.deepEqual(await sealedBy(store), [next]);
});

for (const isSame of [true, false]) {
  const what = isSame ? "the same" : "different things";
  test(`of two that want ${what} at once the later one does it, and the other one stops`, async (t) => {
    const { directory, keyFile, plain, open } = await place(t);
    await addImage(plain, "debian", "?".repeat(100));
    await keyFile.make();
    const id = await firstKey(keyFile);
    const store = await open();
    const other = await open();
    let second: Promise<unknown> | undefined;
    const first = changeSeal(store, id, {
      onProgress: () => {
        second ??= changeSeal(other, isSame ? id : "plain");
      },
    });
    await assert.rejects(first, { code: "SEAL_REPLACED" });
    await second;
    assert.deepEqual(await sealedBy(plain), [isSame ? id : "plain"]);
    assert.deepEqual(await sealOf(directory), { target: isSame ? id : "plain", former: [] });
  });
}

test("the key file: made once for its owner alone, refused in the store and when others may read it", async (t) => {
  const { directory, keyFile } = await place(t);
  assert.deepEqual(await keyFile.keys(), []);
  await keyFile.make();
  assert.equal((await stat(keyFile.path)).mode & 0o777, 0o600);
  const before = await keyFile.keys();
  await keyFile.make();
  assert.deepEqual(
    (await keyFile.keys()).map(({ id }) => id),
    before.map(({ id }) => id),
  );
  await keyFile.addKeyAfter((await keyFile.keys())[0]!.id);
  assert.equal((await stat(keyFile.path)).mode & 0o777, 0o600);
  assert.deepEqual(
    (await keyFile.keys()).slice(1).map(({ id }) => id),
    [before[0]!.id],
  );
  assert.deepEqual((await readdir(join(keyFile.path, ".."))).sort(), ["store.key", "store.key.lock"]);
  await chmod(keyFile.path, 0o640);
  await assert.rejects(keyFile.keys(), { code: "KEY_EXPOSED" });
  await chmod(keyFile.path, 0o600);
  const text = await readFile(keyFile.path, "utf8");
  for (const bad of [
    "",
    "# nothing\n",
    "secret\n",
    text.replace("=", ""),
    text.replaceAll("store-key-1", "store-key-2"),
  ]) {
    await writeFile(keyFile.path, bad);
    await assert.rejects(keyFile.keys(), { code: "STORE_KEY_INVALID" }, bad);
  }
  assert.throws(() => new StoreKeyFile(join(directory, "store.key"), directory), { code: "STORE_KEY_PLACE" });
  assert.doesNotThrow(() => new StoreKeyFile(`${directory}.key`, directory));
  await symlink(directory, `${directory}-link`);
  const led = new StoreKeyFile(join(`${directory}-link`, "store.key"), directory);
  await assert.rejects(led.make(), { code: "STORE_KEY_PLACE" });
});

test("of two who change the key at the same time one makes it, and neither loses the other's", async (t) => {
  const { directory, keyFile } = await place(t);
  await keyFile.make();
  const id = await firstKey(keyFile);
  const others = [1, 2, 3, 4].map(() => new StoreKeyFile(keyFile.path, directory));
  const made = await Promise.all(others.map((other) => other.addKeyAfter(id)));
  const after = (await keyFile.keys()).map((key) => key.id);
  assert.equal(after.length, 2);
  assert.deepEqual([...new Set(made.map((key) => key.id)), id], after);
});

test("a key file that is a link stays one: the new key is where the file is, and nowhere else", async (t) => {
  const { directory, keyFile } = await place(t);
  await keyFile.make();
  const folder = await mkdtemp(join(tmpdir(), "bootcast-key-link-"));
  t.after(() => rm(folder, { recursive: true }));
  await symlink(keyFile.path, join(folder, "link.key"));
  const linked = new StoreKeyFile(join(folder, "link.key"), directory);
  const added = await linked.addKeyAfter(await firstKey(keyFile));
  assert.deepEqual(await readdir(folder), ["link.key"]);
  assert.ok((await lstat(join(folder, "link.key"))).isSymbolicLink());
  assert.equal(await firstKey(keyFile), added.id);
});

test("a file that does not say how the store is sealed stops writers, and is written anew by sealing", async (t) => {
  const { directory, keyFile, open } = await place(t);
  await keyFile.make();
  const store = await open();
  const { manifest } = await addImage(store, "debian", "?ab");
  const path = join(directory, "seal");
  const text = await readFile(path, "utf8");
  for (let cut = 0; cut < text.length; cut += 1) {
    await writeFile(path, text.slice(0, cut));
    await assert.rejects(readSealState(directory), { code: "STORE_SEAL_INVALID" });
  }
  await assert.rejects(addImage(store, "debian", "?cd"), { code: "STORE_SEAL_INVALID" });
  await rm(path);
  assert.deepEqual(await checkImage(store, manifest), [], "packs say themselves what they are sealed with");
  await changeSeal(store, await firstKey(keyFile));
  assert.deepEqual(await sealOf(directory), { target: await firstKey(keyFile), former: [] });
});

test("a pack is read into memory that is there, plain or sealed; one that was cut off, or is gone, is told", async (t) => {
  const { directory, keyFile, plain, open } = await place(t);
  const { manifest } = await addImage(plain, "debian", "?".repeat(40));
  const pack = manifest.packs[0]!;
  const wanted = await plain.readPack(pack.digest);
  const target = Buffer.alloc(pack.storedBytes);
  await plain.readInto(pack, 0, target);
  assert.deepEqual(target, Buffer.from(wanted));

  await keyFile.make();
  const store = await open();
  await changeSeal(store, await firstKey(keyFile));
  target.fill(0);
  await store.readInto(pack, 0, target);
  assert.deepEqual(target, Buffer.from(wanted));
  await assert.rejects(plain.readInto(pack, 0, target), { code: "STORE_KEY_MISSING" });

  await changeSeal(store, "plain");
  const path = join(directory, "packs", pack.digest.slice(0, 2), `${pack.digest}.pack`);
  await writeFile(path, wanted.subarray(0, -1));
  await assert.rejects(plain.readInto(pack, 0, target), { code: "PACK_LENGTH", what: /has \d+ bytes instead of \d+/ });
  await rm(path);
  await assert.rejects(plain.readInto(pack, 0, target), { code: "PACK_MISSING" });
});
