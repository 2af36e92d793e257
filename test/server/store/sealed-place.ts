import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { encodeManifest } from "../../../images/manifest-codec.ts";
import { scan } from "../../../images/scan.ts";
import { StoreKeyFile } from "../../../server/store/key-file.ts";
import { readSealState } from "../../../server/store/seal-state.ts";
import { type ImageStore, openStore } from "../../../server/store/store.ts";
import { sampleDisk } from "../../images/sample-disk.ts";
import { testKey } from "../../images/test-keys.ts";

export const site = testKey(1);
/** Stands in each cell of the disks here. */
const SECRET = "plain words of a person";

type Place = { directory: string; keyFile: StoreKeyFile; open: () => Promise<ImageStore>; plain: ImageStore };

export async function place(t: TestContext): Promise<Place> {
  const root = await mkdtemp(join(tmpdir(), "bootcast-"));
  t.after(() => rm(root, { recursive: true }));
  const directory = join(root, "store");
  const keyFile = new StoreKeyFile(join(root, "key", "store.key"), directory);
  const plain = await openStore(directory, [site.publicKey]);
  return { directory, keyFile, plain, open: () => openStore(directory, [site.publicKey], { keys: keyFile }) };
}

export async function addImage(store: ImageStore, name: string, cells: string) {
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
export async function sealOf(directory: string) {
  const { target, former } = await readSealState(directory);
  return { target, former };
}

export async function sealedBy(store: ImageStore): Promise<string[]> {
  const forms = new Set<string>();
  for await (const digest of store.packDigests()) forms.add((await store.formOf(digest)) ?? "gone");
  return [...forms].sort();
}

export async function filesWithPlainText(directory: string): Promise<string[]> {
  const files = await readdir(directory, { recursive: true, withFileTypes: true });
  const found: string[] = [];
  for (const file of files.filter((entry) => entry.isFile())) {
    const path = join(file.parentPath, file.name);
    if ((await readFile(path)).includes(SECRET)) found.push(path);
  }
  return found;
}

export async function firstKey(keyFile: StoreKeyFile): Promise<string> {
  return (await keyFile.keys())[0]!.id;
}
