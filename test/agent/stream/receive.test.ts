import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { createSocket } from "node:dgram";
import { test } from "node:test";
import { StreamControl } from "../../../agent/stream/control.ts";
import { describeStream } from "../../../agent/stream/describe.ts";
import { receiveStream } from "../../../agent/stream/receive.ts";
import type { ReceiveOptions, ReceiveProgress } from "../../../agent/stream/receive-options.ts";
import { CELL_BYTES } from "../../../images/cell.ts";
import { encodePacket, PacketKind, packetFormat } from "../../../multicast/packet.ts";
import type { RunningStream } from "../../../server/stream/hub.ts";
import {
  dirtyDisk,
  goldenDisk,
  loopback,
  MemoryDisk,
  openSite,
  optionsFor,
  type Site,
  type SiteOptions,
} from "./local-stream.ts";

// Comparing megabytes element by element takes seconds.
function assertSame(actual: Uint8Array, expected: Uint8Array): void {
  assert.equal(Buffer.compare(actual, expected), 0, "the bytes are the same");
}

for (const [name, way] of [
  ["with what is optional", {}],
  ["with Node's own socket and no thread", { withoutKoffi: true, withoutThreads: true }],
] as const) {
  test(`receive ${name}: every byte is right, zeros included, and the partition table is written last`, async () => {
    const site = await openSite();
    try {
      const stream = await site.open();
      const target = dirtyDisk(site, 1000);
      const stages: string[] = [];
      const marks: string[] = [];
      let doneAtErase = -1;
      const received = await receiveStream(
        optionsFor(site, stream, target, {
          ...way,
          beforeWrite: async (manifest) => {
            assert.equal(manifest.diskBytes, site.manifest.diskBytes);
            doneAtErase = target.done.length;
            return { isZeroed: false };
          },
          onProgress: ({ stage }: ReceiveProgress) => stages.at(-1) === stage || stages.push(stage),
          onMark: ({ isMissing }) => marks.push(isMissing ? "x" : "."),
        }),
      );
      assert.equal(doneAtErase, 0, "nothing was written before the erase");
      assertSame(target.bytes.subarray(0, site.manifest.diskBytes), site.golden.bytes);
      assert(
        target.bytes.subarray(site.manifest.diskBytes).every((byte) => byte === 0xee),
        "nothing behind the image",
      );
      assert.deepEqual(target.done.slice(-3), ["flush", { write: 0, length: CELL_BYTES }, "flush"]);
      assert.equal(target.done.filter((step) => step !== "flush" && step.write === 0).length, 1);
      assert.deepEqual([received.wrongPacks, received.symbolsLost], [0, 0]);
      assert.deepEqual(stages, ["arriving", "erasing", "waiting", "receiving", "finishing"]);
      assert.equal(await stream.ended, "every receiver has reported its end");
      assert.deepEqual(
        stream.receivers.map(({ state, packsDone }) => [state, packsDone]),
        [["done", site.manifest.packs.length]],
      );
      assert(marks.every((mark) => mark === "."));
    } finally {
      await site.close();
    }
  });
}

test("receive: a target that reads as zero is not filled with zeros", async () => {
  const site = await openSite();
  try {
    const target = new MemoryDisk(new Uint8Array(site.manifest.diskBytes));
    await receiveStream(optionsFor(site, await site.open(), target, { beforeWrite: async () => ({ isZeroed: true }) }));
    assertSame(target.bytes, site.golden.bytes);
    const written = target.done.reduce((sum, step) => sum + (step === "flush" ? 0 : step.length), 0);
    assert(written < 2_000_000, `${written} bytes written`);
  } finally {
    await site.close();
  }
});

test("receive: an image of nothing but zeros", async () => {
  const site = await openSite({ golden: new MemoryDisk(new Uint8Array(1 << 20)) });
  try {
    const target = dirtyDisk(site);
    const stream = await site.open({ once: false });
    await receiveStream(optionsFor(site, stream, target));
    assert(target.bytes.every((byte) => byte === 0));
  } finally {
    await site.close();
  }
});

