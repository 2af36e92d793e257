import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Fault } from "../../../fault.ts";
import type { StoreDisk } from "../../../server/store/disk.ts";
import { checkImage } from "../../../server/store/image-check.ts";
import { renameImage } from "../../../server/store/image-rename.ts";
import { setAlias, setNotes } from "../../../server/store/labels.ts";
import { ownMark } from "../../../server/store/process-mark.ts";
import { removeVersions } from "../../../server/store/remove.ts";
import { type ImageStore, openStore, readStore } from "../../../server/store/store.ts";
import { sweepStore } from "../../../server/store/sweep.ts";
import { testKey } from "../../images/test-keys.ts";
import { ageLeftovers, atEveryStep } from "./every-step.ts";
import { addImage } from "./store-image.ts";

// Everything that changes a store, in one evening, with a failure at each of its steps.

const keys = testKey(1);
const siteKey = { ...keys, fingerprint: "", trusted: [keys.publicKey] };
let directory: string;

before(async () => {
  // In memory where there is some: thousands of files are synced here.
  directory = await mkdtemp(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "bootcast-"));
  const store = await openStore(join(directory, "before"), siteKey.trusted);
  await addImage(store, "kiosk", "?ab", siteKey.privateKey);
  await addImage(store, "debian", "a?c", siteKey.privateKey);
});
after(() => rm(directory, { recursive: true }));

/** What the store said that it did: that must hold after a power cut. */
type Promised = { has: Set<string>; gone: Set<string>; alias: string | undefined; error?: unknown };

async function evening(path: string, disk: StoreDisk): Promise<Promised> {
  const promised: Promised = { has: new Set(["kiosk:1"]), gone: new Set(), alias: undefined };
  const steps = async () => {
    const store = await openStore(path, siteKey.trusted, { disk });
    await addImage(store, "debian", "a?d", siteKey.privateKey);
    promised.has.add("debian:2");
    await setAlias(store, "stable", { name: "debian", version: 2 });
    promised.alias = "debian:2";
    await setNotes(store, { name: "debian", version: 2 }, "good");
    await removeVersions(store, [{ name: "debian", version: 1 }]);
    promised.gone.add("debian:1");
    await sweepStore(store, { now: Date.now() + 1000, afterMs: 0 });
    promised.has.delete("debian:2");
    promised.alias = undefined;
    await renameImage(store, siteKey, { name: "debian", versions: [2], newName: "bookworm" });
    promised.has.add("bookworm:1");
    promised.gone.add("debian:2");
    promised.alias = "bookworm:1";
  };
  try {
    await steps();
  } catch (error) {
    Object.assign(promised, { error });
  }
  return promised;
}

/** The images of a store, each checked to its last cell. */
async function imagesOf(store: ImageStore): Promise<string[]> {
  const images: string[] = [];
  const damaged: string[] = [];
  for (const { tag } of await store.listImages(({ name, version }) => damaged.push(`${name}:${version}`))) {
    const { manifest } = await store.readManifest(tag.name, tag.version);
    assert.deepEqual(await checkImage(store, manifest), [], `${tag.name}:${tag.version} is whole`);
    images.push(`${tag.name}:${tag.version}`);
  }
  assert.deepEqual(damaged, []);
  return images;
}

async function checkPromises(store: ImageStore, promised: Promised): Promise<void> {
  const images = await imagesOf(store);
  for (const image of promised.has) assert(images.includes(image), `${image} is there: ${images}`);
  for (const image of promised.gone) assert(!images.includes(image), `${image} is gone: ${images}`);
  assert(
    images.some((image) => image !== "kiosk:1"),
    "debian is there under some name",
  );
  const alias = await store.aliasOf("stable");
  if (promised.alias !== undefined) assert.equal(alias && `${alias.name}:${alias.version}`, promised.alias);
  if (alias !== undefined) assert(images.includes(`${alias.name}:${alias.version}`), "an alias leads to an image");
  const next = await store.reserveVersion("debian");
  await next.release();
  const last = [...promised.has, ...promised.gone].filter((image) => image.startsWith("debian:"));
  for (const image of last) assert(next.version > Number(image.slice(7)), `number ${image} is not given again`);
}

const tried = () => ({ directory, before: join(directory, "before"), evening });

for (const isLost of [true, false]) {
  const how = isLost ? "all that was not synced is lost" : "all that was written is there";
  test(`the power goes at each step, and ${how}: what was promised holds, and it can go on`, async () => {
    const steps = await atEveryStep(tried(), { kind: "power cut" }, async (path, promised, disk) => {
      if (isLost) disk.cutPower();
      await ageLeftovers(path);
      const store = await openStore(path, siteKey.trusted);
      assert.deepEqual(await readdir(join(path, "temp")), [], "nothing is left of what was under way");
      await checkPromises(store, promised);
      await addImage(store, "next", "?xyz", siteKey.privateKey);
      await sweepStore(store, { now: Date.now() + 1000, afterMs: 0 });
      await checkPromises(store, promised);
      await checkOnlyNamed(store);
    });
    assert(steps > 40, `${steps} steps were tried`);
  });
}

for (const code of ["EIO", "ENOSPC"] as const) {
  test(`${code} at each step: the store is valid at once, and a full disk is said in words`, async () => {
    const steps = await atEveryStep(tried(), { kind: "error", code }, async (path, { error, ...promised }, disk) => {
      const store = readStore(path, siteKey.trusted);
      await checkPromises(store, promised);
      if (code === "ENOSPC" && error !== undefined) {
        assert(error instanceof Fault, String(error));
        assert.equal(error.code, "STORE_FULL");
      }
      const left = await readdir(join(path, "temp")).catch(() => []);
      if (!/^unlink/.test(disk.failed!)) assert.deepEqual(left, []);
      // There is room again: the same evening ends well.
      const opened = await openStore(path, siteKey.trusted);
      await addImage(opened, "next", "?xyz", siteKey.privateKey);
      await checkPromises(opened, promised);
    });
    assert(steps > 40, `${steps} steps were tried`);
  });
}

async function checkOnlyNamed(store: ImageStore): Promise<void> {
  const named = new Set<string>();
  for (const { tag } of await store.listImages())
    for (const { digest } of (await store.readManifest(tag.name, tag.version)).manifest.packs) named.add(digest);
  for await (const digest of store.packDigests()) assert(named.has(digest), `${digest} is named by an image`);
}

test("what a killed process was writing goes with the next start, what a running one writes stays", async () => {
  const path = join(directory, "killed");
  await openStore(path, siteKey.trusted);
  const process = spawn("true");
  await once(process, "exit");
  const [place] = (await ownMark()).split("-");
  await writeFile(join(path, "temp", `${place}-${process.pid}-1.a`), "half a pack");
  await writeFile(join(path, "temp", `${await ownMark()}.b`), "half a pack");
  await writeFile(join(path, "temp", "0123456789ab-1-1.c"), "of another machine");
  await openStore(path, siteKey.trusted);
  assert.deepEqual((await readdir(join(path, "temp"))).sort(), ["0123456789ab-1-1.c", `${await ownMark()}.b`].sort());
});
