import assert from "node:assert/strict";
import { test } from "node:test";
import { openSite } from "../../agent/stream/local-stream.ts";

const KEPT_MS = 10 * 60_000;

test("a stream that is over is forgotten after ten minutes, and not the one that goes on under its id", async (t) => {
  const realTimeout = setTimeout;
  const kept: (() => void)[] = [];
  t.mock.method(globalThis, "setTimeout", (call: () => void, ms: number) => {
    if (ms !== KEPT_MS) return realTimeout(call, ms);
    kept.push(call);
    return realTimeout(() => undefined, 0);
  });
  const site = await openSite();
  try {
    const end = async (streamId: string) => {
      const stream = await site.open({ streamId });
      stream.stop("the test is over");
      await stream.ended;
      return stream;
    };
    const other = await end("00000000000000bb");
    await end("00000000000000aa");
    const next = await site.open({ streamId: "00000000000000aa" });
    assert.equal(site.hub.get("00000000000000bb"), other);
    assert.equal(kept.length, 2);
    for (const forget of kept) forget();
    assert.throws(() => site.hub.get("00000000000000bb"), { code: "STREAM_UNKNOWN" });
    assert.equal(site.hub.get("00000000000000aa"), next);
  } finally {
    await site.close();
  }
});
