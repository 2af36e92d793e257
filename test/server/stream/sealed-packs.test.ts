import assert from "node:assert/strict";
import { test } from "node:test";
import { rawFilePacks } from "../../../images/pack-reader.ts";
import { SEAL_BYTES, sealOf } from "../../../images/sealed-pack.ts";
import { StreamLayout } from "../../../multicast/layout.ts";
import { BlockFeed } from "../../../server/stream/block-feed.ts";
import { sealedPacks } from "../../../server/stream/sealed-packs.ts";
import { sampleDisk, scanToMemory } from "../../images/sample-disk.ts";

const secret = new Uint8Array(32).fill(9);
const streamId = "0123456789abcdef";

test("an encrypted stream has the same bytes whichever way its packs are read, and after a restart", async () => {
  const disk = sampleDisk("?".repeat(70), 512);
  const { manifest, reader } = await scanToMemory(disk);
  const ways = [reader, rawFilePacks(disk, manifest)].map((packs) => sealedPacks(packs, streamId, secret).packs);
  for (const [number, pack] of manifest.packs.entries()) {
    const whole = Buffer.from(await ways[0]!.read(pack, number));
    assert.equal(whole.length, pack.storedBytes + SEAL_BYTES);
    assert.notEqual(sealOf(whole), undefined);
    for (const packs of ways) {
      const target = Buffer.alloc(whole.length, 0xee);
      await packs.readInto!(pack, number, target);
      assert.deepEqual(target, whole);
    }
  }
  const other = sealedPacks(reader, "fedcba9876543210", secret).packs;
  assert.notDeepEqual(await other.read(manifest.packs[0]!, 0), await ways[0]!.read(manifest.packs[0]!, 0));
});

test("the blocks of an encrypted stream are its sealed packs end to end", async () => {
  const disk = sampleDisk("?".repeat(70), 512);
  const { manifest } = await scanToMemory(disk);
  const { packs } = sealedPacks(rawFilePacks(disk, manifest), streamId, secret);
  const shape = { symbolBytes: 1452, symbolsPerBlock: 128 };
  const streamBytes = manifest.packs.reduce((sum, { storedBytes }) => sum + storedBytes + SEAL_BYTES, 0);
  const where = { streamId, manifestDigest: "", group: "239.192.1.1", port: 7800, rateBytesPerSecond: 1 };
  const layout = new StreamLayout(
    { ...where, ...shape, packs: [[0, manifest.packs.length]], isSealed: true, streamBytes },
    manifest.packs,
  );
  const feed = new BlockFeed(layout, manifest, packs);
  const blocks: Buffer[] = [];
  for (let block = 0; block < layout.blockCount; block += 1) blocks.push(Buffer.from(await feed.block(block)));
  const wanted = await Promise.all(manifest.packs.map((pack, number) => packs.read(pack, number)));
  assert.deepEqual(Buffer.concat(blocks).subarray(0, streamBytes), Buffer.concat(wanted));
});
