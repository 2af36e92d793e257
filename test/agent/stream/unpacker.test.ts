import assert from "node:assert/strict";
import { test } from "node:test";
import { openThreadedUnpacker } from "../../../agent/stream/threaded-unpacker.ts";
import { openPlainUnpacker, type Unpacker } from "../../../agent/stream/unpacker.ts";
import { CELL_BYTES } from "../../../images/cell.ts";
import { type EncodedPack, encodePack, type PackCodec } from "../../../images/pack.ts";
import { ParityCodec } from "../../../multicast/parity.ts";
import { randomOf } from "../../multicast/streams.ts";
import { silentLog } from "./local-stream.ts";

const format = { symbolsPerBlock: 8, symbolBytes: 1452 };
const memoryBytes = 8 << 20;

const ways: readonly (readonly [string, (memory: Uint8Array) => Promise<Unpacker | undefined>])[] = [
  ["in a thread", (memory) => openThreadedUnpacker(format, memory, silentLog)],
  ["in this thread", async () => openPlainUnpacker(format)],
];

function sharedMemory(): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(memoryBytes));
}

function cellsOf(seed: number, count: number): Uint8Array[] {
  const random = randomOf(seed);
  return Array.from({ length: count }, (_, cell) => {
    const length = cell === count - 1 ? CELL_BYTES - 100 : CELL_BYTES;
    return Uint8Array.from({ length }, () => random() * 16);
  });
}

/** Puts a pack into memory in pieces, as blocks that lie apart. */
function inPieces(memory: Uint8Array, from: number, { bytes }: EncodedPack): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += 100_000) {
    const part = bytes.subarray(at, at + 100_000);
    const piece = memory.subarray(from + at * 2, from + at * 2 + part.length);
    piece.set(part);
    pieces.push(piece);
  }
  return pieces;
}

for (const [name, open] of ways) {
  test(`unpacking ${name}: the cells of right packs, and a Fault for wrong ones`, async () => {
    const memory = sharedMemory();
    const unpacker = (await open(memory))!;
    try {
      for (const codec of ["stored", "zstd"] satisfies PackCodec[]) {
        const cells = cellsOf(1, 3);
        const pack = await encodePack(cells, codec);
        const pieces = inPieces(memory, 0, pack);
        const unpacked = await unpacker.unpack({ pack: 0, pieces }, pack);
        assert.equal(Buffer.compare(Buffer.concat(unpacked.cells), Buffer.concat(cells)), 0, codec);
        assert.deepEqual(
          unpacked.cells.map(({ length }) => length),
          cells.map(({ length }) => length),
        );
        unpacked.free();
        pieces[0]![50]! ^= 1;
        await assert.rejects(unpacker.unpack({ pack: 0, pieces }, pack), { code: "PACK_DAMAGED" });
      }
    } finally {
      await unpacker.close();
    }
  });

  test(`repairing ${name}: the missing symbols are in their places`, async () => {
    const memory = sharedMemory();
    const unpacker = (await open(memory))!;
    try {
      const random = randomOf(2);
      const content = Uint8Array.from({ length: 8 * 1452 }, () => random() * 256);
      const bytes = memory.subarray(4096, 4096 + content.length);
      bytes.set(content);
      const codec = new ParityCodec(format.symbolsPerBlock, format.symbolBytes);
      for (const [missing, parity] of [
        [2, 9],
        [7, 255],
      ] as const) {
        bytes.set(codec.encode(content, parity), missing * 1452);
      }
      await unpacker.repair({ block: 3, bytes, missing: [2, 7], parity: [9, 255] });
      assert.equal(Buffer.compare(bytes, content), 0);
    } finally {
      await unpacker.close();
    }
  });
}

test("a thread unpacks several packs one after the other, and their places are used again", async () => {
  const memory = sharedMemory();
  const unpacker = (await openThreadedUnpacker(format, memory, silentLog))!;
  try {
    for (let round = 0; round < 3; round += 1) {
      const cells = Array.from({ length: unpacker.mostPacks }, (_, at) => cellsOf(round * 10 + at, 2));
      const packs = await Promise.all(cells.map((own) => encodePack(own, "stored")));
      const unpacked = await Promise.all(
        packs.map((pack, at) => unpacker.unpack({ pack: at, pieces: inPieces(memory, at * (1 << 20), pack) }, pack)),
      );
      for (const [at, { cells: own, free }] of unpacked.entries()) {
        assert.equal(Buffer.compare(Buffer.concat(own), Buffer.concat(cells[at]!)), 0);
        free();
      }
    }
  } finally {
    await unpacker.close();
  }
});

test("a thread that ends leaves nobody waiting, and fails what it is asked later", async () => {
  const memory = sharedMemory();
  const unpacker = (await openThreadedUnpacker(format, memory, silentLog))!;
  const pack = await encodePack(cellsOf(1, 2), "zstd");
  const ready = { pack: 0, pieces: inPieces(memory, 0, pack) };
  const asked = Promise.allSettled(Array.from({ length: unpacker.mostPacks }, () => unpacker.unpack(ready, pack)));
  await unpacker.close();
  // Some may have been done before it ended; nobody waits for ever.
  for (const one of await asked) if (one.status === "rejected") assert.equal(one.reason.code, "UNPACK_THREAD_ENDED");
  await assert.rejects(unpacker.unpack(ready, pack), { code: "UNPACK_THREAD_ENDED" });
});

test("where no thread can be started, nobody is told that there is one", async () => {
  assert.equal(await openThreadedUnpacker(format, new Uint8Array(memoryBytes), silentLog), undefined, "not shared");
  const impossible = { symbolsPerBlock: 200, symbolBytes: 2 ** 40 };
  assert.equal(await openThreadedUnpacker(impossible, sharedMemory(), silentLog), undefined, "it breaks at once");
});
