import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { BootChoice } from "../../bsdp/boot-choice.ts";
import { chooseBoot } from "../../bsdp/boot-choice.ts";
import type { BootFiles } from "../../bsdp/boot-files.ts";
import { standardLoaders } from "../../bsdp/boot-files.ts";
import type { DhcpPacket } from "../../bsdp/dhcp-packet.ts";
import { decodeDhcpPacket, encodeDhcpPacket, optionData } from "../../bsdp/dhcp-packet.ts";
import { numberOf2, textOption } from "../../bsdp/dhcp-values.ts";
import type { BootPolicy } from "../../bsdp/policy.ts";
import type { Arrival } from "../../bsdp/proxy.ts";
import { proxyQuestion, proxyReply } from "../../bsdp/proxy.ts";
import type { PxeClient } from "../../bsdp/pxe-client.ts";
import { pxeClientOf } from "../../bsdp/pxe-client.ts";
import { Fault } from "../../fault.ts";
import { bytesOf, hexOf, packetVectors, vectorNamed } from "./packet-vectors.ts";

const files: BootFiles = {
  httpPort: 8440,
  loaders: standardLoaders,
  secureLoaders: {},
  diskLoaders: {},
  macImages: [],
  macPriority: 0x8000,
};
const agent: BootPolicy = { boot: "agent" };
const server = "10.77.0.1";
const on67: Arrival = { port: 67, serverAddress: server, source: { address: "0.0.0.0", port: 68 } };
const on4011: Arrival = { port: 4011, serverAddress: server, source: { address: "10.77.0.199", port: 4011 } };
const script = (mac: string) => `http://10.77.0.1:8440/boot/script.ipxe?mac=${mac}`;

const requestOf = (name: string): DhcpPacket => decodeDhcpPacket(bytesOf(vectorNamed(name).hex));
const options = (packet: DhcpPacket) => packet.options.map(({ code, data }) => [code, hexOf(data)]);
const choiceOf = (request: DhcpPacket, policy: BootPolicy = agent, some = files) =>
  chooseBoot(pxeClientOf(request)!, policy, some, server);
const fileOf = (choice: BootChoice) => (choice.type === "boot" ? choice.file : choice);

/** What a proxy that knows only one file answers, as in the captured exchanges. */
function replyOf(request: DhcpPacket, arrival: Arrival, policy: BootPolicy = agent) {
  const client = proxyQuestion(request, arrival);
  assert(typeof client !== "string", `${client}`);
  const choice = chooseBoot(client, policy, files, server);
  assert(choice.type === "boot", "nothing to boot");
  return proxyReply(request, arrival, client, choice);
}

/** A recorded request with some options replaced (undefined: taken out). */
function changed(name: string, changes: Readonly<Record<number, string | undefined>>): DhcpPacket {
  const request = requestOf(name);
  const kept = request.options.filter((option) => !(option.code in changes));
  const added = Object.entries(changes).flatMap(([code, hex]) =>
    hex === undefined ? [] : [{ code: Number(code), data: bytesOf(hex) }],
  );
  return { ...request, options: [...kept, ...added] };
}

for (const vector of packetVectors.filter((one) => one.family === "pxe-dhcp" && one.expect.op === 1)) {
  test(`who asks: ${vector.name}`, () => {
    const client = pxeClientOf(decodeDhcpPacket(bytesOf(vector.hex)));
    const { expect } = vector;
    if (expect.vendorClass === undefined) {
      assert.equal(client, undefined);
      return;
    }
    assert(client !== undefined);
    assert.equal(client.mac, expect.chaddr);
    assert.equal(client.architecture, expect.clientArch[0]);
    assert.equal(hexOf(client.machineId!).slice(2), expect.clientMachineId.wireHex);
    assert.deepEqual(client.bootItem, expect.pxe43?.bootItem);
    assert.equal(client.kind, expect.userClass ? "ipxe" : expect.vendorClass.startsWith("HTTP") ? "http" : "pxe");
  });
}

