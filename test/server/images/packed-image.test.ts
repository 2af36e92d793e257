import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { encodeManifest } from "../../../images/manifest-codec.ts";
import { isPackedImage, openPackedImage, packedFiles } from "../../../server/images/packed-image.ts";
import { sampleDisk, scanToMemory } from "../../images/sample-disk.ts";
import { testKey } from "../../images/test-keys.ts";

describe("a packed image", () => {
  let directory: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "bootcast-packed-"));
  });
  after(() => rm(directory, { recursive: true, force: true }));
  const { publicKey, privateKey } = testKey(1);

  async function packed(name: string, cells = "a?b?0cc?".repeat(9)) {
    const { manifest, reader } = await scanToMemory(sampleDisk(cells));
    const folder = join(directory, name);
    await mkdir(folder);
    const files = packedFiles({ manifest, bytes: encodeManifest(manifest, privateKey) }, reader);
    for (const file of files) {
      const parts: Uint8Array[] = [];
      for await (const part of file.content()) parts.push(part);
      const bytes = Buffer.concat(parts);
      assert.equal(bytes.length, file.sizeBytes, file.name);
      await writeFile(join(folder, file.name), bytes);
    }
    return { folder, manifest, reader, names: files.map((file) => file.name) };
  }

  test("gives back every pack", async () => {
    const { folder, manifest, reader, names } = await packed("whole");
    assert.deepEqual(names, ["manifest", "packs.000"]);
    assert.equal(await isPackedImage(folder), true);
    const image = await openPackedImage(folder, [publicKey]);
    assert(manifest.packs.length > 2);
    for (const [number, pack] of manifest.packs.entries())
      assert.deepEqual(await image.packs.read(pack, number), Buffer.from(await reader.read(pack, number)));
    await image.close();
  });

  test("of nothing but zeros has no packs", async () => {
    const { folder, manifest } = await packed("zeros", "0000");
    assert.equal(await isPackedImage(folder), true);
    const image = await openPackedImage(folder, [publicKey]);
    assert.equal(image.manifest.diskBytes, manifest.diskBytes);
    await image.close();
  });

  test("is refused when it is cut off, incomplete or signed by somebody else", async () => {
    const { folder } = await packed("cut");
    await assert.rejects(openPackedImage(folder, [testKey(2).publicKey]), { code: "MANIFEST_UNTRUSTED" });
    await truncate(join(folder, "packs.000"), 100);
    await assert.rejects(openPackedImage(folder, [publicKey]), { code: "PACKED_IMAGE_CUT" });
    await rm(join(folder, "packs.000"));
    assert.equal(await isPackedImage(folder), false);
    await assert.rejects(openPackedImage(folder, [publicKey]), { code: "PACKED_IMAGE_CUT" });
  });
});
