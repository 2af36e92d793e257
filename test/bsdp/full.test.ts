import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseBoot } from "../../bsdp/boot-choice.ts";
import type { BootFiles } from "../../bsdp/boot-files.ts";
import { standardLoaders } from "../../bsdp/boot-files.ts";
import type { LeaseDecision } from "../../bsdp/dhcp-leases.ts";
import type { DhcpPacket } from "../../bsdp/dhcp-packet.ts";
import { decodeDhcpPacket, encodeDhcpPacket, optionAddress, optionData } from "../../bsdp/dhcp-packet.ts";
import { addressOption } from "../../bsdp/dhcp-values.ts";
import type { FullSettings } from "../../bsdp/full.ts";
import { fullReply } from "../../bsdp/full.ts";
import { pxeClientOf } from "../../bsdp/pxe-client.ts";
import { bytesOf, hexOf, vectorNamed } from "./packet-vectors.ts";

const settings: FullSettings = {
  serverAddress: "10.77.0.1",
  netmask: "255.255.255.0",
  networkAddress: "10.77.0.1",
  pools: [{ first: "10.77.0.50", last: "10.77.0.99" }],
  taken: new Set(["10.77.0.1"]),
  isOnly: true,
  leaseSeconds: 600,
  reservations: new Map(),
  router: "10.77.0.254",
  dns: ["10.77.0.1", "10.77.0.2"],
};
const files: BootFiles = {
  httpPort: 8440,
  loaders: standardLoaders,
  secureLoaders: {},
  diskLoaders: {},
  macImages: [],
  macPriority: 0,
};
const offer: LeaseDecision = { type: "offer", address: "10.77.0.50", isNew: true, changes: [] };

const requestOf = (name: string): DhcpPacket => decodeDhcpPacket(bytesOf(vectorNamed(name).hex));
const codes = (packet: DhcpPacket) => packet.options.map((option) => option.code);

function reply(request: DhcpPacket, decision: LeaseDecision, isBoot = true) {
  const client = isBoot ? pxeClientOf(request) : undefined;
  const choice = client && chooseBoot(client, { boot: "agent" }, files, settings.serverAddress);
  const found = fullReply(request, decision, settings, client && choice && { client, choice });
  assert(found !== undefined);
  return { ...found, packet: decodeDhcpPacket(encodeDhcpPacket(found.packet)) };
}

test("an OFFER has the address, the network and the boot data in one packet", () => {
  const { packet, to } = reply(requestOf("ovmf-x64-discover"), offer);
  assert.deepEqual(codes(packet), [53, 54, 51, 58, 59, 1, 3, 6, 28, 97]);
  assert.deepEqual(to, { address: "255.255.255.255", port: 68 });
  assert.equal(packet.yiaddr, "10.77.0.50");
  assert.equal(packet.siaddr, "10.77.0.1");
  assert.equal(packet.file, "x64/snponly.efi");
  assert.equal(optionAddress(packet, 1), "255.255.255.0");
  assert.equal(optionAddress(packet, 28), "10.77.0.255");
  assert.equal(hexOf(optionData(packet, 6)!), "0a4d00010a4d0002");
  assert.equal(hexOf(optionData(packet, 51)!), "00000258");
  assert.equal(hexOf(optionData(packet, 58)!), "0000012c");
  assert.equal(hexOf(optionData(packet, 59)!), "0000020d");
});

test("a client that boots nothing gets a plain lease", () => {
  const { packet } = reply(requestOf("ovmf-x64-discover"), offer, false);
  assert.equal(packet.siaddr, "0.0.0.0");
  assert.equal(packet.file + packet.sname, "");
  assert.deepEqual(codes(packet), [53, 54, 51, 58, 59, 1, 3, 6, 28]);
});

test("iPXE is told not to wait for a proxy, UEFI HTTP boot gets its class and URL, client ids come back", () => {
  const ipxe = reply(requestOf("ipxe-efi-discover"), offer).packet;
  assert.equal(hexOf(optionData(ipxe, 175)!), "b00101");
  assert.equal(hexOf(optionData(ipxe, 61)!), "01525400770001");
  const http = reply(requestOf("ovmf-x64-http-discover"), offer).packet;
  assert.equal(Buffer.from(optionData(http, 60)!).toString(), "HTTPClient");
  assert.equal(Buffer.from(optionData(http, 67)!).toString(), "http://10.77.0.1:8440/boot/x64/snponly.efi");
  assert.equal(http.file, "");
});

test("where an ACK goes: giaddr, ciaddr, else everybody", () => {
  const request = requestOf("ovmf-x64-request");
  const ack: LeaseDecision = { type: "acknowledge", address: "10.77.0.50", changes: [] };
  assert.deepEqual(reply(request, ack).to, { address: "255.255.255.255", port: 68 });
  assert.deepEqual(reply({ ...request, ciaddr: "10.77.0.50" }, ack).to, { address: "10.77.0.50", port: 68 });
  const relayed = { ...request, ciaddr: "10.77.0.50", giaddr: "10.77.0.2" };
  assert.deepEqual(reply(relayed, ack).to, { address: "10.77.0.2", port: 67 });
  const inform: LeaseDecision = { type: "inform", changes: [] };
  const informed = reply(relayed, inform);
  assert.deepEqual(informed.to, { address: "10.77.0.50", port: 68 });
  assert.equal(informed.packet.yiaddr, "0.0.0.0");
  assert.equal(optionData(informed.packet, 51), undefined);
});

test("a NAK has no address in it and reaches a client whose address is wrong", () => {
  const request = { ...requestOf("ovmf-x64-request"), ciaddr: "10.0.0.9", flags: 0 };
  const nak: LeaseDecision = { type: "refuse", why: "10.0.0.9 is not yours here", changes: [] };
  const { packet, to } = reply(request, nak);
  assert.deepEqual(to, { address: "255.255.255.255", port: 68 });
  assert.deepEqual(codes(packet), [53, 54, 56]);
  assert.equal(packet.ciaddr + packet.yiaddr, "0.0.0.00.0.0.0");
  const relayed = reply({ ...request, giaddr: "10.77.0.2" }, nak);
  assert.deepEqual(relayed.to, { address: "10.77.0.2", port: 67 });
  assert.equal(relayed.packet.flags, 0x8000);
});

test("an option of the configuration replaces ours of the same code", () => {
  const own = { ...settings, options: [addressOption(3, "10.77.0.9"), addressOption(42, "10.77.0.8")] };
  const found = fullReply(requestOf("ovmf-x64-discover"), offer, own);
  assert.equal(optionAddress(found!.packet, 3), "10.77.0.9");
  assert.equal(optionAddress(found!.packet, 42), "10.77.0.8");
});

test("silence is no packet", () => {
  const silence: LeaseDecision = { type: "silence", reason: "pool-empty", changes: [] };
  assert.equal(fullReply(requestOf("ovmf-x64-discover"), silence, settings), undefined);
});
