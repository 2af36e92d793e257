import assert from "node:assert/strict";
import { test } from "node:test";
import { receiveStream } from "../../../agent/stream/receive.ts";
import { dirtyDisk, openSite, optionsFor } from "./local-stream.ts";

// A stream that serves who is alone by unicast, over real sockets.

test("alone: one host gets all of its packs by unicast, and the group none of them", async () => {
  const site = await openSite();
  try {
    const stream = await site.open({ once: false, isOneByUnicast: true });
    const target = dirtyDisk(site);
    const received = await receiveStream(optionsFor(site, stream, target));
    assert.equal(received.unicastPacks, site.manifest.packs.length);
    assert.deepEqual(Buffer.compare(target.bytes, site.golden.bytes), 0);
    assert(stream.figures().sentBytes < site.manifest.diskBytes * 3, "packs once, and canaries");
  } finally {
    await site.close();
  }
});

test("alone: a second host makes it a stream of the group, and both end well", async () => {
  const site = await openSite();
  try {
    const joined = Promise.withResolvers<void>();
    const stream = await site.open({
      once: false,
      isOneByUnicast: true,
      onEvent: (event) => event.type === "receiver" && event.receiver.name === "other" && joined.resolve(),
    });
    const [one, other] = [dirtyDisk(site), dirtyDisk(site)];
    let second: ReturnType<typeof receiveStream> | undefined;
    const write = one.write.bind(one);
    // The first one is in the middle of it when the second one comes.
    one.write = async (offset, bytes) => {
      const isAlone = stream.receivers.some(({ aside }) => aside?.way === "unicast");
      if (!isAlone) return write(offset, bytes);
      second ??= receiveStream(optionsFor(site, stream, other, { name: "other" }));
      await joined.promise;
      return write(offset, bytes);
    };
    const first = await receiveStream(optionsFor(site, stream, one));
    const last = await second!;
    assert(first.unicastPacks > 0, "it was alone at first");
    assert(last.symbolsReceived > 0, "the group was sent to");
    for (const { bytes } of [one, other]) assert.deepEqual(Buffer.compare(bytes, site.golden.bytes), 0);
  } finally {
    await site.close();
  }
});
