import assert from "node:assert/strict";
import { chmod, cp, lstat, mkdtemp, readdir, readFile, rm, stat, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { realDisk } from "../../../server/store/disk.ts";
import { checkImage } from "../../../server/store/image-check.ts";
import { StoreKeyFile } from "../../../server/store/key-file.ts";
import { changeSeal } from "../../../server/store/seal.ts";
import { readSealState } from "../../../server/store/seal-state.ts";
import { type ImageStore, openStore, readStore } from "../../../server/store/store.ts";
import { verifyStore } from "../../../server/store/verify.ts";
import { addImage, firstKey, place, sealedBy, sealOf, site } from "./sealed-place.ts";

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
