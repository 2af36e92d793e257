import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, readdir, rm, truncate, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { encodeManifest } from "../../../images/manifest-codec.ts";
import { scan } from "../../../images/scan.ts";
import { realDisk } from "../../../server/store/disk.ts";
import { guardStore } from "../../../server/store/guard.ts";
import { checkImage } from "../../../server/store/image-check.ts";
import { renameImage } from "../../../server/store/image-rename.ts";
import { listAliases, readVerified, removeAlias, setAlias, setNotes } from "../../../server/store/labels.ts";
import { removeVersions } from "../../../server/store/remove.ts";
import { type ImageStore, openStore, readStore } from "../../../server/store/store.ts";
import { SWEEP_AFTER_MS, sweepStore } from "../../../server/store/sweep.ts";
import { storeUsage } from "../../../server/store/usage.ts";
import { verifyStore } from "../../../server/store/verify.ts";
import type { MemoryDisk } from "../../images/memory.ts";
import { sampleDisk } from "../../images/sample-disk.ts";
import { testKey } from "../../images/test-keys.ts";

const keys = testKey(1);
const siteKey = { ...keys, fingerprint: "", trusted: [keys.publicKey] };

async function newStore(t: TestContext): Promise<ImageStore> {
  const directory = await mkdtemp(join(tmpdir(), "bootcast-"));
  t.after(() => rm(directory, { recursive: true }));
  return openStore(join(directory, "store"), siteKey.trusted);
}

async function addImage(store: ImageStore, name: string, disk: MemoryDisk | string) {
  const { version, release } = await store.reserveVersion(name);
  try {
    const manifest = await scan(typeof disk === "string" ? sampleDisk(disk) : disk, {
      tag: { name, version, builder: "test", createdAtMs: 0, notes: "first" },
      codec: "stored",
      onPack: async ({ digest, bytes }) => void (await store.writePack(digest, bytes)),
    });
    return await store.writeManifest(encodeManifest(manifest, siteKey.privateKey));
  } finally {
    await release();
  }
}

/** As if a day had gone by since any pack was used. */
async function dayLater(store: ImageStore): Promise<void> {
  const then = (Date.now() - SWEEP_AFTER_MS) / 1000 - 60;
  for await (const digest of store.packDigests()) await utimes(store.packPath(digest), then, then);
}

async function digestsOf(store: ImageStore): Promise<string[]> {
  const digests: string[] = [];
  for await (const digest of store.packDigests()) digests.push(digest);
  return digests.sort();
}

test("a removed version frees the packs that no other image needs, and its number is not given again", async (t) => {
  const store = await newStore(t);
  const first = await addImage(store, "debian", "?".repeat(40));
  const second = await addImage(store, "debian", `${"?".repeat(20)}${"a".repeat(20)}`);
  const usage = await storeUsage(store);
  // The first MiB, and the cell of the partition table.
  assert.equal(usage.images[0]!.sharedBytes, first.packs[0]!.storedBytes + first.packs.at(-1)!.storedBytes);
  const both = new Set([...first.packs, ...second.packs].map(({ digest }) => digest));
  assert.deepEqual(await digestsOf(store), [...both].sort());
  await removeVersions(store, [{ name: "debian", version: 2 }]);
  const young = await sweepStore(store, { now: Date.now() });
  assert.deepEqual([young.removedPacks, young.keptPacks], [0, both.size - first.packs.length]);
  await dayLater(store);
  const swept = await sweepStore(store, { now: Date.now() });
  assert.deepEqual([swept.removedPacks, swept.keptPacks], [both.size - first.packs.length, 0]);
  assert.deepEqual(await digestsOf(store), first.packs.map(({ digest }) => digest).sort());
  assert.deepEqual(await checkImage(store, first), []);
  assert.equal((await addImage(store, "debian", "ab")).tag.version, 3);
  await removeVersions(
    store,
    [1, 3].map((version) => ({ name: "debian", version })),
  );
  assert.equal((await addImage(store, "debian", "ab")).tag.version, 4);
  await assert.rejects(removeVersions(store, [{ name: "debian", version: 1 }]), { code: "IMAGE_MISSING" });
});

