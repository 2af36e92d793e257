import assert from "node:assert/strict";
import { test } from "node:test";
import { PackPipeline } from "../../../agent/stream/pack-pipeline.ts";
import { PackWriter } from "../../../agent/stream/pack-writer.ts";
import { openPlainUnpacker, type Unpacker } from "../../../agent/stream/unpacker.ts";
import { rawFilePacks } from "../../../images/pack-reader.ts";
import { scan } from "../../../images/scan.ts";
import { StreamLayout } from "../../../multicast/layout.ts";
import { encodePacket, PacketKind, packetFormat } from "../../../multicast/packet.ts";
import { ParityCodec } from "../../../multicast/parity.ts";
import { StreamReceiver } from "../../../multicast/receiver.ts";
import { randomOf } from "../../multicast/streams.ts";
import { goldenDisk, MemoryDisk, silentLog } from "./local-stream.ts";

const shape = { symbolBytes: 1452, symbolsPerBlock: 16 };

/** A disk whose every write waits until it is let go. */
class GatedDisk extends MemoryDisk {
  #isOpen = false;
  readonly #waiting: (() => void)[] = [];
  writing = 0;

  override async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.writing += 1;
    if (!this.#isOpen) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    await super.write(offset, bytes);
    this.writing -= 1;
  }

