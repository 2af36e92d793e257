import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Fault } from "../../../fault.ts";
import type { StoreDisk } from "../../../server/store/disk.ts";
import { checkImage } from "../../../server/store/image-check.ts";
import { StoreKeyFile } from "../../../server/store/key-file.ts";
import { changeSeal } from "../../../server/store/seal.ts";
import { readSealState } from "../../../server/store/seal-state.ts";
import { type ImageStore, openStore } from "../../../server/store/store.ts";
import { testKey } from "../../images/test-keys.ts";
import { ageLeftovers, atEveryStep } from "./every-step.ts";
import { addImage } from "./store-image.ts";

// A store is sealed, gets an image and another key, and is opened again, with a failure at each step of it.

const site = testKey(1);
let directory: string;
let keys: StoreKeyFile;
/** The ids of the first key and of the one after it. */
let first: string;
let second: string;

before(async () => {
  directory = await mkdtemp(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "bootcast-"));
  keys = new StoreKeyFile(join(directory, "store.key"), join(directory, "before"));
  await keys.make();
  await keys.addKeyAfter((await keys.keys())[0]!.id);
  [second, first] = (await keys.keys()).map(({ id }) => id) as [string, string];
  const store = await openStore(join(directory, "before"), [site.publicKey]);
  await addImage(store, "kiosk", "?ab", site.privateKey);
});
after(() => rm(directory, { recursive: true }));

/** What held before the step that failed. */
type Promised = { images: number; doneForm: string; nextForm: string; error?: unknown };

async function evening(path: string, disk: StoreDisk): Promise<Promised> {
  const promised: Promised = { images: 1, doneForm: "plain", nextForm: first };
  const changeTo = async (store: ImageStore, form: string, nextForm: string) => {
    promised.nextForm = form;
    await changeSeal(store, form);
    Object.assign(promised, { doneForm: form, nextForm });
  };
  const steps = async () => {
    const store = await openStore(path, [site.publicKey], { disk, keys });
    await changeTo(store, first, first);
    await addImage(store, "later", "?d", site.privateKey);
    promised.images = 2;
    await changeTo(store, second, second);
    await changeTo(store, "plain", "plain");
  };
  await steps().catch((error: unknown) => Object.assign(promised, { error }));
  return promised;
}

async function checkPromises(store: ImageStore, { images, doneForm, nextForm }: Promised): Promise<void> {
  const found = await store.listImages((damaged) => assert.fail(String(damaged.fault)));
  assert(found.length >= images, `${found.length} of ${images} images`);
  for (const { tag } of found) {
    const { manifest } = await store.readManifest(tag.name, tag.version);
    assert.deepEqual(await checkImage(store, manifest), [], `${tag.name} is whole`);
  }
  const { target, former } = await readSealState(store.directory);
  assert(target === doneForm || target === nextForm, `${target} is wanted`);
  const said = [target, ...former];
  for await (const digest of store.packDigests()) {
    const form = await store.formOf(digest);
    assert(form === doneForm || form === nextForm, `a pack is ${form} after all were ${doneForm}`);
    assert(said.includes(form), `the store says that a pack may be ${form}`);
  }
}

async function finish(path: string, promised: Promised): Promise<void> {
  const store = await openStore(path, [site.publicKey], { keys });
  await checkPromises(store, promised);
  await changeSeal(store, promised.nextForm);
  await checkPromises(store, { ...promised, doneForm: promised.nextForm });
  const { target, former } = await readSealState(path);
  assert.deepEqual([target, former], [promised.nextForm, []]);
}

const tried = () => ({ directory, before: join(directory, "before"), evening });

for (const isLost of [true, false]) {
  const how = isLost ? "all that was not synced is lost" : "all that was written is there";
  test(`the power goes at each step of sealing, and ${how}: each pack can be read, and it goes on`, async () => {
    const steps = await atEveryStep(tried(), { kind: "power cut" }, async (path, promised, disk) => {
      if (isLost) disk.cutPower();
      await ageLeftovers(path);
      await finish(path, promised);
      assert.deepEqual(await readdir(join(path, "temp")), []);
    });
    assert(steps > 60, `${steps} steps were tried`);
  });
}

test("the disk is full at each step of sealing: that is said, and with room it goes on", async () => {
  const steps = await atEveryStep(tried(), { kind: "error", code: "ENOSPC" }, async (path, promised, disk) => {
    const { error } = promised;
    // What is left of a file that was being written goes with the next start.
    if (error === undefined) assert.match(disk.failed!, /^unlink .*temp/);
    else assert(error instanceof Fault && error.code === "STORE_FULL", String(error));
    await finish(path, promised);
  });
  assert(steps > 60, `${steps} steps were tried`);
});
