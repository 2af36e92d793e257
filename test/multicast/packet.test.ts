import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import {
  type DropReason,
  decodePacket,
  dropReasons,
  encodePacket,
  PACKET_HEADER_BYTES,
  type Packet,
  PacketKind,
  PacketStamp,
  packetFormat,
  writePacket,
} from "../../multicast/packet.ts";

const format = packetFormat({ streamId: "0123456789abcdef", symbolBytes: 8 });

/** Laid out by another program after the table in packet.ts, with Python's zlib for the checksum. */
const vectors: { name: string; hex: string; packet: Packet }[] = [
  {
    name: "a source symbol",
    hex: "b5 7f 00 010203 8001 01234567 fffffffe 5202a672 0102030405060708",
    packet: {
      kind: PacketKind.symbol,
      symbol: 127,
      plannedParity: 0,
      block: 66051,
      sequence: 4294967294,
      sendTimeTenthsMs: 32769,
      payload: Buffer.from("0102030405060708", "hex"),
    },
  },
  {
    name: "a canary of the tail",
    hex: "b7 00 19 000007 2710 01234567 00000000 8725f1d2 0000000000000000",
    packet: {
      kind: PacketKind.canary,
      symbol: 0,
      plannedParity: 25,
      block: 7,
      sequence: 0,
      sendTimeTenthsMs: 10000,
      payload: Buffer.from("0000000000000000", "hex"),
    },
  },
  {
    name: "a parity symbol",
    hex: "b6 83 05 00ffff 0000 01234567 00000010 2ca3ee4e ffffffffffffffff",
    packet: {
      kind: PacketKind.repair,
      symbol: 131,
      plannedParity: 5,
      block: 65535,
      sequence: 16,
      sendTimeTenthsMs: 0,
      payload: Buffer.from("ffffffffffffffff", "hex"),
    },
  },
];

for (const { name, hex, packet } of vectors) {
  const bytes = Buffer.from(hex.replaceAll(" ", ""), "hex");

  test(`packet: ${name}`, () => {
    assert.equal(Buffer.from(encodePacket(packet, format)).toString("hex"), bytes.toString("hex"));
    const decoded = decodePacket(bytes, format);
    assert(typeof decoded !== "string");
    assert.deepEqual(
      { ...decoded, payload: Buffer.from(decoded.payload) },
      { ...packet, payload: Buffer.from(packet.payload) },
    );
  });

  test(`packet: ${name}, every cut and every longer one is refused`, () => {
    for (let cut = 0; cut < bytes.length; cut += 1)
      assert.equal(decodePacket(bytes.subarray(0, cut), format), "wrong-size");
    assert.equal(decodePacket(Buffer.concat([bytes, Buffer.alloc(1)]), format), "wrong-size");
  });

  test(`packet: ${name}, every flipped bit is seen`, () => {
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      assert.equal(typeof decodePacket(changed, format), "string", `bit ${bit}`);
    }
  });
}

test("packet: what is dropped says why", () => {
  const good = Buffer.from(encodePacket(vectors[0]!.packet, format));
  const changed = (at: number, value: number): Buffer => {
    const bytes = Buffer.from(good);
    bytes[at] = value;
    bytes.writeUInt32BE(0, 16);
    bytes.writeUInt32BE(crc32(bytes, format.checksumSeed), 16);
    return bytes;
  };
  const cases: [DropReason, Buffer][] = [
    ["wrong-kind", changed(0, 0xb4)],
    ["wrong-kind", changed(0, 0xb8)],
    ["other-stream", changed(11, 0xee)],
    ["other-stream", changed(8, 0xee)],
  ];
  for (const [reason, bytes] of cases) assert.equal(decodePacket(bytes, format), reason);
  good[24]! ^= 1;
  assert.equal(decodePacket(good, format), "wrong-checksum");
  const namesake = packetFormat({ streamId: "0123456700000000", symbolBytes: 8 });
  assert.equal(decodePacket(encodePacket(vectors[0]!.packet, namesake), format), "wrong-checksum");
});

test("packet: a short payload is filled up with zeros", () => {
  const decoded = decodePacket(
    encodePacket({ ...vectors[0]!.packet, payload: Buffer.from("0102", "hex") }, format),
    format,
  );
  assert(typeof decoded !== "string");
  assert.deepEqual(Buffer.from(decoded.payload), Buffer.from("0102000000000000", "hex"));
});

test("packet: what is encoded is decoded, also from the middle of a larger buffer", () => {
  const uint = (bits: number) => fc.integer({ min: 0, max: 2 ** bits - 1 });
  const packets = fc.record({
    kind: fc.constantFrom(...Object.values(PacketKind)),
    symbol: uint(8),
    plannedParity: uint(8),
    block: uint(24),
    sequence: uint(32),
    sendTimeTenthsMs: uint(16),
    payload: fc.uint8Array({ minLength: 8, maxLength: 8 }),
  });
  fc.assert(
    fc.property(packets, (packet) => {
      const larger = Buffer.concat([Buffer.alloc(3, 1), encodePacket(packet, format), Buffer.alloc(3, 1)]);
      const decoded = decodePacket(larger.subarray(3, 3 + PACKET_HEADER_BYTES + 8), format);
      assert(typeof decoded !== "string");
      assert.deepEqual({ ...decoded, payload: Uint8Array.from(decoded.payload) }, { ...packet });
    }),
  );
});

test("packet: any bytes decode or are dropped for a reason", () => {
  const sizes = fc.oneof(fc.uint8Array({ maxLength: 64 }), fc.uint8Array({ minLength: 28, maxLength: 28 }));
  fc.assert(
    fc.property(sizes, (bytes) => {
      const decoded = decodePacket(bytes, format);
      assert(typeof decoded === "object" || dropReasons.includes(decoded));
    }),
  );
});

test("a row of packets that is written first and stamped later is what is made one by one, also in shared memory", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 9 }),
      fc.nat(0xffff_ffff),
      fc.array(fc.nat(0xffff), { minLength: 9, maxLength: 9 }),
      fc.nat(255),
      (symbolBytes, count, sequence, times, seed) => {
        const rowFormat = packetFormat({ streamId: "0123456789abcdef", symbolBytes });
        const stamp = new PacketStamp(rowFormat);
        // The last one may be shorter.
        const payload = Uint8Array.from({ length: count * symbolBytes - (seed % symbolBytes) }, (_, at) => at * seed);
        const first = { kind: PacketKind.symbol, symbol: 3, plannedParity: 2, block: 70_000, sequence, payload };
        for (let at = 0; at < count; at += 1) {
          const bytes = new Uint8Array(new SharedArrayBuffer(PACKET_HEADER_BYTES + symbolBytes)).fill(0x55);
          writePacket(bytes, first, rowFormat, at);
          stamp.stamp(bytes, times[at]!);
          const single = encodePacket(
            {
              ...first,
              symbol: 3 + at,
              sequence: (sequence + at) >>> 0,
              sendTimeTenthsMs: times[at]!,
              payload: payload.subarray(at * symbolBytes, (at + 1) * symbolBytes),
            },
            rowFormat,
          );
          assert.deepEqual(Buffer.from(bytes), Buffer.from(single));
        }
      },
    ),
  );
});
