import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { chooseBoot } from "../../bsdp/boot-choice.ts";
import { type BootFiles, standardDiskLoaders, standardLoaders, standardSecureLoaders } from "../../bsdp/boot-files.ts";
import { decodeDhcpPacket, optionData } from "../../bsdp/dhcp-packet.ts";
import { fullReply } from "../../bsdp/full.ts";
import type { BootPolicy } from "../../bsdp/policy.ts";
import { proxyQuestion, proxyReply } from "../../bsdp/proxy.ts";
import { pxeClientOf } from "../../bsdp/pxe-client.ts";
import { bytesOf, hexOf, vectorNamed } from "./packet-vectors.ts";

const server = "10.77.0.1";
const files: BootFiles = {
  httpPort: 8440,
  loaders: standardLoaders,
  secureLoaders: standardSecureLoaders,
  diskLoaders: standardDiskLoaders,
  macImages: [],
  macPriority: 0,
};
const agent: BootPolicy = { boot: "agent" };
const script = `http://${server}:8440/boot/script.ipxe?mac=52:54:00:77:00:01`;

/** A recorded request with another architecture, or from another card. */
function request(name: string, changes: { architecture?: number; mac?: string; machineId?: string } = {}) {
  const packet = decodeDhcpPacket(bytesOf(vectorNamed(name).hex));
  const { architecture, mac, machineId } = changes;
  const replaced = new Map<number, Uint8Array>();
  if (architecture !== undefined) replaced.set(93, Uint8Array.of(architecture >> 8, architecture & 255));
  if (machineId !== undefined) replaced.set(97, bytesOf(machineId));
  const chaddr = mac === undefined ? packet.chaddr : new Uint8Array(16);
  if (mac !== undefined) chaddr.set(Buffer.from(mac.replaceAll(":", ""), "hex"));
  const options = packet.options.map(({ code, data }) => ({ code, data: replaced.get(code) ?? data }));
  return { ...packet, chaddr, options };
}

function fileOf(packet: ReturnType<typeof request>, policy: BootPolicy = agent, changes: Partial<BootFiles> = {}) {
  const choice = chooseBoot(pxeClientOf(packet)!, policy, { ...files, ...changes }, server);
  return choice.type === "boot" ? choice.file : choice.reason;
}

const uefi = request("ovmf-x64-discover");
const bios = request("pixiecore-pcap-discover");

describe("a menu", () => {
  test("plain firmware gets the same loader as for the agent, iPXE its script", () => {
    assert.equal(fileOf(uefi, { boot: "menu" }), "x64/snponly.efi");
    assert.equal(fileOf(bios, { boot: "menu" }), "undionly.kpxe");
    assert.equal(fileOf(request("ipxe-efi-discover"), { boot: "menu" }), script);
  });
});

describe("Secure Boot", () => {
  const secure: BootPolicy = { boot: "agent", secureBoot: true };
  test("gets shim, by TFTP and by HTTP", () => {
    assert.equal(fileOf(uefi, secure), "x64/shimx64.efi");
    assert.equal(fileOf(request("ovmf-x64-discover", { architecture: 9 }), secure), "x64/shimx64.efi");
    assert.equal(fileOf(request("aavmf-arm64-discover"), secure), "arm64/shimaa64.efi");
    assert.equal(fileOf(request("ovmf-x64-http-discover"), secure), `http://${server}:8440/boot/x64/shimx64.efi`);
  });
  test("for the disk, too: an unsigned program would be refused", () => {
    assert.equal(fileOf(uefi, { boot: "disk", secureBoot: true }), "x64/shimx64.efi");
  });
  test("is of no concern to BIOS and 32-bit UEFI: nothing is signed for them", () => {
    assert.equal(fileOf(bios, secure), "undionly.kpxe");
    assert.equal(fileOf(request("ovmf-x64-discover", { architecture: 6 }), secure), "ia32/grub.efi");
  });
  test("without signed files there is no offer, and the reason says it", () => {
    assert.equal(fileOf(uefi, secure, { secureLoaders: {} }), "there is no signed boot file for x64");
  });
});

describe("loaders by configuration", () => {
  const architectureLoaders = { 7: "x64/other.efi", 10: "arm32/snponly.efi", 16: "x64/http.efi", 0: "" };
  test("the table of architectures goes before the built-in one", () => {
    assert.equal(fileOf(uefi, agent, { architectureLoaders }), "x64/other.efi");
    const arm32 = request("ovmf-x64-discover", { architecture: 10 });
    assert.equal(fileOf(arm32), "no loader for architecture 10");
    assert.equal(fileOf(arm32, agent, { architectureLoaders }), "arm32/snponly.efi");
    const http = fileOf(request("ovmf-x64-http-discover"), agent, { architectureLoaders });
    assert.equal(http, `http://${server}:8440/boot/x64/http.efi`);
  });
  test("an empty name switches an architecture off", () => {
    assert.equal(fileOf(bios, agent, { architectureLoaders }), "architecture 0 is switched off");
  });
  test("a host's own loader goes before both, but does not start the disk", () => {
    const own: BootPolicy = { boot: "agent", loader: "x64/own.efi", secureBoot: true };
    assert.equal(fileOf(uefi, own, { architectureLoaders }), "x64/own.efi");
    assert.equal(fileOf(bios, own, { architectureLoaders }), "x64/own.efi");
    assert.equal(fileOf(uefi, { boot: "disk", loader: "x64/own.efi" }), "x64/disk.efi");
  });
});

