import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { DhcpOption, DhcpPacket } from "../../bsdp/dhcp-packet.ts";
import {
  clientMac,
  decodeCookieAndOptions,
  decodeDhcpPacket,
  encodeDhcpPacket,
  optionData,
  optionInstances,
} from "../../bsdp/dhcp-packet.ts";
import { messageTypeName, messageTypeOf } from "../../bsdp/dhcp-values.ts";
import { Fault } from "../../fault.ts";
import { bytesOf, hexOf, packetVectors, vectorNamed } from "./packet-vectors.ts";

const pairs = (options: readonly DhcpOption[]) => options.map(({ code, data }) => [code, hexOf(data)]);
const packets = packetVectors.filter((vector) => vector.layer === "udp-payload" && vector.family !== "tftp");

/** A packet with all fixed fields, to be changed by a test. */
function packetWith(changes: Partial<DhcpPacket>): DhcpPacket {
  return { ...decodeDhcpPacket(bytesOf(vectorNamed("fw-discover-i386").hex)), ...changes };
}

test("there are packets to test with", () => assert(packets.length > 50));

for (const vector of packets) {
  const bytes = bytesOf(vector.hex);
  test(`DHCP packet: ${vector.name}`, () => {
    const packet = decodeDhcpPacket(bytes);
    const expect = vector.expect;
    assert.deepEqual(pairs(packet.options), expect.options);
    for (const field of [
      "op",
      "htype",
      "hlen",
      "hops",
      "secs",
      "ciaddr",
      "yiaddr",
      "siaddr",
      "giaddr",
      "sname",
      "file",
    ]) {
      if (field in expect) assert.equal(packet[field as keyof DhcpPacket], expect[field], field);
    }
    if ("xid" in expect) assert.equal(packet.xid, Number.parseInt(expect.xid, 16));
    if ("flags" in expect) assert.equal(packet.flags, Number.parseInt(expect.flags, 16));
    if ("chaddr" in expect && packet.hlen === 6) assert.equal(clientMac(packet), expect.chaddr);
    if ("messageType" in expect) assert.equal(messageTypeName(messageTypeOf(packet)), expect.messageType);
    if ("vendorClass" in expect) assert.equal(Buffer.from(optionData(packet, 60)!).toString(), expect.vendorClass);
    if ("option43Instances" in expect) assert.equal(optionInstances(packet, 43).length, expect.option43Instances);
  });

  test(`DHCP packet: ${vector.name}, encoded again, is the same bytes`, () => {
    const again = encodeDhcpPacket(decodeDhcpPacket(bytes), { minimumBytes: bytes.length });
    assert.equal(hexOf(again), hexOf(bytes));
  });

  test(`DHCP packet: ${vector.name}, cut anywhere, is refused or ends at a whole option`, () => {
    const all = pairs(decodeDhcpPacket(bytes).options);
    const ends = new Set<number>([240]);
    let end = 240;
    for (const [, hex] of all) {
      end += 2 + (hex as string).length / 2;
      ends.add(end);
    }
    for (let cut = 0; cut < bytes.length; cut += 1) {
      const part = bytes.subarray(0, cut);
      if (cut < 240) assert.throws(() => decodeDhcpPacket(part), { code: "DHCP_TRUNCATED" });
      else if (cut >= end) assert.deepEqual(pairs(decodeDhcpPacket(part).options), all);
      else if (ends.has(cut)) {
        const found = pairs(decodeDhcpPacket(part).options);
        assert.deepEqual(found, all.slice(0, found.length));
      } else assert.throws(() => decodeDhcpPacket(part), { code: "DHCP_OPTION_OVERRUN" }, `cut at ${cut}`);
    }
  });
}

for (const vector of packetVectors.filter((one) => one.layer === "magic+options")) {
  test(`cookie and options: ${vector.name}`, () => {
    if (vector.expect.ok) assert.deepEqual(pairs(decodeCookieAndOptions(bytesOf(vector.hex))), vector.expect.options);
    else assert.throws(() => decodeCookieAndOptions(bytesOf(vector.hex)), { code: "DHCP_NO_COOKIE" });
  });
}

test("option 52 = 3 reads the options in file, then those in sname", () => {
  const plain = encodeDhcpPacket(packetWith({ options: [{ code: 52, data: Uint8Array.of(3) }] }));
  plain.set([67, 2, 0x61, 0x62, 255], 108);
  plain.set([0, 66, 1, 0x63, 255], 44);
  const packet = decodeDhcpPacket(plain);
  assert.deepEqual(pairs(packet.options), [
    [52, "03"],
    [67, "6162"],
    [66, "63"],
  ]);
  assert.equal(packet.file, "");
  assert.equal(packet.sname, "");
});

