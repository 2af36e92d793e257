import assert from "node:assert/strict";
import { test } from "node:test";
import { imageIdOfNumber } from "../../bsdp/boot-image.ts";
import { decodeBsdpOptions, decodeSubOptions, encodeSubOptions } from "../../bsdp/bsdp-options.ts";
import { boundOffer, failedReply, listReply, optionAreaBytes, selectReply } from "../../bsdp/bsdp-reply.ts";
import type { BsdpDecision, BsdpSettings } from "../../bsdp/bsdp-server.ts";
import { decideBsdp } from "../../bsdp/bsdp-server.ts";
import type { DhcpPacket } from "../../bsdp/dhcp-packet.ts";
import { decodeDhcpPacket, encodeDhcpPacket, optionData, optionInstances } from "../../bsdp/dhcp-packet.ts";
import type { NetBootImage } from "../../bsdp/net-boot-image.ts";
import type { PacketVector } from "./packet-vectors.ts";
import { bytesOf, hexOf, packetVectors, vectorNamed } from "./packet-vectors.ts";

const number = (id: string) => Number.parseInt(id, 16);

/** The image that the SELECT vectors name, and one more. */
const images: NetBootImage[] = [
  { index: 137, name: "Re-image this Mac", bootFile: "nbi/booter" },
  { index: 138, name: "NetBoot", bootFile: "nbi/other", isInstall: false },
];
const settings: BsdpSettings = { serverAddress: "10.0.1.5", serverName: "10.0.1.5", priority: 32768, images };

const requestOf = (name: string): DhcpPacket => decodeDhcpPacket(bytesOf(vectorNamed(name).hex));
const decide = (name: string, changes: Partial<BsdpSettings> = {}) =>
  decideBsdp(requestOf(name), { ...settings, ...changes });

function reasonOf(decision: BsdpDecision): string {
  assert.equal(decision.type, "silence");
  return decision.type === "silence" ? decision.reason : "";
}

/** What the reply builders make of a vector's `input`. */
function replyOf(vector: PacketVector): DhcpPacket {
  const { input, expect } = vector;
  const request = decodeDhcpPacket(bytesOf(vector.requestHex!));
  const server = { address: input.serverAddress, name: input.serverName };
  if (expect.bsdp.messageType === "FAILED") return failedReply(request, server);
  if (expect.bsdp.messageType === "LIST") {
    const version = decodeBsdpOptions(optionInstances(request, 43)).version;
    const list = input.images.map((image: { id: string; name: string }) => ({
      ...imageIdOfNumber(number(image.id)),
      name: image.name,
    }));
    const selected =
      expect.bsdp.selectedImage === undefined ? {} : { selectedImage: number(expect.bsdp.selectedImage.id) };
    return listReply(
      request,
      server,
      {
        priority: input.priority,
        defaultImage: number(input.defaultImage),
        ...selected,
        ...(version === 0x0101 ? { images: list } : {}),
      },
      optionAreaBytes(input.maxMessageSize),
    );
  }
  const { rootPath, machineName, shadowMountPath, shadowFilePath } = input;
  const given = Object.entries({ rootPath, machineName, shadowMountPath, shadowFilePath });
  const selection = {
    image: number(input.image ?? expect.bsdp.selectedImage.id),
    bootFile: input.file,
    ...Object.fromEntries(given.filter(([, value]) => value !== undefined)),
  };
  return expect.messageType === "OFFER"
    ? boundOffer(request, server, selection)
    : selectReply(request, server, selection);
}

/** The same request with another limit: the packer was given it directly. */
function announcing(request: DhcpPacket, size: number): DhcpPacket {
  const options = request.options.map(({ code, data }) =>
    code === 57 ? { code, data: Uint8Array.of(size >> 8, size & 255) } : { code, data },
  );
  const rest = options.map((option) =>
    option.code === 43
      ? { code: 43, data: encodeSubOptions(decodeSubOptions([option.data]).filter((one) => one.code !== 12)) }
      : option,
  );
  return { ...request, options: rest };
}

