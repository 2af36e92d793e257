import assert from "node:assert/strict";
import { cp, readdir, readFile, rm, truncate, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { packCellIds } from "../../../images/pack.ts";
import { checkImage } from "../../../server/store/image-check.ts";
import { exportImage } from "../../../server/store/image-export.ts";
import { StoreKeyFile } from "../../../server/store/key-file.ts";
import { removeVersions } from "../../../server/store/remove.ts";
import { changeSeal } from "../../../server/store/seal.ts";
import { openStore, readStore } from "../../../server/store/store.ts";
import { sweepStore } from "../../../server/store/sweep.ts";
import { verifyStore } from "../../../server/store/verify.ts";
import { addImage, filesWithPlainText, firstKey, place, sealedBy, sealOf, site } from "./sealed-place.ts";

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