test("receive: a stream of only some packs of the image erases nothing", async () => {
  const site = await openSite();
  try {
    const stream = await site.open();
    const control = new StreamControl({ server: site.server });
    const { info, manifest } = await describeStream(control, stream.streamId, site.trusted);
    await control.close();
    for (const packs of [[], [[0, 1]]] as [number, number][][]) {
      const streamBytes = packs.length === 0 ? 0 : manifest.packs[0]!.storedBytes;
      const described = { info: { ...info, description: { ...info.description, packs, streamBytes } }, manifest };
      const target = dirtyDisk(site);
      const beforeWrite = async () => assert.fail("the target was erased");
      await assert.rejects(receiveStream(optionsFor(site, stream, target, { described, beforeWrite })), {
        code: "STREAM_MISMATCH",
      });
      assert.deepEqual(target.done, []);
    }
  } finally {
    await site.close();
  }
});

test("receive: who joins after the pass gets everything by unicast", async () => {
  const site = await openSite();
  try {
    const stream = await site.open({ idleEndMs: 20_000 });
    const early = stream.join("early", undefined);
    stream.report(early.receiverId, {
      state: "ready",
      packsDone: 0,
      packsTotal: 1,
      symbolsReceived: 0,
      symbolsLost: 0,
    });
    while (stream.state !== "ended") await new Promise((resolve) => setImmediate(resolve));
    const target = dirtyDisk(site);
    const received = await receiveStream(optionsFor(site, stream, target));
    assert.equal(received.unicastPacks, site.manifest.packs.length);
    assertSame(target.bytes, site.golden.bytes);
  } finally {
    await site.close();
  }
});

test("receive: packs that are wrong on the group are counted and fetched", async () => {
  const reads = new Map<number, number>();
  const site = await openSite({
    packs: (right) => ({
      async read(pack, number) {
        const bytes = Uint8Array.from(await right.read(pack, number));
        const times = (reads.get(number) ?? 0) + 1;
        reads.set(number, times);
        // The sender reads each pack once; what it sends of pack 1 is damaged.
        if (number === 1 && times === 1) bytes[bytes.length - 1]! ^= 1;
        return bytes;
      },
    }),
  });
  try {
    const target = dirtyDisk(site);
    const received = await receiveStream(optionsFor(site, await site.open(), target));
    assert(received.wrongPacks >= 1 && received.unicastPacks >= 1);
    assertSame(target.bytes, site.golden.bytes);
  } finally {
    await site.close();
  }
});

test("receive: forged datagrams of right checksum change nothing", async () => {
  const site = await openSite();
  const stranger = createSocket("udp4");
  try {
    const stream = await site.open({ rateBytesPerSecond: 2_000_000 });
    const { description } = stream;
    await new Promise<void>((resolve) => stranger.bind(0, loopback, resolve));
    stranger.setMulticastInterface(loopback);
    const target = dirtyDisk(site);
    let forged = 0;
    const received = await receiveStream(
      optionsFor(site, stream, target, {
        beforeWrite: async () => {
          for (let symbol = 0; symbol < 100; symbol += 10) {
            const payload = new Uint8Array(description.symbolBytes).fill(0x66);
            const packet = {
              kind: PacketKind.symbol,
              symbol,
              plannedParity: 0,
              block: 1,
              sequence: 2 ** 31 + symbol,
              sendTimeTenthsMs: 0,
              payload,
            };
            await new Promise<void>((resolve, reject) => {
              stranger.send(
                encodePacket(packet, packetFormat(description)),
                description.port,
                description.group,
                (error) => (error === null ? resolve() : reject(error)),
              );
            });
            forged += 1;
          }
          return { isZeroed: false };
        },
      }),
    );
    assert.equal(forged, 10);
    assert(received.wrongPacks >= 1, "they were kept and found out");
    assertSame(target.bytes, site.golden.bytes);
  } finally {
    stranger.close();
    await site.close();
  }
});

test("receive: a server whose packs stay wrong is given up, and the disk does not look bootable", async () => {
  const site = await openSite({
    packs: (right) => ({
      async read(pack, number) {
        const bytes = Uint8Array.from(await right.read(pack, number));
        if (number === 0) bytes[100]! ^= 1;
        return bytes;
      },
    }),
  });
  try {
    const stream = await site.open();
    const target = dirtyDisk(site);
    await assert.rejects(receiveStream(optionsFor(site, stream, target)), { code: "PACK_WRONG" });
    assert.equal(
      target.done.some((step) => step !== "flush" && step.write === 0),
      false,
    );
    await stream.ended;
    assert.deepEqual(
      stream.receivers.map(({ state }) => state),
      ["failed"],
    );
  } finally {
    await site.close();
  }
});