for (const vector of packetVectors.filter((one) => one.kind === "oracle")) {
  test(`Apple's server wrote the same bytes: ${vector.name}`, () => {
    assert.equal(hexOf(encodeDhcpPacket(replyOf(vector))), vector.hex);
  });

  if (vector.expect.bsdp.messageType === "LIST") {
    test(`the decision comes to the same bytes: ${vector.name}`, () => {
      const { input } = vector;
      const decision = decideBsdp(announcing(decodeDhcpPacket(bytesOf(vector.requestHex!)), input.maxMessageSize), {
        serverAddress: input.serverAddress,
        serverName: input.serverName,
        priority: input.priority,
        images: input.images.map((image: { id: string; name: string }) => ({
          ...imageIdOfNumber(number(image.id)),
          name: image.name,
          bootFile: "nbi/booter",
          isFilterOnly: false,
        })),
        ...(vector.expect.bsdp.selectedImage === undefined
          ? {}
          : { boundImage: number(vector.expect.bsdp.selectedImage.id) }),
      });
      assert(decision.type === "reply");
      assert.equal(hexOf(encodeDhcpPacket(decision.packet)), vector.hex);
    });
  }
}

for (const vector of packetVectors.filter((one) => one.family === "bsdp" && one.serverBehaviour !== undefined)) {
  const behaviour = vector.serverBehaviour!;
  test(`${vector.name}: ${behaviour.action}`, () => {
    const decision = decide(vector.name);
    if (behaviour.action !== "reply") {
      assert.equal(decision.type, "silence");
      return;
    }
    assert(decision.type === "reply");
    assert.deepEqual(decision.to, { address: behaviour.toAddress, port: behaviour.toPort });
    assert(behaviour.message?.startsWith(`ACK[${decision.message}]`));
  });
}

const reasons: readonly (readonly [vector: string, reason: string])[] = [
  ["neg-reply-port-1024", "bad-reply-port"],
  ["neg-reply-port-0", "bad-reply-port"],
  ["neg-no-version", "bad-version"],
  ["neg-version-2.0", "bad-version"],
  ["neg-option43-overrun", "bad-vendor-options"],
  ["neg-message-type-4", "bad-bsdp-message"],
  ["neg-select-other-server", "another-server-named"],
  ["neg-select-no-server-id", "no-server-named"],
  ["neg-hlen-16", "not-ethernet"],
  ["neg-htype-6", "not-ethernet"],
  ["neg-sname-other", "sname-names-another-server"],
  ["neg-siaddr-other", "siaddr-names-another-server"],
  ["fw-discover-i386", "not-bound"],
  ["ovmf-x64-discover", "not-bsdp"],
  ["fw-inform-list-port68", "no-image"],
];

for (const [name, reason] of reasons) {
  test(`${name} is ignored because: ${reason}`, () => {
    assert.equal(reasonOf(decide(name, reason === "no-image" ? { images: [] } : {})), reason);
  });
}

test("a SELECT for another server makes us forget the binding", () => {
  const decision = decide("neg-select-other-server");
  assert(decision.type === "silence" && decision.forgetBinding === true);
});

const list = requestOf("fw-inform-list-port68");
/** The LIST request with one sub-option more, or instead. */
function listWith(changes: Partial<DhcpPacket>, option43 = "01010102020101"): BsdpDecision {
  const options = list.options.map((option) => (option.code === 43 ? { code: 43, data: bytesOf(option43) } : option));
  return decideBsdp({ ...list, options, ...changes }, settings);
}

test("the other packets that must be ignored", () => {
  const without = (code: number) => list.options.filter((option) => option.code !== code);
  assert.equal(reasonOf(listWith({ op: 2 })), "not-a-request");
  assert.equal(reasonOf(listWith({ options: without(43) })), "no-vendor-options");
  assert.equal(reasonOf(listWith({ options: without(60) })), "not-bsdp");
  assert.equal(reasonOf(listWith({ options: without(53) })), "wrong-message-type");
  assert.equal(reasonOf(listWith({ ciaddr: "0.0.0.0" })), "no-client-address");
  assert.equal(reasonOf(listWith({}, "010101" + "02020000")), "old-firmware");
  assert.equal(reasonOf(listWith({}, "010101" + "02020100" + "0a00")), "old-firmware");
  assert.equal(reasonOf(listWith({}, "010101" + "0203010100")), "bad-vendor-options");
  assert.equal(reasonOf(listWith({}, "02020101")), "bad-bsdp-message");
  assert.equal(reasonOf(listWith({}, "010103" + "02020101")), "bad-bsdp-message");
});

