import assert from "node:assert/strict";
import { createHash, generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ImageDetails } from "../../../server/store/image-details.ts";
import { type ImageStore, openStore } from "../../../server/store/store.ts";
import { addImage } from "./store-image.ts";

const { publicKey, privateKey } = generateKeyPairSync("ed25519");
let directory: string;
let store: ImageStore;

before(async () => {
  directory = mkdtempSync(join(tmpdir(), "bootcast-details-"));
  store = await openStore(directory, [publicKey]);
  await addImage(store, "lab", "ab", privateKey);
  await addImage(store, "lab", "ab", privateKey);
  await addImage(store, "lab", "xy", privateKey);
});
after(() => rmSync(directory, { recursive: true, force: true }));

test("the hash is that of the signed manifest; a version adds what the one before has not", async () => {
  const details = new ImageDetails(store);
  const [first, same, other] = await Promise.all([1, 2, 3].map((version) => details.of("lab", version)));
  const digest = createHash("sha256")
    .update(await store.readManifestFile("lab", 1))
    .digest("hex");
  assert.deepEqual(first, { manifestDigest: digest, before: null });
  assert.deepEqual(same?.before, { version: 1, newBytes: 0 });
  const { storedBytes } = await store.readSummary("lab", 3);
  assert.deepEqual(other?.before, { version: 2, newBytes: storedBytes });
});

test("a manifest is read once, and never two at a time, whoever asks how often", async () => {
  let reading = 0;
  let most = 0;
  let reads = 0;
  const details = new ImageDetails({
    versions: (name) => store.versions(name),
    readSummary: (name, version) => store.readSummary(name, version),
    async readManifest(name, version) {
      reads += 1;
      reading += 1;
      most = Math.max(most, reading);
      try {
        return await store.readManifest(name, version);
      } finally {
        reading -= 1;
      }
    },
  });
  for (let n = 0; n < 3; n += 1) await Promise.all([1, 2, 3, 3, 2, 1].map((version) => details.of("lab", version)));
  assert.deepEqual([reads, most], [5, 1], "one of the first, two of each other");
});

test("what is not there is said, with what is; it can be asked for again", async () => {
  const details = new ImageDetails(store);
  for (const [name, version] of [
    ["lab", 9],
    ["other", 1],
  ] as const) {
    await assert.rejects(details.of(name, version), { code: "IMAGE_MISSING" });
    await assert.rejects(details.of(name, version), { code: "IMAGE_MISSING" });
  }
});