test("packs that somebody counts on stay: a capture asks for them, an import publishes while they go", async (t) => {
  const store = await newStore(t);
  const { packs } = await addImage(store, "debian", "?".repeat(40));
  await removeVersions(store, [{ name: "debian", version: 1 }]);
  await dayLater(store);
  assert.equal(await store.isSound(packs[1]!.digest), true);
  const swept = await sweepStore(store, { now: Date.now() });
  assert.deepEqual([swept.removedPacks, swept.keptPacks], [packs.length - 1, 1]);

  const slow = await scan(sampleDisk("ab"), {
    tag: { name: "slow", version: 1, builder: "test", createdAtMs: 0, notes: "" },
    codec: "zstd",
    onPack: async ({ digest, bytes }) => void (await store.writePack(digest, bytes)),
  });
  await sweepStore(store, { now: Date.now() + 1000, afterMs: 0 });
  const bytes = encodeManifest(slow, siteKey.privateKey);
  await assert.rejects(store.writeManifest(bytes), { code: "PACKS_GONE" });
  assert.deepEqual(await store.listImages(), []);
});

test("a pack that another user wrote is used, though it cannot be marked", async (t) => {
  const store = await newStore(t);
  const { packs } = await addImage(store, "debian", "ab");
  const touch = () => Promise.reject(Object.assign(new Error("not the owner"), { code: "EPERM" }));
  const other = await openStore(store.directory, siteKey.trusted, { disk: { ...realDisk, touch } });
  assert.equal(await other.isSound(packs[0]!.digest), true);
});

test("sweeping is stopped anywhere and goes on; a manifest that cannot be read keeps every pack", async (t) => {
  const store = await newStore(t);
  const keep = await addImage(store, "keep", "?".repeat(20));
  await addImage(store, "gone", `a${"?".repeat(100)}`);
  const packs = await digestsOf(store);
  await removeVersions(store, [{ name: "gone", version: 1 }]);
  const late = { now: Date.now() + 1000, afterMs: 0 };
  for (let left = packs.length - 1; left > keep.packs.length; left -= 1) {
    const stop = new AbortController();
    const unlink = async (path: string) => {
      await realDisk.unlink(path);
      stop.abort(new Error("stopped"));
    };
    const stopping = await openStore(store.directory, siteKey.trusted, { disk: { ...realDisk, unlink } });
    await assert.rejects(sweepStore(stopping, { ...late, signal: stop.signal }), { message: "stopped" });
    assert.equal((await digestsOf(store)).length, left);
    assert.deepEqual(await checkImage(store, keep), []);
  }
  const manifest = store.manifestPath("keep", 1);
  await cp(manifest, `${manifest}.saved`);
  await truncate(manifest, 50);
  const before = await digestsOf(store);
  await assert.rejects(sweepStore(store, late), { code: "STORE_UNSURE" });
  assert.deepEqual(await digestsOf(store), before);
  await cp(`${manifest}.saved`, manifest);
  await sweepStore(store, late);
  assert.deepEqual(await digestsOf(store), keep.packs.map(({ digest }) => digest).sort());
});

test("an alias stands for a version wherever an image is named, and holds it", async (t) => {
  const store = await newStore(t);
  await addImage(store, "debian", "ab");
  await addImage(store, "debian", "ac");
  await setAlias(store, "stable", { name: "debian", version: 1 });
  assert.deepEqual((await store.readManifest("stable")).manifest.tag.version, 1);
  await assert.rejects(store.readManifest("stable", 1), { code: "IMAGE_MISSING" });
  await assert.rejects(store.reserveVersion("stable"), { code: "IMAGE_NAME" });
  await assert.rejects(setAlias(store, "debian", { name: "debian", version: 1 }), { code: "IMAGE_NAME" });
  await assert.rejects(setAlias(store, "old", { name: "debian", version: 9 }), { code: "IMAGE_MISSING" });
  await assert.rejects(setAlias(store, "../lock", { name: "debian", version: 1 }), { code: "IMAGE_NAME" });
  await assert.rejects(removeVersions(store, [{ name: "debian", version: 1 }]), { code: "IMAGE_ALIASED" });
  await setAlias(store, "stable", { name: "debian", version: 2 });
  await setNotes(store, { name: "debian", version: 2 }, "for the exam");
  const [{ from, to }] = (await renameImage(store, siteKey, { name: "debian", versions: [2], newName: "exam" })) as [
    { from: string; to: string },
  ];
  assert.deepEqual([from, to], ["debian:2", "exam:1"]);
  assert.deepEqual(await listAliases(store), [{ alias: "stable", name: "exam", version: 1 }]);
  const usage = await storeUsage(store);
  assert.deepEqual(
    usage.images.map(({ tag, aliases }) => [tag.name, tag.version, tag.notes, aliases]),
    [
      ["debian", 1, "first", []],
      ["exam", 1, "for the exam", ["stable"]],
    ],
  );
  await removeAlias(store, "stable");
  await assert.rejects(removeAlias(store, "stable"), { code: "ALIAS_MISSING" });
  await assert.rejects(store.readManifest("stable"), { code: "IMAGE_MISSING" });
});

