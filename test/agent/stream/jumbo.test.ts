import assert from "node:assert/strict";
import { test } from "node:test";
import { receiveStream } from "../../../agent/stream/receive.ts";
import type { ReceiveOptions } from "../../../agent/stream/receive-options.ts";
import type { RunningStream, StreamEvent } from "../../../server/stream/hub.ts";
import { goldenDisk, groupPort, loopback, MemoryDisk, openSite, type Site, silentLog } from "./local-stream.ts";

const large = 8_952;
const report = { state: "joined", packsDone: 0, packsTotal: 3, symbolsReceived: 0, symbolsLost: 0 } as const;

/** A restore in this process, and how often it had its target erased. */
function restoreOf(site: Site, stream: RunningStream, more: Partial<ReceiveOptions> = {}) {
  const target = new MemoryDisk(new Uint8Array(site.manifest.diskBytes).fill(0xee));
  const restore = { target, erased: 0, received: undefined as unknown as ReturnType<typeof receiveStream> };
  restore.received = receiveStream({
    server: site.server,
    streamId: stream.streamId,
    trusted: site.trusted,
    target,
    name: "real",
    interfaceAddress: loopback,
    beforeWrite: async () => {
      restore.erased += 1;
      return { isZeroed: false };
    },
    log: silentLog,
    ...more,
  });
  return restore;
}

function assertRestored(site: Site, { target, erased }: ReturnType<typeof restoreOf>): void {
  assert.equal(Buffer.compare(target.bytes, site.golden.bytes), 0, "the bytes are the same");
  assert.equal(erased, 1);
}

async function until(isTrue: () => boolean): Promise<void> {
  for (const end = performance.now() + 20_000; !isTrue(); ) {
    assert(performance.now() < end, "it did not happen within 20 s");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

for (const [name, way] of [
  ["with what is optional", {}],
  ["with Node's own socket and no thread", { withoutKoffi: true, withoutThreads: true }],
] as const) {
  test(`jumbo, ${name}: a stream of large frames, sealed or not, brings every byte`, async () => {
    for (const encrypt of [undefined, { secret: new Uint8Array(32) }]) {
      const site = await openSite();
      try {
        const { withoutKoffi } = { withoutKoffi: false, ...way };
        const stream = await site.open({
          symbolBytes: large,
          withoutKoffi,
          ...(encrypt === undefined ? {} : { encrypt }),
        });
        const restore = restoreOf(site, stream, way);
        const { symbolsReceived } = await restore.received;
        assertRestored(site, restore);
        assert.equal(stream.description.symbolBytes, large);
        assert(symbolsReceived < site.manifest.diskBytes / large, `${symbolsReceived} datagrams`);
      } finally {
        await site.close();
      }
    }
  });
}

for (const [name, spoil] of [
  [
    "a card that does not carry them",
    async (stream: RunningStream) => {
      const join = { name: "small", symbolBytes: large, mtuBytes: 1_500 };
      await assert.rejects(stream.agreeOn(join), { code: "STREAM_DESCRIBED_ANEW" });
    },
  ],
  [
    "a host that gets none",
    async (stream: RunningStream) => {
      stream.report(stream.join("deaf", undefined).receiverId, { ...report, lacksFrames: true });
      await until(() => stream.description.symbolBytes === 1_452);
    },
  ],
  [
    "an older agent",
    async (stream: RunningStream) => {
      assert.equal((await stream.infoFor()).description.symbolBytes, 1_452);
    },
  ],
] as const) {
  test(`jumbo: ${name} makes it a stream of ordinary frames before it begins; nobody erases twice`, async () => {
    const site = await openSite();
    try {
      const events: StreamEvent[] = [];
      const stream = await site.open({ symbolBytes: large, waitFor: 2, onEvent: (event) => events.push(event) });
      const release = stream.hold("held by a test");
      const first = restoreOf(site, stream);
      await until(() => stream.receivers.some(({ state }) => state === "ready"));
      await spoil(stream);
      assert.equal(stream.description.symbolBytes, 1_452);
      const second = restoreOf(site, stream);
      await until(() => stream.state === "open" && stream.waitingFor === "held by a test");
      release();
      await Promise.all([first.received, second.received]);
      assertRestored(site, first);
      assertRestored(site, second);
      await stream.ended;
      const findings = events.flatMap((event) => (event.type === "lan" ? [event.finding] : []));
      assert.equal(findings.filter(({ probe }) => probe === "frames").length, 1);
    } finally {
      await site.close();
    }
  });
}

test("jumbo: once a stream has begun, a host without its frames is served by unicast and told why", async () => {
  const site = await openSite();
  try {
    const stream = await site.open({ symbolBytes: large, rateBytesPerSecond: 700_000 });
    const first = restoreOf(site, stream);
    await until(() => stream.state === "streaming");
    await stream.agreeOn({ name: "deaf", symbolBytes: large, mtuBytes: 1_500 });
    const { receiverId } = stream.join("deaf", undefined);
    await until(() => {
      stream.report(receiverId, { ...report, lacksFrames: true });
      return stream.asideOf(receiverId) !== undefined;
    });
    assert.equal(stream.description.symbolBytes, large);
    const aside = stream.asideOf(receiverId);
    assert.deepEqual([aside?.cause, aside?.way], ["frames", "unicast"]);
    assert.match(aside?.why ?? "", /large frames do not reach it/);
    // They reach it after all.
    await until(() => {
      stream.report(receiverId, report);
      return stream.asideOf(receiverId) === undefined;
    });
    stream.report(receiverId, { ...report, state: "left" });
    await first.received;
    assertRestored(site, first);
  } finally {
    await site.close();
  }
});

for (const [before, after] of [
  [large, large],
  [large, 1_452],
  [1_452, large],
] as const) {
  test(`jumbo: symbols of ${before} before and ${after} after a restart of the server: what is written stays`, async () => {
    const golden = goldenDisk(9 * 1024 * 1024 + 512);
    for (let at = 65_536; at < golden.bytes.length; at += 8) golden.bytes[at] = (at * 2_654_435_761) >>> 24;
    const site = await openSite({ golden });
    try {
      const where = { port: groupPort(), once: false };
      const killed = await site.open({ ...where, symbolBytes: before, rateBytesPerSecond: 2_000_000 });
      const restore = restoreOf(site, killed);
      const isHalf = () => restore.target.done.length >= 3;
      await until(isHalf);
      // Known from the moment on that the first one is gone: nobody must hear from that one that it has ended.
      const again = await site.open({ ...where, symbolBytes: after, streamId: killed.streamId });
      killed.stop("killed");
      await killed.ended;
      await restore.received;
      assertRestored(site, restore);
      // A receiver's own description is the one that is kept, where the network allows it.
      assert.equal(again.description.symbolBytes, Math.min(before, after));
      const written = restore.target.done.flatMap((step) => (step === "flush" ? [] : [step.write]));
      const data = written.filter((offset) => offset > 0);
      assert.equal(new Set(data).size, data.length, "no place is written twice");
    } finally {
      await site.close();
    }
  });
}
