import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { openSite } from "../../agent/stream/local-stream.ts";

const budgetBytesPerSecond = 4_000_000;
const ready = { state: "ready", packsDone: 0, packsTotal: 3, symbolsReceived: 0, symbolsLost: 0 } as const;

test("two streams of one interface send within its budget, each its half; one alone gets all", async () => {
  const site = await openSite({ budgetBytesPerSecond });
  try {
    const streams = [await site.open({ once: false }), await site.open({ once: false })];
    const [first, second] = streams;
    const most = () => streams.map((stream) => stream.figures().mostBytesPerSecond);
    for (const stream of streams) stream.report(stream.join("pc", undefined).receiverId, ready);
    await until(() => streams.every((stream) => stream.state === "streaming"));
    assert.deepEqual(most(), [2_000_000, 2_000_000]);
    assert.equal(first!.figures().rateWhy, "other streams share the interface");
    const from = performance.now();
    const before = sent();
    await sleep(500);
    const bytes = sent() - before;
    const seconds = (performance.now() - from) / 1_000;
    // Each is prepared 40 ms before it leaves.
    assert(bytes <= budgetBytesPerSecond * (seconds + 0.04) + 4 * 1_514, `${bytes} in ${seconds} s`);
    for (const stream of streams) assert(stream.figures().sentBytes > 0);
    second!.stop("enough");
    await second!.ended;
    assert.equal(first!.figures().mostBytesPerSecond, budgetBytesPerSecond);

    function sent(): number {
      return streams.reduce((sum, stream) => sum + stream.figures().sentBytes, 0);
    }
  } finally {
    await site.close();
  }
});

test("a stream in the background begins gently, and reports change its pace", async () => {
  const site = await openSite();
  try {
    const stream = await site.open({ once: false, mode: "background", rateBytesPerSecond: 10_000_000 });
    const { receiverId } = stream.join("pc", undefined);
    stream.report(receiverId, ready);
    await until(() => stream.state === "streaming");
    assert.equal(stream.figures().mostBytesPerSecond, 1_000_000);
    assert.equal(stream.reportEveryMs, 200);
    const word = { ...ready, state: "receiving", symbolsReceived: 300, delayMs: 0 } as const;
    await until(() => {
      stream.report(receiverId, word);
      return stream.figures().mostBytesPerSecond > 1_000_000;
    });
  } finally {
    await site.close();
  }
});

async function until(isSo: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!isSo()) {
    assert(performance.now() < deadline, "in time");
    await sleep(20);
  }
}
