import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeArpReply, encodeArpRequest } from "../../multicast/arp.ts";
import { decodeIgmpQuery } from "../../multicast/igmp.ts";
import { decodeIPv4, IPProtocol, internetChecksum, udpPortOf } from "../../multicast/ipv4.ts";

const hex = (text: string) => Buffer.from(text.replaceAll(" ", ""), "hex");

// Queries as Linux's bridge sends them (mcast_querier 1, versions 2 and 3) and as RFC 3376, section 4.1 lays them out.
const queries = [
  { name: "to all, version 2", bytes: "11 64 ee9b 00000000", query: { version: 2, group: "0.0.0.0" } },
  { name: "to all, version 1", bytes: "11 00 eeff 00000000", query: { version: 1, group: "0.0.0.0" } },
  { name: "to all, version 3", bytes: "11 64 ec1e 00000000 02 7d 0000", query: { version: 3, group: "0.0.0.0" } },
  { name: "about one group", bytes: "11 0a bd33 efc0 4201", query: { version: 2, group: "239.192.66.1" } },
] as const;

for (const { name, bytes, query } of queries) {
  test(`IGMP query ${name}`, () => assert.deepEqual(decodeIgmpQuery(hex(bytes)), query));

  for (let cut = 0; cut < hex(bytes).length; cut += 1) {
    test(`IGMP query ${name}, cut at byte ${cut}, is none`, () => {
      assert.equal(decodeIgmpQuery(hex(bytes).subarray(0, cut)), undefined);
    });
  }

  test(`IGMP query ${name}, damaged anywhere, is none`, () => {
    for (let bit = 0; bit < hex(bytes).length * 8; bit += 1) {
      const damaged = hex(bytes);
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      assert.equal(decodeIgmpQuery(damaged), undefined);
    }
  });
}

test("IGMP reports are no queries", () => {
  const report = hex("16 00 0000 efc0 4201");
  report.writeUInt16BE(internetChecksum(report), 2);
  assert.equal(decodeIgmpQuery(report), undefined);
});

// Version 2's query inside IPv4 with the router alert option (RFC 2113), and the padding of Ethernet behind it.
const packet = "46 c0 0020 0000 4000 01 02 42bd 0a420001 e0000001 94040000 1164ee9b00000000";

test("an IPv4 packet with options and padding gives its payload", () => {
  const decoded = decodeIPv4(hex(`${packet} ${"00".repeat(14)}`));
  assert.deepEqual(decoded, {
    protocol: IPProtocol.igmp,
    source: "10.66.0.1",
    destination: "224.0.0.1",
    payload: hex("1164ee9b00000000"),
  });
});

test("an IPv4 packet is refused when its header is cut, and when it is a later fragment", () => {
  for (let cut = 0; cut < 24; cut += 1) assert.equal(decodeIPv4(hex(packet).subarray(0, cut)), undefined);
  const fragment = hex(packet);
  fragment.writeUInt16BE(0x2001, 6);
  assert.equal(decodeIPv4(fragment), undefined);
});

test("the port that a datagram goes to", () => {
  const datagram = hex("45 00 0020 0000 4000 40 11 0000 0a420001 efc04201 1234 1e79 000c 0000 00000000");
  assert.equal(udpPortOf(decodeIPv4(datagram)!), 7801);
  assert.equal(udpPortOf(decodeIPv4(datagram.subarray(0, 23))!), undefined);
});

test("ARP: the request as RFC 826 lays it out, the answer to it, every cut", () => {
  const us = { mac: "02:00:00:00:00:01", address: "10.66.0.1" };
  const gateway = { mac: "02:00:00:00:00:fe", address: "10.66.0.254" };
  const request = encodeArpRequest(us, gateway);
  assert.deepEqual(Buffer.from(request), hex("0001 0800 06 04 0001 020000000001 0a420001 0200000000fe 0a4200fe"));
  assert.equal(decodeArpReply(request), undefined);
  const reply = hex("0001 0800 06 04 0002 0200000000fe 0a4200fe 020000000001 0a420001");
  assert.deepEqual(decodeArpReply(reply), { senderMac: gateway.mac, sender: gateway.address });
  for (let cut = 0; cut < reply.length; cut += 1) assert.equal(decodeArpReply(reply.subarray(0, cut)), undefined);
});

test("any bytes are what they are, or nothing", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      const decoded = decodeIPv4(bytes);
      if (decoded !== undefined) assert(decoded.payload.length <= bytes.length - 20);
      decodeIgmpQuery(bytes);
      decodeArpReply(bytes);
    }),
  );
});