  open(): void {
    this.#isOpen = true;
    for (const go of this.#waiting.splice(0)) go();
  }
}

/** A stream of the golden disk, its receiver, and the way from there to `target`. */
async function openPipeline(
  target: MemoryDisk,
  options: { memoryBytes: number; dataBytes?: number; unpacker?: Unpacker },
) {
  const golden = goldenDisk(target.bytes.length);
  const random = randomOf(7);
  for (let at = 1 << 20; at < (options.dataBytes ?? 0); at += 1) golden.bytes[at] = random() * 256;
  const tag = { name: "golden", version: 1, builder: "test", createdAtMs: 0, notes: "" };
  const manifest = await scan(golden, { tag, codec: "stored", onPack: async () => undefined });
  const reader = rawFilePacks(golden, manifest);
  const packs = await Promise.all(manifest.packs.map((pack, number) => reader.read(pack, number)));
  const description = {
    ...{ streamId: "00000000000000a1", manifestDigest: "", group: "239.192.66.1", port: 7801 },
    ...{ ...shape, packs: [[0, packs.length]] as const, rateBytesPerSecond: 1 },
    streamBytes: packs.reduce((sum, { length }) => sum + length, 0),
  };
  const layout = new StreamLayout(description, manifest.packs);
  const content = new Uint8Array(layout.symbolCount * shape.symbolBytes);
  content.set(Buffer.concat(packs));
  const receiver = new StreamReceiver(description, layout, {
    memoryBytes: options.memoryBytes,
    silenceMs: 5_000,
    now: 0,
    random: () => 0,
  });
  const complete = Promise.withResolvers<void>();
  const onPack = () => {
    if (receiver.isComplete) complete.resolve();
  };
  const pipeline = new PackPipeline({
    manifest,
    layout,
    receiver,
    unpacker: options.unpacker ?? openPlainUnpacker(shape),
    writer: new PackWriter(manifest, target),
    onPack,
    onFailure: complete.reject,
    log: silentLog,
  });
  const format = packetFormat(description);
  const codec = new ParityCodec(shape.symbolsPerBlock, shape.symbolBytes);
  let sequence = 0;
  /** Sends one symbol; those from `symbolsPerBlock` on are parity. */
  const send = (block: number, symbol: number, now: number) => {
    const blockBytes = shape.symbolsPerBlock * shape.symbolBytes;
    const bytes = content.subarray(block * blockBytes, (block + 1) * blockBytes);
    const isParity = symbol >= shape.symbolsPerBlock;
    const payload = isParity
      ? codec.encode(bytes, symbol)
      : bytes.subarray(symbol * shape.symbolBytes, (symbol + 1) * shape.symbolBytes);
    const kind = isParity ? PacketKind.repair : PacketKind.symbol;
    const packet = { kind, symbol, plannedParity: 0, block, sequence, sendTimeTenthsMs: 0, payload };
    sequence += 1;
    return receiver.onDatagram(encodePacket(packet, format), now);
  };
  const sendAll = (now: number, isLost: (symbol: number) => boolean = () => false): string[] => {
    const fates: string[] = [];
    for (let block = 0; block < layout.blockCount; block += 1) {
      for (let symbol = 0; symbol < layout.symbolsOfBlock(block); symbol += 1) {
        if (!isLost(symbol)) fates.push(send(block, symbol, now));
      }
      pipeline.pump();
    }
    return fates;
  };
  return { golden, layout, manifest, receiver, pipeline, complete: complete.promise, send, sendAll };
}

/** All that can be done without the target was done. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

function assertRestored(target: MemoryDisk, golden: MemoryDisk): void {
  // The partition table is written at the very end, and not by the pipeline.
  const from = 1 << 16;
  assert.equal(Buffer.compare(target.bytes.subarray(from), golden.bytes.subarray(from)), 0);
}

test("a disk that stands still loses nothing that was received", async () => {
  const target = new GatedDisk(new Uint8Array(goldenDisk().bytes.length));
  const { golden, receiver, pipeline, complete, sendAll } = await openPipeline(target, { memoryBytes: 1 << 23 });
  assert.deepEqual([...new Set(sendAll(0))], ["kept"]);
  await settled();
  assert.equal(target.writing, 1, "one write after the other");
  assert.equal(receiver.packsDone, 0);
  assert.equal(receiver.takeFeedback(10_000), undefined, "nothing is asked for again");
  target.open();
  await complete;
  assertRestored(target, golden);
  assert.equal(receiver.heldBytes, 0);
  await pipeline.stop();
});

test("a slow disk bounds memory, says so, and holds back the requests until it has caught up", async () => {
  const target = new GatedDisk(new Uint8Array(6 << 20));
  const { golden, layout, receiver, pipeline, complete, send, sendAll } = await openPipeline(target, {
    memoryBytes: 1 << 20,
    dataBytes: 5 << 20,
  });
  assert(new Set(sendAll(0)).has("no-room"));
  await settled();
  assert(receiver.heldBytes <= receiver.memory.length);
  let now = 10_000;
  for (let asked = receiver.takeFeedback(now); asked !== undefined; asked = receiver.takeFeedback(now)) {
    for (const block of asked.wishes.flatMap((wish) =>
      Array.from({ length: wish.count }, (_, at) => wish.block + at),
    )) {
      for (let symbol = 0; symbol < layout.symbolsOfBlock(block); symbol += 1) {
        assert.notEqual(send(block, symbol, now), "no-room", "there is room for what it asks for");
      }
    }
    pipeline.pump();
    await settled();
    now += 10_000;
  }
  assert(receiver.packsDone === 0 && receiver.fates.get("no-room")! > 0, "and it does not ask for the rest");
  assert.deepEqual(pipeline.takeDiskUse(), { waitsForDisk: true });
  assert.deepEqual(pipeline.takeDiskUse(), { waitsForDisk: false }, "nothing more was thrown away");
  target.open();
  while (!receiver.isComplete) {
    await settled();
    sendAll(0);
  }
  await complete;
  assertRestored(target, golden);
  assert((pipeline.takeDiskUse().writeBytesPerSecond ?? 0) > 0);
  assert.deepEqual(pipeline.takeDiskUse(), { waitsForDisk: false }, "nothing was written since");
});

test("what is lost is repaired on the way", async () => {
  const target = new MemoryDisk(new Uint8Array(goldenDisk().bytes.length));
  const { golden, layout, receiver, pipeline, complete, send, sendAll } = await openPipeline(target, {
    memoryBytes: 1 << 23,
  });
  sendAll(0, (symbol) => symbol === 0 || symbol === 5);
  for (let block = 0; block < layout.blockCount; block += 1) {
    send(block, 20, 0);
    send(block, 255, 0);
    pipeline.pump();
  }
  await complete;
  assertRestored(target, golden);
  assert(receiver.symbolsRepaired > layout.blockCount);
});

test("wrong packs are counted and wanted by unicast; a target that fails ends it", async () => {
  const plain = openPlainUnpacker(shape);
  const target = new MemoryDisk(new Uint8Array(goldenDisk().bytes.length));
  const { receiver, pipeline, sendAll } = await openPipeline(target, {
    memoryBytes: 1 << 23,
    unpacker: {
      ...plain,
      unpack(ready, names) {
        if (ready.pack === 1) ready.pieces[0]![99]! ^= 1;
        return plain.unpack(ready, names);
      },
    },
  });
  sendAll(0);
  await settled();
  assert.equal(pipeline.wrongPacks, 1);
  assert.deepEqual([...receiver.wantedByUnicast(0)], [], "the group may bring it");
  sendAll(1_000);
  await settled();
  assert.equal(pipeline.wrongPacks, 2);
  assert.deepEqual([...receiver.wantedByUnicast(0)], [1]);
  assert.equal(receiver.heldBytes, 0);

  class BrokenDisk extends MemoryDisk {
    override async write(): Promise<void> {
      throw new Error("the cable");
    }
  }
  const broken = await openPipeline(new BrokenDisk(target.bytes), { memoryBytes: 1 << 23 });
  broken.sendAll(0);
  await assert.rejects(broken.complete, { message: "the cable" });
  await broken.pipeline.stop();
});

test("it stops when the write that goes on has ended, and begins no other", async () => {
  const target = new GatedDisk(new Uint8Array(goldenDisk().bytes.length));
  const { pipeline, sendAll } = await openPipeline(target, { memoryBytes: 1 << 23 });
  sendAll(0);
  await settled();
  let isStopped = false;
  const stopped = pipeline.stop().then(() => {
    isStopped = true;
  });
  await settled();
  assert.equal(isStopped, false);
  const before = target.done.length;
  target.open();
  await stopped;
  assert(target.done.length > before, "the write that went on");
  const after = target.done.length;
  await settled();
  assert.equal(target.done.length, after);
});