/** A server that says another port than it sends to: as if a firewall took the group away. */
const toAnotherPort: SiteOptions["hub"] = (hub) => ({
  ...hub,
  get: (streamId) => {
    const stream = hub.get(streamId);
    return new Proxy(stream, {
      get: (_, key) => {
        if (key === "infoFor")
          return async () => ({ ...stream.info(), description: { ...stream.info().description, port: 1099 } });
        const value: unknown = Reflect.get(stream, key, stream);
        return typeof value === "function" ? value.bind(stream) : value;
      },
    });
  },
});

/** What does not arrive must not have erased anything. */
async function assertNotArriving(
  site: Site,
  stream: RunningStream,
  change: Partial<ReceiveOptions>,
  why: RegExp,
): Promise<void> {
  let isErased = false;
  const beforeWrite = async () => {
    isErased = true;
    return { isZeroed: false };
  };
  const target = dirtyDisk(site);
  const receiving = receiveStream(optionsFor(site, stream, target, { beforeWrite, ...change }));
  await assert.rejects(receiving, { code: "STREAM_NOT_ARRIVING", why });
  assert.equal(isErased, false);
  assert.equal(target.done.length, 0);
}

test("receive: a group that does not arrive erases nothing and says what came", async () => {
  const site = await openSite({ hub: toAnotherPort });
  try {
    await assertNotArriving(site, await site.open(), { arriveMs: 600 }, /for this group/);
  } finally {
    await site.close();
  }
});

test("receive: a group that does not arrive erases nothing; a server that died meanwhile is the reason", async () => {
  const site = await openSite({ hub: toAnotherPort });
  try {
    const stream = await site.open();
    let isAway = false;
    const onProgress = () => {
      if (stream.receivers.length === 0 || isAway) return;
      isAway = true;
      void site.close();
    };
    await assertNotArriving(site, stream, { arriveMs: 4_000, onProgress }, /cannot be reached/);
  } finally {
    await site.close();
  }
});

test("receive: a stream that falls silent for good is given up", async () => {
  const site = await openSite();
  try {
    const stream = await site.open({ waitFor: 2, once: false });
    const receiving = receiveStream(
      optionsFor(site, stream, dirtyDisk(site), {
        timeoutMs: 1_000,
        beforeWrite: async () => {
          // The whole server goes away.
          await site.close();
          return { isZeroed: false };
        },
      }),
    );
    await assert.rejects(receiving, { code: "STREAM_SILENT" });
  } finally {
    await site.close();
  }
});

test("receive: it can be stopped, and the server is told", async () => {
  const site = await openSite();
  try {
    const stream = await site.open({ waitFor: 2, once: false });
    const controller = new AbortController();
    const beforeWrite = async () => {
      controller.abort(new Error("cancelled"));
      return { isZeroed: false };
    };
    const receiving = receiveStream(
      optionsFor(site, stream, dirtyDisk(site), { beforeWrite, signal: controller.signal }),
    );
    await assert.rejects(receiving, { message: "cancelled" });
    assert.deepEqual(
      stream.receivers.map(({ state }) => state),
      ["left"],
    );
  } finally {
    await site.close();
  }
});

test("receive: a target that is too small, and an image of another site, are refused before anything", async () => {
  const site = await openSite();
  try {
    const stream = await site.open();
    const small = new MemoryDisk(new Uint8Array(1000));
    await assert.rejects(receiveStream(optionsFor(site, stream, small)), { code: "TARGET_TOO_SMALL" });
    const trusted = [generateKeyPairSync("ed25519").publicKey];
    await assert.rejects(receiveStream(optionsFor(site, stream, dirtyDisk(site), { trusted })), {
      code: "MANIFEST_UNTRUSTED",
    });
    assert.equal(stream.receivers.length, 0);
    assert.equal(small.done.length, 0);
  } finally {
    await site.close();
  }
});

test("receive: little memory and a slow disk", async () => {
  const site = await openSite({ golden: goldenDisk(4 * 1024 * 1024) });
  try {
    class SlowDisk extends MemoryDisk {
      override async write(offset: number, bytes: Uint8Array): Promise<void> {
        for (let turn = 0; turn < 200; turn += 1) await new Promise((resolve) => setImmediate(resolve));
        await super.write(offset, bytes);
      }
    }
    const target = new SlowDisk(new Uint8Array(site.manifest.diskBytes));
    const options = optionsFor(site, await site.open({ once: false }), target, {
      memoryBytes: 1,
      beforeWrite: async () => ({ isZeroed: true }),
    });
    await receiveStream(options);
    assertSame(target.bytes, site.golden.bytes);
  } finally {
    await site.close();
  }
});