test("option 52 with an impossible value is refused", () => {
  const bytes = encodeDhcpPacket(packetWith({ options: [{ code: 52, data: Uint8Array.of(4) }] }));
  assert.throws(() => decodeDhcpPacket(bytes), { code: "DHCP_BAD_FIELD" });
});

test("long data is split into instances and joined again (RFC 3396)", () => {
  const data = Uint8Array.from({ length: 600 }, (_, at) => at & 255);
  const packet = decodeDhcpPacket(encodeDhcpPacket(packetWith({ options: [{ code: 121, data }] })));
  assert.deepEqual(
    optionInstances(packet, 121).map((part) => part.length),
    [255, 255, 90],
  );
  assert.equal(hexOf(optionData(packet, 121)!), hexOf(data));
});

test("an instance of option 43 is never split", () => {
  const options = [{ code: 43, data: new Uint8Array(256) }];
  assert.throws(() => encodeDhcpPacket(packetWith({ options })), { code: "DHCP_BAD_FIELD" });
});

test("what does not fit is a Fault, not a cut text", () => {
  assert.throws(() => encodeDhcpPacket(packetWith({ file: "x".repeat(128) })), { code: "DHCP_BAD_FIELD" });
  assert.throws(() => encodeDhcpPacket(packetWith({ sname: "x".repeat(64) })), { code: "DHCP_BAD_FIELD" });
  const options = [{ code: 12, data: new Uint8Array(8000) }];
  assert.throws(() => encodeDhcpPacket(packetWith({ options })), { code: "DHCP_TOO_LONG" });
});

test("a payload of 8164 bytes is written, one byte more is not", () => {
  // 31 instances of 255 bytes and one of the rest fill the room between the cookie and the end mark.
  const room = 8164 - 240 - 1;
  const data = new Uint8Array(room - 2 * Math.ceil(room / 257));
  const options = [{ code: 12, data }];
  assert.equal(encodeDhcpPacket(packetWith({ options })).length, 8164);
  const longer = [{ code: 12, data: new Uint8Array(data.length + 1) }];
  assert.throws(() => encodeDhcpPacket(packetWith({ options: longer })), { code: "DHCP_TOO_LONG" });
});

const anyAddress = fc.ipV4();
const anyText = (maxLength: number) =>
  fc.string({ maxLength, unit: fc.integer({ min: 1, max: 255 }).map((code) => String.fromCharCode(code)) });
const anyPacket: fc.Arbitrary<DhcpPacket> = fc.record({
  op: fc.integer({ min: 0, max: 255 }),
  htype: fc.integer({ min: 0, max: 255 }),
  hlen: fc.integer({ min: 0, max: 16 }),
  hops: fc.integer({ min: 0, max: 255 }),
  xid: fc.integer({ min: 0, max: 0xffffffff }),
  secs: fc.integer({ min: 0, max: 0xffff }),
  flags: fc.integer({ min: 0, max: 0xffff }),
  ciaddr: anyAddress,
  yiaddr: anyAddress,
  siaddr: anyAddress,
  giaddr: anyAddress,
  chaddr: fc.uint8Array({ minLength: 16, maxLength: 16 }),
  sname: anyText(63),
  file: anyText(127),
  options: fc.array(
    fc.record({
      // 52 gives sname and file another meaning; that has a test of its own.
      code: fc.integer({ min: 1, max: 254 }).filter((code) => code !== 52),
      data: fc.uint8Array({ maxLength: 255 }),
    }),
    { maxLength: 20 },
  ),
});

test("any packet comes back as it went", () => {
  fc.assert(
    fc.property(anyPacket, (packet) => {
      const back = decodeDhcpPacket(encodeDhcpPacket(packet));
      assert.deepEqual(
        { ...back, chaddr: hexOf(back.chaddr), options: pairs(back.options) },
        {
          ...packet,
          chaddr: hexOf(packet.chaddr),
          options: pairs(packet.options),
        },
      );
    }),
  );
});

test("any bytes decode or are refused, never anything else", () => {
  const withCookie = fc
    .tuple(fc.uint8Array({ minLength: 236, maxLength: 236 }), fc.uint8Array({ maxLength: 400 }))
    .map(([head, tail]) => Uint8Array.from([...head, 0x63, 0x82, 0x53, 0x63, ...tail]));
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 600 }), withCookie), (bytes) => {
      try {
        decodeDhcpPacket(bytes);
      } catch (error) {
        assert(error instanceof Fault && error.code.startsWith("DHCP_"));
      }
    }),
    { numRuns: 500 },
  );
});
