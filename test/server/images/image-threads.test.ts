import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { deflateSync, inflateSync } from "node:zlib";
import { CELL_BYTES, cellId } from "../../../images/cell.ts";
import { decodePack, encodePack, packDigest } from "../../../images/pack.ts";
import { openUdif } from "../../../images/udif/open-udif.ts";
import { ImageThreads } from "../../../server/images/image-threads.ts";
import { MemoryDisk } from "../../images/memory.ts";
import { sampleDisk, scanToMemory } from "../../images/sample-disk.ts";
import { buildUdif } from "../../images/udif/build-udif.ts";
import { bzip2Text, everyCodec, text } from "../../images/udif/sample-tables.ts";

async function withThreads(use: (threads: ImageThreads) => Promise<void>): Promise<void> {
  const threads = new ImageThreads();
  try {
    await use(threads);
  } finally {
    await threads.close();
  }
}

test("cells get the ids that they have here; zeros have none", () =>
  withThreads(async (threads) => {
    const cells = [randomBytes(CELL_BYTES), Buffer.alloc(CELL_BYTES), Buffer.alloc(700, "end")];
    const [first, zero, last] = await threads.identify(cells);
    assert.deepEqual(Buffer.from(first!), cellId(cells[0]!));
    assert.equal(zero, undefined);
    assert.deepEqual(Buffer.from(last!), cellId(cells[2]!));
  }));

test("packs are the same bytes as those made here, and come back", () =>
  withThreads(async (threads) => {
    const cells = [Buffer.alloc(CELL_BYTES, "a line of text\n"), randomBytes(CELL_BYTES), Buffer.alloc(700, "end")];
    const cellIds = Buffer.concat(cells.map(cellId));
    for (const codec of ["zstd", "stored"] as const) {
      const here = await encodePack(cells, codec, { cellIds });
      const there = await threads.encodePack(cells, codec, { cellIds });
      assert.equal(there.digest, here.digest);
      assert.deepEqual(Buffer.from(there.bytes), Buffer.from(here.bytes));
      const unpacked = await threads.unpack(there.bytes, here);
      assert.deepEqual(unpacked.cells.map(Buffer.from), cells.map(Buffer.from));
      unpacked.free?.();
      threads.giveBack(there.bytes);
    }
  }));

test("a damaged pack is the same fault, and the next one is unpacked", () =>
  withThreads(async (threads) => {
    const pack = await encodePack([Buffer.alloc(CELL_BYTES, "text")], "zstd");
    const flipped = Uint8Array.from(pack.bytes, (byte, at) => (at === 80 ? byte ^ 1 : byte));
    const damaged = threads.unpack(flipped, pack);
    const invalid = threads.unpack(flipped, { ...pack, digest: packDigest(flipped) });
    const sound = threads.unpack(pack.bytes, pack);
    await Promise.all([
      assert.rejects(damaged, { code: "PACK_DAMAGED", name: "Fault" }),
      assert.rejects(invalid, { code: "PACK_INVALID", name: "Fault" }),
    ]);
    assert.deepEqual((await sound).cells.map(Buffer.from), decodePack(pack.bytes, pack).map(Buffer.from));
  }));

test("a scan with them gives the same image, and packs that hold it", () =>
  withThreads(async (work) => {
    const disk = sampleDisk(`a0b${"?".repeat(50)}ab00${"?".repeat(30)}`, 512);
    const packs = new Map<string, Buffer>();
    const { manifest } = await scanToMemory(disk, {
      codec: "zstd",
      work,
      // A copy: the memory is used again.
      onPack: async ({ digest, bytes }) => void packs.set(digest, Buffer.from(bytes)),
    });
    const here = (await scanToMemory(disk, { codec: "zstd" })).manifest;
    assert.deepEqual(manifest.root, here.root);
    assert.deepEqual([...manifest.cells.runs()], [...here.cells.runs()]);
    assert.deepEqual([...manifest.packs], [...here.packs]);
    for (const pack of manifest.packs) decodePack(packs.get(pack.digest)!, pack);
  }));

test("chunks of a .dmg are packed, and undefined when that does not make them shorter", () =>
  withThreads(async (threads) => {
    const chunks = Array.from({ length: 20 }, (_, number) => Buffer.alloc(100_000 - number, number));
    const packed = await Promise.all(chunks.map((chunk) => threads.compress("zlib", chunk)));
    for (const [number, bytes] of packed.entries()) assert(inflateSync(bytes!).equals(chunks[number]!));
    assert.equal(await threads.compress("zlib", randomBytes(100_000)), undefined);
    assert.equal(await threads.compress("xz", randomBytes(100_000)), undefined);
  }));

test("chunks of any codec are unpacked, more than there are threads", () =>
  withThreads(async (threads) => {
    const order = Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? "bzip2" : "zlib") as "bzip2" | "zlib");
    const stored = { bzip2: bzip2Text, zlib: deflateSync(text) };
    const plain = await Promise.all(order.map((codec) => threads.decodeChunk(codec, stored[codec], text.length)));
    for (const bytes of plain) assert.deepEqual(Buffer.from(bytes), text);
    // What they were given is still the caller's.
    assert.equal(bzip2Text.length, 119);
  }));

test("a damaged chunk is the same fault, and the next one is unpacked", () =>
  withThreads(async (threads) => {
    const damaged = threads.decodeChunk("bzip2", Buffer.from("BZh9 is no more"), 4096);
    const sound = threads.decodeChunk("bzip2", bzip2Text, text.length);
    await assert.rejects(damaged, { code: "UDIF_CHUNK", name: "Fault", why: /bzip2/ });
    assert.deepEqual(Buffer.from(await sound), text);
  }));

test("an image is read through them", () =>
  withThreads(async (threads) => {
    const { files, disk } = buildUdif(everyCodec);
    const image = await openUdif(new MemoryDisk(files[0]!), { decode: threads.decodeChunk });
    await image.verify();
    assert.deepEqual(Buffer.from(await image.source.read(0, disk.length)), disk);
  }));

test("who waits when they are closed is told, and after it too; another user goes on", () =>
  withThreads(async (other) => {
    const threads = new ImageThreads();
    // More than there are threads: the first are done, the last never begin.
    const waiting = Array.from({ length: threads.lanes + 20 }, () =>
      threads.compress("xz", Buffer.alloc(300_000, "x")),
    );
    const others = other.compress("zlib", Buffer.alloc(100_000));
    const settled = Promise.allSettled(waiting);
    await threads.close();
    const outcomes = await settled;
    assert(outcomes.slice(threads.lanes).every(({ status }) => status === "rejected"));
    await assert.rejects(waiting.at(-1)!, /was ended/);
    await assert.rejects(threads.compress("zlib", Buffer.alloc(100_000)), /was ended/);
    assert.equal(inflateSync((await others)!).length, 100_000);
  }));
