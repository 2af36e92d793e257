import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "../../../fault.ts";
import type { Manifest } from "../../../images/manifest.ts";
import { type PackReader, rawFilePacks } from "../../../images/pack-reader.ts";
import { StreamLayout } from "../../../multicast/layout.ts";
import { BlockFeed } from "../../../server/stream/block-feed.ts";
import { sampleDisk, scanToMemory } from "../../images/sample-disk.ts";

const symbolBytes = 1452;
const symbolsPerBlock = 128;

function layoutOf(manifest: Manifest): StreamLayout {
  const description = {
    streamId: "0123456789abcdef",
    manifestDigest: "",
    group: "239.192.1.1",
    port: 7800,
    symbolBytes,
    symbolsPerBlock,
    packs: [[0, manifest.packs.length]] as [number, number][],
    streamBytes: manifest.packs.reduce((sum, { storedBytes }) => sum + storedBytes, 0),
    rateBytesPerSecond: 1_000_000,
  };
  return new StreamLayout(description, manifest.packs);
}

async function opened(cells: string) {
  const disk = sampleDisk(cells, 512);
  const { manifest, packs, reader } = await scanToMemory(disk);
  const layout = layoutOf(manifest);
  const content = Buffer.concat(manifest.packs.map(({ digest }) => packs.get(digest)!.bytes));
  const blockBytes = symbolBytes * symbolsPerBlock;
  const wanted = (block: number) => {
    const filled = Buffer.alloc(layout.symbolsOfBlock(block) * symbolBytes);
    content.copy(filled, 0, block * blockBytes);
    return filled;
  };
  return { disk, manifest, reader, layout, wanted };
}

for (const way of ["read", "read into memory that is used again"]) {
  test(`blocks are the packs end to end, filled up with zeros; again when they were let go: ${way}`, async () => {
    const { disk, manifest, reader, layout, wanted } = await opened("?".repeat(900));
    const feed = new BlockFeed(layout, manifest, way === "read" ? reader : rawFilePacks(disk, manifest));
    assert(layout.blockCount > 300, "more than it keeps");
    for (let block = 0; block < layout.blockCount; block += 1) {
      assert.deepEqual(Buffer.from(await feed.block(block)), wanted(block), `block ${block}`);
    }
    for (const block of [0, layout.blockCount - 1, 7, 1]) {
      assert.deepEqual(Buffer.from(await feed.again(block)), wanted(block), `block ${block} again`);
    }
  });
}

test("a pack that cannot be read fails its blocks, and no other bytes are given for it later", async () => {
  const { disk, manifest, layout, wanted } = await opened("?".repeat(40));
  const packs = rawFilePacks(disk, manifest);
  let isBroken = false;
  const breaking: PackReader = {
    read: packs.read,
    async readInto(pack, number, target) {
      await packs.readInto!(pack, number, target);
      if (!isBroken || number !== 1) return;
      target.fill(0);
      throw new Fault("SOURCE_CHANGED", { what: "changed", why: "test", fix: "none" });
    },
  };
  const feed = new BlockFeed(layout, manifest, breaking);
  const last = layout.blockCount - 1;
  assert.deepEqual(Buffer.from(await feed.again(0)), wanted(0));
  isBroken = true;
  await assert.rejects(feed.again(layout.blockCount >> 1), { code: "SOURCE_CHANGED" });
  isBroken = false;
  assert.deepEqual(Buffer.from(await feed.again(1)), wanted(1));
  assert.deepEqual(Buffer.from(await feed.again(last)), wanted(last));
});

test("memory goes round, also where each block lies in another pack", async () => {
  const { disk, manifest, layout, wanted } = await opened("?".repeat(900));
  const packs = rawFilePacks(disk, manifest);
  const memory = new Set<ArrayBufferLike>();
  const noting: PackReader = {
    read: packs.read,
    readInto(pack, number, target) {
      memory.add(target.buffer);
      return packs.readInto!(pack, number, target);
    },
  };
  const feed = new BlockFeed(layout, manifest, noting);
  for (let round = 0; round < 7; round += 1) {
    for (let block = round; block < layout.blockCount; block += 7) {
      assert.deepEqual(Buffer.from(await feed.again(block)), wanted(block), `block ${block}`);
    }
  }
  assert(memory.size <= 20, `${memory.size} packs of 1 MiB`);
});

test("a feed that was closed holds no block any more", async () => {
  const { manifest, layout, wanted, reader } = await opened("?".repeat(40));
  let reads = 0;
  const counted: PackReader = {
    read: (pack, number) => {
      reads += 1;
      return reader.read(pack, number);
    },
  };
  const feed = new BlockFeed(layout, manifest, counted);
  for (let block = 0; block < layout.blockCount; block += 1) await feed.block(block);
  const before = reads;
  await feed.again(0);
  assert.equal(reads, before, "kept");
  feed.close();
  assert.deepEqual(Buffer.from(await feed.again(0)), wanted(0));
  assert(reads > before, "read again");
});
