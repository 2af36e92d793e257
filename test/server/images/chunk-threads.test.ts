import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateSync } from "node:zlib";
import { openUdif } from "../../../images/udif/open-udif.ts";
import { ChunkThreads } from "../../../server/images/chunk-threads.ts";
import { MemoryDisk } from "../../images/memory.ts";
import { buildUdif } from "../../images/udif/build-udif.ts";
import { bzip2Text, everyCodec, text } from "../../images/udif/sample-tables.ts";

test("chunks of any codec, more than there are threads", async () => {
  const threads = new ChunkThreads(2);
  try {
    const order = Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? "bzip2" : "zlib") as "bzip2" | "zlib");
    const stored = { bzip2: bzip2Text, zlib: deflateSync(text) };
    const plain = await Promise.all(order.map((codec) => threads.decode(codec, stored[codec], text.length)));
    for (const bytes of plain) assert.deepEqual(Buffer.from(bytes), text);
    // What they were given is still the caller's.
    assert.equal(bzip2Text.length, 119);
  } finally {
    await threads.close();
  }
});

test("a damaged chunk is the same fault, and the next one is unpacked", async () => {
  const threads = new ChunkThreads(1);
  try {
    const damaged = threads.decode("bzip2", Buffer.from("BZh9 is no more"), 4096);
    const sound = threads.decode("bzip2", bzip2Text, text.length);
    await assert.rejects(damaged, { code: "UDIF_CHUNK", name: "Fault", why: /bzip2/ });
    assert.deepEqual(Buffer.from(await sound), text);
  } finally {
    await threads.close();
  }
});

test("an image is read through them", async () => {
  const threads = new ChunkThreads(2);
  try {
    const { files, disk } = buildUdif(everyCodec);
    const image = await openUdif(new MemoryDisk(files[0]!), { decode: threads.decode });
    await image.verify();
    assert.deepEqual(Buffer.from(await image.source.read(0, disk.length)), disk);
  } finally {
    await threads.close();
  }
});

test("who waits when they are closed is told, and after it too", async () => {
  const threads = new ChunkThreads(1);
  const waiting = [1, 2, 3].map(() => threads.decode("bzip2", bzip2Text, text.length));
  const told = Promise.all(waiting.map((chunk) => assert.rejects(chunk, /have ended/)));
  await threads.close();
  await told;
  await assert.rejects(threads.decode("bzip2", bzip2Text, text.length), /have ended/);
});