const firmware: readonly (readonly [vector: string, file: string])[] = [
  ["pixiecore-pcap-discover", "undionly.kpxe"],
  ["ovmf-x64-discover", "x64/snponly.efi"],
  ["ovmf-x64-4011-request", "x64/snponly.efi"],
  ["aavmf-arm64-discover", "arm64/grub.efi"],
  ["ovmf-x64-http-discover", "http://10.77.0.1:8440/boot/x64/snponly.efi"],
  ["seabios-ipxe-discover", script("52:54:00:77:00:01")],
  ["ipxe-efi-discover", script("52:54:00:77:00:01")],
  ["ipxe-bios-chained-discover-bare-class", script("52:54:00:77:00:01")],
  ["ipxe-e810-discover", script("68:05:ca:c1:be:a2")],
];

for (const [name, file] of firmware) {
  test(`${name} boots ${file}`, () => assert.equal(fileOf(choiceOf(requestOf(name))), file));
}

test("our proxy's answers have the form that OVMF booted from in the lab", () => {
  const offer = replyOf(requestOf("ovmf-x64-discover"), on67).packet;
  const lab = requestOf("proxy-offer-uefi-file-in-offer");
  assert.deepEqual(options(offer), options(lab));
  assert.deepEqual(
    { ...offer, options: [], chaddr: [] },
    // The lab's request had another xid, its proxy another file and no sname.
    { ...lab, xid: offer.xid, file: "x64/snponly.efi", sname: server, options: [], chaddr: [] },
  );
  const ack = replyOf(requestOf("ovmf-x64-4011-request"), on4011);
  assert.deepEqual(options(ack.packet), options(requestOf("proxy-4011-ack-uefi")));
  assert.equal(ack.packet.ciaddr, "10.77.0.199");
  assert.equal(ack.packet.yiaddr, "0.0.0.0");
  assert.deepEqual(ack.to, { address: "10.77.0.199", port: 4011 });
});

test("UEFI HTTP boot: the URL in option 67, no file, class HTTPClient, machine id before it", () => {
  const { packet } = replyOf(requestOf("ovmf-x64-http-discover"), on67);
  assert.equal(packet.file, "");
  assert.deepEqual(
    packet.options.map((option) => option.code),
    [53, 54, 60, 97, 67],
  );
  assert.equal(Buffer.from(optionData(packet, 60)!).toString(), "HTTPClient");
});

test("a BIOS is told to skip discovery, UEFI gets no option 43", () => {
  const bios = replyOf(requestOf("pixiecore-pcap-discover"), on67).packet;
  assert.equal(hexOf(optionData(bios, 43)!), "060108ff");
  assert.equal(bios.file, "undionly.kpxe");
  assert.equal(bios.sname, server);
  assert.equal(optionData(replyOf(requestOf("ovmf-x64-discover"), on67).packet, 43), undefined);
});

test("the offer is broadcast with the flag set, and the whole packet has at least 300 bytes", () => {
  const { packet, to } = replyOf(requestOf("ipxe-efi-discover"), on67);
  assert.deepEqual(to, { address: "255.255.255.255", port: 68 });
  assert.equal(packet.flags, 0x8000);
  assert.equal(packet.hops + packet.secs, 0);
  assert.equal(packet.siaddr, server);
  assert(encodeDhcpPacket(packet).length >= 300);
});

test("a menu choice on 4011 is echoed", () => {
  const { packet, to } = replyOf(requestOf("ipxe-bios-pxebs-request"), {
    ...on4011,
    source: { address: "10.77.0.199", port: 68 },
  });
  assert.equal(hexOf(optionData(packet, 43)!), "470480000000ff");
  assert.deepEqual(to, { address: "10.77.0.199", port: 68 });
});

test("through a relay: to giaddr:67, option 82 last and unchanged, its server identifier in option 54", () => {
  const agentInfo = "0104aabbccdd0b040a090001";
  const request = { ...changed("ovmf-x64-discover", { 82: agentInfo }), giaddr: "10.9.0.1" };
  const { packet, to } = replyOf(request, on67);
  assert.deepEqual(to, { address: "10.9.0.1", port: 67 });
  assert.equal(packet.giaddr, "10.9.0.1");
  assert.deepEqual(options(packet).at(-1), [82, agentInfo]);
  assert.equal(hexOf(optionData(packet, 54)!), "0a090001");
  assert.equal(packet.siaddr, server);
});

test("4011: option 54 may name any address of ours, also one of another interface", () => {
  const request = changed("ovmf-x64-4011-request", { 54: "0a4d0009" });
  assert.equal(proxyQuestion(request, on4011), "another-server-named");
  assert.notEqual(typeof proxyQuestion(request, { ...on4011, ownAddresses: [server, "10.77.0.9"] }), "string");
});

