import type { KeyObject } from "node:crypto";
import { encodeManifest } from "../../../images/manifest-codec.ts";
import { scan } from "../../../images/scan.ts";
import type { ImageStore } from "../../../server/store/store.ts";
import { sampleDisk } from "../../images/sample-disk.ts";

/** Puts the next version of an image into a store: a sample disk of these cells. */
export async function addImage(store: ImageStore, name: string, cells: string, privateKey: KeyObject): Promise<void> {
  const { version, release } = await store.reserveVersion(name);
  try {
    const manifest = await scan(sampleDisk(cells), {
      tag: { name, version, builder: "test", createdAtMs: 0, notes: "" },
      codec: "zstd",
      onPack: async ({ digest, bytes }) => void (await store.writePack(digest, bytes)),
    });
    await store.writeManifest(encodeManifest(manifest, privateKey));
  } finally {
    await release();
  }
}