test("no address is given away, whatever a request says about one", () => {
  for (const [name, ours] of [
    ["fw-inform-list-port68", images],
    ["inform-select-startup-disk", images],
    ["inform-select-startup-disk", []],
  ] as const) {
    const decision = decideBsdp({ ...requestOf(name), yiaddr: "10.0.1.77" }, { ...settings, images: ours });
    assert(decision.type === "reply", name);
    assert.equal(decision.packet.yiaddr, "0.0.0.0", decision.message);
  }
});

test("our own address or name in sname and siaddr is no reason to be silent", () => {
  assert.equal(listWith({ sname: "10.0.1.5", siaddr: "10.0.1.5" }).type, "reply");
});

test("a filter shows only images with those attributes, and silence when there are none", () => {
  const filtered = listWith({}, "010101" + "02020101" + "0b020100");
  assert(filtered.type === "reply");
  const options = decodeBsdpOptions(optionInstances(filtered.packet, 43));
  assert.deepEqual(
    options.images?.map((image) => image.index),
    [138],
  );
  assert.equal(reasonOf(listWith({}, "010101" + "02020101" + "0b020200")), "filter-matches-nothing");
});

test("who may see an image: architecture, model, hardware address, default first", () => {
  const see = (changes: Partial<NetBootImage>) => {
    const decision = decideBsdp(list, { ...settings, images: [{ ...images[0]!, ...changes }] });
    return decision.type === "reply";
  };
  assert(see({}));
  assert(!see({ architectures: ["ppc"] }));
  assert(!see({ enabledSystemIds: ["iMac14,3"] }));
  assert(see({ enabledSystemIds: ["MacBookPro6,2"] }));
  assert(see({ enabledSystemIds: [] }));
  assert(!see({ enabledMacs: ["00:00:00:00:00:01"] }));
  assert(!see({ disabledMacs: ["00:17:f2:a1:b2:c3"] }));
  assert(!see({ isFilterOnly: true }));
  assert(!see({ kind: 3 }));
  const decision = decideBsdp(list, { ...settings, images: [images[0]!, { ...images[1]!, isDefault: true }] });
  assert(decision.type === "reply");
  assert.equal(decision.image, 0x0100008a);
});

test("SELECT: an image that we do not have is an ACK[FAILED], without an image the default is taken", () => {
  const select = requestOf("inform-select-startup-disk");
  const with43 = (hex: string) => ({
    ...select,
    options: select.options.map((option) => (option.code === 43 ? { code: 43, data: bytesOf(hex) } : option)),
  });
  const failed = decideBsdp(with43("010102" + "02020101" + "03040a000105" + "080481000fff"), settings);
  assert(failed.type === "reply" && failed.message === "FAILED");
  assert.equal(hexOf(optionData(failed.packet, 43)!), "010103");
  const chosen = decideBsdp(with43("010102" + "02020101" + "03040a000105"), settings);
  assert(chosen.type === "reply" && chosen.message === "SELECT");
  assert.equal(chosen.packet.file, "nbi/booter");
  assert.equal(chosen.packet.sname, "10.0.1.5");
  assert.equal(chosen.packet.siaddr, "10.0.1.5");
});

test("a bound client gets an OFFER at once, by broadcast or through its relay", () => {
  const bound = {
    boundImage: 0x81000089,
    machine: { name: "lab-01" },
    images: [{ ...images[0]!, type: "HTTP" as const, root: { form: "http" as const, path: "/NetBoot/a.dmg" } }],
  };
  const offer = decide("fw-discover-i386", bound);
  assert(offer.type === "reply" && offer.message === "OFFER");
  assert.deepEqual(offer.to, { address: "255.255.255.255", port: 68 });
  assert.deepEqual(decodeBsdpOptions(optionInstances(offer.packet, 43)).machineName, "lab-01");
  const relayed = decideBsdp({ ...requestOf("fw-discover-i386"), giaddr: "10.9.0.1" }, { ...settings, ...bound });
  assert(relayed.type === "reply");
  assert.deepEqual(relayed.to, { address: "10.9.0.1", port: 67 });
});

test("a load-balance server replaces siaddr and leaves sname empty", () => {
  const balanced = [{ ...images[0]!, loadBalanceServer: "10.0.1.7" }];
  const decision = decide("inform-select-startup-disk", { images: balanced });
  assert(decision.type === "reply");
  assert.equal(decision.packet.siaddr, "10.0.1.7");
  assert.equal(decision.packet.sname, "");
});