test("verifying the store says which images a bad pack hurts; another copy repairs packs and manifests", async (t) => {
  const store = await newStore(t);
  const first = await addImage(store, "debian", "?".repeat(40));
  await addImage(store, "debian", `${"?".repeat(20)}${"a".repeat(20)}`);
  await addImage(store, "kiosk", "ab");
  const copy = `${store.directory}-copy`;
  await cp(store.directory, copy, { recursive: true });
  const sound = await verifyStore(store, { now: 5 });
  assert.deepEqual([sound.hurt, sound.images.length, sound.packs], [[], 3, (await digestsOf(store)).length]);
  assert.deepEqual(await readVerified(store, { name: "kiosk", version: 1 }), { atMs: 5, badPacks: 0 });

  const shared = first.packs[0]!.digest;
  const own = first.packs[2]!.digest;
  await truncate(store.packPath(shared), 100);
  await rm(store.packPath(own));
  await truncate(store.manifestPath("kiosk", 1), 50);
  const from = readStore(copy, siteKey.trusted);
  await truncate(from.packPath(own), 10);
  const bad = await verifyStore(store, { now: 6 });
  assert.deepEqual(
    bad.hurt.map(({ digest, images, fault }) => [digest, images, fault.code]),
    [
      [shared, ["debian:1", "debian:2"], "PACK_DAMAGED"],
      [own, ["debian:1"], "PACK_MISSING"],
    ],
  );
  assert.deepEqual(
    bad.images.map(({ badPacks, fault }) => [badPacks, fault?.code]),
    [
      [2, undefined],
      [1, undefined],
      [0, "MANIFEST_TRUNCATED"],
    ],
  );
  const repaired = await verifyStore(store, { now: 7, from });
  assert.deepEqual(
    repaired.hurt.map(({ isRepaired }) => isRepaired),
    [true, false],
  );
  assert.equal(repaired.images[2]!.isManifestRepaired, true);
  await rm(copy, { recursive: true });
  assert.deepEqual(
    (await storeUsage(store)).images.map(({ verified }) => verified?.badPacks),
    [1, 0, 0],
  );
});

test("one process changes the store at a time, readers never wait, and a killed one holds nothing", async (t) => {
  const store = await newStore(t);
  const { packs } = await addImage(store, "debian", "ab");
  const guard = join(import.meta.dirname, "../../../server/store/guard.ts");
  const text = `
    import { guardStore } from ${JSON.stringify(guard)};
    const held = await guardStore(${JSON.stringify(store.directory)});
    console.log("held");
    setInterval(() => held, 1000);
  `;
  const holder = spawn(process.execPath, ["--input-type=module", "-e", text], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => holder.kill("SIGKILL"));
  await once(holder.stdout, "data");
  await assert.rejects(guardStore(store.directory, 100), { code: "STORE_BUSY" });
  const reader = readStore(store.directory, siteKey.trusted);
  assert.equal((await reader.readManifest("debian")).manifest.tag.version, 1);
  assert.equal((await storeUsage(reader)).images.length, 1);
  assert.equal((await reader.readPack(packs[0]!.digest)).length, packs[0]!.storedBytes);
  const waiting = setNotes(store, { name: "debian", version: 1 }, "later");
  holder.kill("SIGKILL");
  await once(holder, "exit");
  await waiting;
  assert.equal((await storeUsage(reader)).images[0]!.tag.notes, "later");
  using _ = await guardStore(store.directory, 100);
  await assert.rejects(guardStore(store.directory, 50), { code: "STORE_BUSY" }, "in one process, too");
});

test("a disk that is full: said in words, nothing lost, and with room it goes on", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "bootcast-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=3m", "bootcast-test", directory], { stdio: "pipe" });
  } catch (error) {
    await rm(directory, { recursive: true });
    return t.skip(`no file system can be mounted here: ${(error as Error).message.split("\n")[1] ?? ""}`);
  }
  try {
    const store = await openStore(directory, siteKey.trusted);
    const kept = await addImage(store, "kept", "?".repeat(16));
    await assert.rejects(addImage(store, "large", `a${"?".repeat(80)}`), { code: "STORE_FULL" });
    assert.deepEqual(await readdir(join(directory, "temp")), []);
    assert.deepEqual(await checkImage(store, kept), []);
    assert.deepEqual((await store.listImages()).length, 1);
    execFileSync("mount", ["-o", "remount,size=16m", directory], { stdio: "pipe" });
    const large = await addImage(store, "large", `a${"?".repeat(80)}`);
    assert.deepEqual(await checkImage(store, large), []);
    assert.equal(large.tag.version, 1);
  } finally {
    execFileSync("umount", [directory], { stdio: "pipe" });
    await rm(directory, { recursive: true });
  }
});