const silences: readonly (readonly [what: string, request: DhcpPacket, arrival: Arrival, reason: string])[] = [
  [
    "a REQUEST that follows the DHCP server's offer",
    requestOf("ovmf-x64-request"),
    on67,
    "request-is-for-the-dhcp-server",
  ],
  ["iPXE's REQUEST", requestOf("ipxe-efi-request"), on67, "request-is-for-the-dhcp-server"],
  ["an ordinary client", requestOf("pixiecore-pcap-relayed-request"), on67, "not-a-boot-client"],
  ["another server's answer", requestOf("dnsmasq-proxy-offer-uefi"), on67, "not-a-request"],
  ["a DISCOVER on 4011", requestOf("ovmf-x64-discover"), on4011, "wrong-message-type"],
  ["4011 for another server", changed("ovmf-x64-4011-request", { 54: "0a4d0009" }), on4011, "another-server-named"],
  ["local boot from a menu", changed("ipxe-bios-pxebs-request", { 43: "470400000000ff" }), on4011, "chose-local-boot"],
  ["a packet without a type", changed("ovmf-x64-discover", { 53: undefined }), on67, "no-message-type"],
  ["another kind of network", { ...requestOf("ovmf-x64-discover"), htype: 6 }, on67, "not-ethernet"],
];

for (const [what, request, arrival, reason] of silences) {
  test(`a proxy is silent to ${what}: ${reason}`, () => assert.equal(proxyQuestion(request, arrival), reason));
}

test("an INFORM from a boot client that has an address is answered to it", () => {
  const request = { ...changed("ovmf-x64-discover", { 53: "08" }), ciaddr: "10.77.0.199" };
  const { packet, to } = replyOf(request, on67);
  assert.deepEqual(to, { address: "10.77.0.199", port: 68 });
  assert.equal(hexOf(optionData(packet, 53)!), "05");
});

test("policy disk: iPXE gets the script that says exit, firmware gets nothing", () => {
  const disk: BootPolicy = { boot: "disk" };
  assert.equal(fileOf(choiceOf(requestOf("ipxe-efi-discover"), disk)), script("52:54:00:77:00:01"));
  for (const name of ["ovmf-x64-discover", "pixiecore-pcap-discover", "ovmf-x64-http-discover"]) {
    assert.deepEqual(choiceOf(requestOf(name), disk), { type: "nothing", reason: "boots its own disk" });
  }
});

test("policy disk, where there is a program that starts the disk: firmware is given that, iPXE still its script", () => {
  const some = { ...files, diskLoaders: { x64: "x64/disk.efi" } };
  const disk: BootPolicy = { boot: "disk" };
  assert.equal(fileOf(choiceOf(requestOf("ovmf-x64-discover"), disk, some)), "x64/disk.efi");
  assert.equal(fileOf(choiceOf(requestOf("ipxe-efi-discover"), disk, some)), script("52:54:00:77:00:01"));
  assert.equal(choiceOf(requestOf("aavmf-arm64-discover"), disk, some).type, "nothing");
  const client = pxeClientOf(requestOf("ovmf-x64-discover")) as PxeClient;
  assert.equal(fileOf(chooseBoot(client, disk, some, server, "script")), "x64/disk.efi");
});

test("policy nothing: nobody gets anything, and the reason is told", () => {
  const policy: BootPolicy = { boot: "nothing", reason: "not ours" };
  for (const [name] of firmware) {
    assert.deepEqual(choiceOf(requestOf(name), policy), { type: "nothing", reason: "not ours" });
  }
});

test("an iPXE without HTTP, or without a kernel format, is given our loader as a whole URL", () => {
  const withoutHttp = changed("seabios-ipxe-discover", { 175: "180101" });
  assert.equal(fileOf(choiceOf(withoutHttp)), "tftp://10.77.0.1/undionly.kpxe");
  const withoutKernel = changed("seabios-ipxe-discover", { 175: "130101" });
  assert.equal(fileOf(choiceOf(withoutKernel)), "tftp://10.77.0.1/undionly.kpxe");
  // A vendor's build without a user class is known by option 175 alone.
  const vendors = changed("seabios-ipxe-discover", { 77: undefined });
  assert.equal(fileOf(choiceOf(vendors)), script("52:54:00:77:00:01"));
});