describe("UEFI HTTP boot, architectures 15 to 20", () => {
  for (const [architecture, file] of [
    [15, "ia32/grub.efi"],
    [16, "x64/snponly.efi"],
    [17, "x64/snponly.efi"],
    [19, "arm64/grub.efi"],
    [20, "undionly.kpxe"],
    [24, "arm64/grub.efi"],
  ] as const) {
    test(`${architecture} is answered with the URL of ${file}`, () => {
      const packet = request("ovmf-x64-http-discover", { architecture });
      assert.equal(fileOf(packet), `http://${server}:8440/boot/${file}`);
    });
  }
  for (const architecture of [18, 21, 23]) {
    test(`${architecture} is a 32-bit ARM, for which there is nothing`, () => {
      const packet = request("ovmf-x64-http-discover", { architecture });
      assert.equal(fileOf(packet), `no loader for architecture ${architecture}`);
    });
  }
});

describe("a Raspberry Pi", () => {
  const withFiles = { hasRaspberryPi: true };
  /** As a Raspberry Pi 4 asks; its machine id is "RPi4", the board's revision, the end of its MAC, its serial. */
  const pi4 = request("pixiecore-pcap-discover", {
    architecture: 0,
    mac: "dc:a6:32:ec:fc:3c",
    machineId: "00525069343130c00032ecfc3cda06ffe0",
  });
  /** What dnsmasq answered one (a capture): discovery control 3, a prompt of 0 s, a menu with that one entry. */
  const menu = `060103${"0a0400505845"}${"091400001152617370626572727920506920426f6f74"}ff`;

  test("never gets a BIOS file", () => {
    assert.equal(fileOf(pi4), "there is no boot file for a Raspberry Pi");
    for (const prefix of ["b8:27:eb", "dc:a6:32", "e4:5f:01", "28:cd:c1", "d8:3a:dd", "2c:cf:67"]) {
      const packet = request("pixiecore-pcap-discover", { mac: `${prefix}:00:00:01` });
      assert.equal(fileOf(packet, agent, withFiles), "", prefix);
    }
    const own = { boot: "agent", loader: "undionly.kpxe" } as const;
    assert.equal(fileOf(pi4, own, withFiles), "");
    assert.equal(fileOf(pi4, agent, { architectureLoaders: { 0: "undionly.kpxe" }, ...withFiles }), "");
  });
  test("is known by its machine id and by architecture 41, whatever its card is", () => {
    const byId = { machineId: "00525069353130c00032ecfc3cda06ffe0", mac: "02:00:00:00:00:01" };
    assert.equal(pxeClientOf(request("pixiecore-pcap-discover", byId))?.kind, "raspberry");
    assert.equal(pxeClientOf(request("pixiecore-pcap-discover", { architecture: 41 }))?.kind, "raspberry");
    assert.equal(pxeClientOf(bios)?.kind, "pxe");
  });
  test("its UEFI, U-Boot and iPXE are what they say", () => {
    const mac = "dc:a6:32:ec:fc:3c";
    assert.equal(fileOf(request("aavmf-arm64-discover", { mac })), "arm64/grub.efi");
    assert.equal(fileOf(request("aavmf-arm64-discover", { mac, architecture: 22 })), "arm64/grub.efi");
    assert.equal(pxeClientOf(request("ipxe-efi-discover", { mac }))?.kind, "ipxe");
  });
  test("gets the menu text that it looks for, from a proxy and from a DHCP server", () => {
    const arrival = { port: 67, serverAddress: server, source: { address: "0.0.0.0", port: 68 } };
    const client = proxyQuestion(pi4, arrival);
    assert(typeof client !== "string");
    const choice = chooseBoot(client, agent, { ...files, ...withFiles }, server);
    assert(choice.type === "boot");
    const proxied = proxyReply(pi4, arrival, client, choice).packet;
    assert.deepEqual(
      proxied.options.map(({ code }) => code),
      [53, 54, 60, 97, 43],
    );
    assert.equal(hexOf(optionData(proxied, 43)!), menu);
    assert.equal(proxied.siaddr, server);
    const network = {
      serverAddress: server,
      netmask: "255.255.255.0",
      networkAddress: server,
      pools: [{ first: "10.77.0.50", last: "10.77.0.60" }],
      taken: new Set([server]),
      isOnly: true,
      leaseSeconds: 600,
      reservations: new Map(),
    };
    const offer = fullReply(pi4, { type: "offer", address: "10.77.0.50", isNew: true, changes: [] }, network, {
      client,
      choice,
    });
    assert.equal(hexOf(optionData(offer!.packet, 43)!), menu);
    assert.equal(Buffer.from(optionData(offer!.packet, 60)!).toString(), "PXEClient");
  });
  test("with nothing ordered it gets no offer and boots its card", () => {
    assert.equal(fileOf(pi4, { boot: "disk" }, withFiles), "boots its own disk");
  });
});
