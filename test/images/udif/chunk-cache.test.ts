import assert from "node:assert/strict";
import { test } from "node:test";
import { ChunkCache } from "../../../images/udif/chunk-cache.ts";

/** Decodes when it is told to. */
class Decoder {
  readonly asked: number[] = [];
  readonly #waiting = new Map<number, { resolve: (bytes: Uint8Array) => void; reject: (error: Error) => void }>();

  readonly decode = (index: number) => {
    this.asked.push(index);
    return new Promise<Uint8Array>((resolve, reject) => this.#waiting.set(index, { resolve, reject }));
  };

  finish(index: number): void {
    this.#waiting.get(index)!.resolve(Uint8Array.of(index));
  }

  fail(index: number): void {
    this.#waiting.get(index)!.reject(new Error(`chunk ${index}`));
  }
}

test("so many at once, the others in the order they were asked for", async () => {
  const decoder = new Decoder();
  const cache = new ChunkCache(decoder.decode, { capacityBytes: 100, mostAtOnce: 2 });
  const chunks = [3, 1, 4, 5].map((index) => cache.get(index, 1));
  assert.deepEqual(decoder.asked, [3, 1]);
  decoder.finish(1);
  assert.deepEqual([...(await chunks[1]!)], [1]);
  await settled();
  assert.deepEqual(decoder.asked, [3, 1, 4]);
  decoder.fail(3);
  await assert.rejects(chunks[0]!, /chunk 3/);
  await settled();
  assert.deepEqual(decoder.asked, [3, 1, 4, 5]);
});

test("one that is asked for twice is decoded once; one that failed again", async () => {
  const decoder = new Decoder();
  const cache = new ChunkCache(decoder.decode, { capacityBytes: 100, mostAtOnce: 2 });
  const twice = [cache.get(7, 1), cache.get(7, 1)];
  decoder.finish(7);
  assert.equal(await twice[0], await twice[1]);
  const failing = cache.get(8, 1);
  decoder.fail(8);
  await assert.rejects(failing);
  await settled();
  void cache.get(8, 1);
  assert.deepEqual(decoder.asked, [7, 8, 8]);
});

test("the one used longest ago is forgotten, the newest never", async () => {
  const decoder = new Decoder();
  const cache = new ChunkCache(decoder.decode, { capacityBytes: 10, mostAtOnce: 10 });
  void cache.get(1, 5);
  void cache.get(2, 5);
  void cache.get(1, 5);
  void cache.get(3, 5);
  assert.deepEqual(decoder.asked, [1, 2, 3]);
  void cache.get(1, 5);
  assert.deepEqual(decoder.asked, [1, 2, 3]);
  void cache.get(4, 1000);
  void cache.get(4, 1000);
  void cache.get(1, 5);
  assert.deepEqual(decoder.asked, [1, 2, 3, 4, 1]);
});

/** Everything that is not waiting for a decoder has run. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