test("our own iPXE is known by its user class, in both forms, whatever its features", () => {
  for (const userClass of ["626f6f7463617374", "08626f6f7463617374"]) {
    const request = changed("seabios-ipxe-discover", { 77: userClass, 175: undefined, 60: undefined });
    assert.equal(fileOf(choiceOf(request)), script("52:54:00:77:00:01"));
  }
  const listed = changed("seabios-ipxe-discover", { 77: "0469505845", 175: undefined });
  assert.equal(pxeClientOf(listed)?.kind, "small-ipxe");
});

test("iPXE that repeats the class HTTPClient gets its script, not itself again", () => {
  const request = changed("ipxe-efi-discover", { 60: hexOf(textOption(60, "HTTPClient:Arch:00016").data) });
  assert.equal(fileOf(choiceOf(request)), script("52:54:00:77:00:01"));
});

test("architecture: option 93 first, else the class, else BIOS for plain PXE only", () => {
  const architecture = (changes: Readonly<Record<number, string | undefined>>, name = "ovmf-x64-discover") =>
    pxeClientOf(changed(name, changes))?.architecture;
  assert.equal(architecture({ 93: "000b0007" }), 11);
  assert.equal(architecture({ 93: undefined }), 7);
  const bare = hexOf(textOption(60, "PXEClient").data);
  assert.equal(architecture({ 93: undefined, 60: bare }), 0);
  assert.equal(architecture({ 93: undefined, 60: bare }, "ipxe-efi-discover"), undefined);
  assert.equal(architecture({ 93: "00" }), 7);
});

test("every architecture has a loader that can run there, or no offer", () => {
  const choice = (architecture: number, mac = "52:54:00:77:00:01") => {
    const hex = architecture.toString(16).padStart(4, "0");
    const request = changed("ovmf-x64-discover", { 93: hex });
    const chaddr = Uint8Array.from([...Buffer.from(mac.replaceAll(":", ""), "hex"), ...new Uint8Array(10)]);
    return fileOf(chooseBoot(pxeClientOf({ ...request, chaddr })!, agent, files, server));
  };
  assert.equal(choice(0), "undionly.kpxe");
  assert.equal(choice(6), "ia32/grub.efi");
  assert.equal(choice(9), "x64/snponly.efi");
  assert.equal(choice(11), "arm64/grub.efi");
  for (const architecture of [1, 2, 3, 4, 5, 8, 10, 12, 13, 14, 18, 21, 23, 25, 30, 31, 40, 9999]) {
    const found = choice(architecture);
    assert.deepEqual(found, { type: "nothing", reason: `no loader for architecture ${architecture}` });
  }
});

test("a platform whose loader is missing gets no offer", () => {
  const choice = choiceOf(requestOf("aavmf-arm64-discover"), agent, { ...files, loaders: { x64: "x64/snponly.efi" } });
  assert.deepEqual(choice, { type: "nothing", reason: "there is no boot file for arm64" });
});

test("the loop guard's verdict: the script instead of the loader, then nothing", () => {
  const client = pxeClientOf(requestOf("ovmf-x64-discover")) as PxeClient;
  assert.equal(fileOf(chooseBoot(client, agent, files, server, "script")), script("52:54:00:77:00:01"));
  assert.equal(chooseBoot(client, agent, files, server, "stop").type, "nothing");
});

test("any options make a client or none, never an error", () => {
  const anyOption = fc.record({
    code: fc.constantFrom(43, 53, 54, 60, 77, 82, 93, 97, 175),
    data: fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.constantFrom("PXEClient", "HTTPClient:Arch:", "iPXE").map((text) => textOption(60, text).data),
    ),
  });
  fc.assert(
    fc.property(fc.array(anyOption, { maxLength: 8 }), fc.constantFrom(on67, on4011), (list, arrival) => {
      const request = { ...requestOf("ovmf-x64-discover"), options: list };
      const client = proxyQuestion(request, arrival);
      if (typeof client === "string") return;
      const choice = chooseBoot(client, agent, files, server);
      if (choice.type === "nothing") return;
      try {
        const back = decodeDhcpPacket(encodeDhcpPacket(proxyReply(request, arrival, client, choice).packet));
        assert.equal(back.yiaddr, "0.0.0.0");
        assert.equal(numberOf2(optionData(back, 54)!) > 0, true);
      } catch (error) {
        assert(error instanceof Fault);
      }
    }),
    { numRuns: 500 },
  );
});
