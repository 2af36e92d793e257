/** The rules of a BSDP server, one test each: Apple's BSDP.doc and bsdpd.c, as the comments in bsdp/ name them. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { decodeBsdpOptions, decodeSubOptions, encodeSubOptions } from "../../bsdp/bsdp-options.ts";
import type { BsdpSilence } from "../../bsdp/bsdp-request.ts";
import type { BsdpDecision, BsdpSettings } from "../../bsdp/bsdp-server.ts";
import { decideBsdp } from "../../bsdp/bsdp-server.ts";
import type { DhcpOption, DhcpPacket } from "../../bsdp/dhcp-packet.ts";
import {
  decodeDhcpPacket,
  encodeDhcpPacket,
  optionAddress,
  optionData,
  optionInstances,
} from "../../bsdp/dhcp-packet.ts";
import { Option } from "../../bsdp/dhcp-values.ts";
import { efi32Models, models32Bit } from "../../bsdp/mac-models.ts";
import { imageNumberOf } from "../../bsdp/net-boot-choice.ts";
import type { NetBootImage } from "../../bsdp/net-boot-image.ts";
import { rootPathText } from "../../bsdp/net-boot-root.ts";
import { bytesOf, hexOf, vectorNamed } from "./packet-vectors.ts";

const agent: NetBootImage = { index: 137, name: "Re-image", bootFile: "nbi/booter" };
const tools: NetBootImage = {
  index: 4200,
  name: "Tools",
  bootFile: "NetBoot/sp/Tools.nbi/i386/booter",
  type: "HTTP",
  root: { form: "http", path: "/NetBoot/sp/Tools.nbi/NetInstall.dmg" },
};
const settings: BsdpSettings = {
  serverAddress: "10.0.1.5",
  serverName: "10.0.1.5",
  priority: 32768,
  images: [agent, tools],
};

const requestOf = (name: string): DhcpPacket => decodeDhcpPacket(bytesOf(vectorNamed(name).hex));
const list = requestOf("fw-inform-list-port68");
const select = requestOf("inform-select-startup-disk");
const discover = requestOf("fw-discover-i386");

/** The request with these sub-options instead of its own, and other fields changed. */
function with43(request: DhcpPacket, hex: string | undefined, changes: Partial<DhcpPacket> = {}): DhcpPacket {
  const options = request.options.filter((option) => option.code !== 43);
  if (hex !== undefined) options.push({ code: 43, data: bytesOf(hex) });
  return { ...request, options, ...changes };
}

function withOption(request: DhcpPacket, code: number, data: Uint8Array | undefined): DhcpPacket {
  const options: DhcpOption[] = request.options.filter((option) => option.code !== code);
  return { ...request, options: data === undefined ? options : [...options, { code, data }] };
}

const text = (words: string) => new TextEncoder().encode(words);
const v11 = "02020101";
const LIST = `010101${v11}`;
const SELECT = `010102${v11}03040a000105`;

function decide(request: DhcpPacket, changes: Partial<BsdpSettings> = {}): BsdpDecision {
  return decideBsdp(request, { ...settings, ...changes });
}

function replyTo(request: DhcpPacket, changes: Partial<BsdpSettings> = {}) {
  const decision = decide(request, changes);
  assert(decision.type === "reply", decision.type === "silence" ? decision.reason : "");
  return { ...decision, bsdp: decodeBsdpOptions(optionInstances(decision.packet, 43)) };
}

function reasonFor(request: DhcpPacket, changes: Partial<BsdpSettings> = {}): BsdpSilence {
  const decision = decide(request, changes);
  assert(decision.type === "silence", "it was answered");
  return decision.reason;
}

describe("what must be ignored, each by its own reason", () => {
  const cases: readonly (readonly [rule: string, request: DhcpPacket, reason: BsdpSilence])[] = [
    ["op is not 1", { ...list, op: 2 }, "not-a-request"],
    ["htype is not 1", { ...list, htype: 6 }, "not-ethernet"],
    ["hlen is not 6", { ...list, hlen: 16 }, "not-ethernet"],
    ["sname names another server", { ...list, sname: "other" }, "sname-names-another-server"],
    ["siaddr names another server", { ...list, siaddr: "10.0.1.6" }, "siaddr-names-another-server"],
    ["no option 60", withOption(list, 60, undefined), "not-bsdp"],
    ["another class", withOption(list, 60, text("PXEClient")), "not-bsdp"],
    ["a class without a second slash", withOption(list, 60, text("AAPLBSDPC/i386")), "not-bsdp"],
    ["a class with a line feed", withOption(list, 60, text("AAPLBSDPC/i386/a\n")), "not-bsdp"],
    ["no option 43", with43(list, undefined), "no-vendor-options"],
    ["option 43 that runs over", with43(list, "0103"), "bad-vendor-options"],
    ["no version", with43(list, "010101"), "bad-version"],
    ["version 2.0", with43(list, "01010102020200"), "bad-version"],
    ["version 1.2", with43(list, "01010102020102"), "bad-version"],
    ["version 0.0 is old firmware", with43(list, "01010102020000"), "old-firmware"],
    ["sub-option 10 is old firmware", with43(list, `${LIST}0a00`), "old-firmware"],
    ["reply port 1024", with43(list, `${LIST}05020400`), "bad-reply-port"],
    ["reply port 0", with43(list, `${LIST}05020000`), "bad-reply-port"],
    ["INFORM with ciaddr 0", { ...list, ciaddr: "0.0.0.0" }, "no-client-address"],
    ["no sub-option 1", with43(list, v11), "bad-bsdp-message"],
    ["sub-option 1 is FAILED", with43(list, `010103${v11}`), "bad-bsdp-message"],
    ["sub-option 1 is 4", with43(list, `010104${v11}`), "bad-bsdp-message"],
    ["SELECT without sub-option 3", with43(select, `010102${v11}080481000089`), "no-server-named"],
    ["SELECT that names another server", with43(select, `010102${v11}03040a000106`), "another-server-named"],
    ["no message type", withOption(list, 53, undefined), "wrong-message-type"],
    ["RELEASE", withOption(list, 53, Uint8Array.of(7)), "wrong-message-type"],
    ["DECLINE", withOption(list, 53, Uint8Array.of(4)), "wrong-message-type"],
    ["REQUEST", withOption(list, 53, Uint8Array.of(3)), "request-is-for-the-dhcp-server"],
    ["DISCOVER of a Mac that is not bound", discover, "not-bound"],
    ["a filter that no image matches", with43(list, `${LIST}0b020200`), "filter-matches-nothing"],
    ["version of 1 byte", with43(list, "010101020101"), "bad-vendor-options"],
    ["reply port of 1 byte", with43(list, `${LIST}050144`), "bad-vendor-options"],
    ["message type of 2 bytes", with43(list, `01020001${v11}`), "bad-vendor-options"],
    ["server identifier of 3 bytes", with43(select, `010102${v11}03030a0001`), "bad-vendor-options"],
    ["selected image of 2 bytes", with43(select, `${SELECT}08020089`), "bad-vendor-options"],
    ["a class of a server (no architecture)", withOption(list, 60, text("AAPLBSDPC")), "no-image-for-architecture"],
    ["ppc, which has no image", withOption(list, 60, text("AAPLBSDPC/ppc/PowerBook2,1")), "no-image-for-architecture"],
  ];
  for (const [rule, request, reason] of cases) test(rule, () => assert.equal(reasonFor(request), reason));

  test("secs below the threshold: a LIST and a DISCOVER, but never the SELECT that names us", () => {
    const early = { minimumSeconds: 8 };
    assert.equal(reasonFor({ ...list, secs: 7 }, early), "asked-too-early");
    assert.equal(reasonFor(discover, { ...early, boundImage: imageNumberOf(agent) }), "asked-too-early");
    assert.equal(replyTo({ ...list, secs: 8 }, early).message, "LIST");
    assert.equal(replyTo(select, early).message, "SELECT");
  });

  test("a MAC that is not allowed, and a model that no image is for", () => {
    const mac = "00:17:f2:a1:b2:c3";
    assert.equal(reasonFor(list, { images: [{ ...agent, disabledMacs: [mac] }] }), "mac-not-allowed");
    assert.equal(reasonFor(list, { images: [{ ...agent, enabledMacs: ["00:00:00:00:00:01"] }] }), "mac-not-allowed");
    assert.equal(reasonFor(list, { images: [{ ...agent, enabledSystemIds: ["iMac1,1"] }] }), "no-image-for-model");
    const disabled = [{ ...agent, disabledSystemIds: ["MacBookPro6,2"] }];
    assert.equal(reasonFor(list, { images: disabled }), "no-image-for-model");
    // Case counts, as at Apple's.
    assert.equal(
      reasonFor(list, { images: [{ ...agent, enabledSystemIds: ["macbookpro6,2"] }] }),
      "no-image-for-model",
    );
    assert.equal(reasonFor(list, { images: [] }), "no-image");
  });

  test("max message size and filter of a wrong length count as not sent, and unknown sub-options are ignored", () => {
    const { bsdp } = replyTo(with43(list, `${LIST}0c030001020b0181060161630101`));
    assert.equal(bsdp.images?.length, 2);
  });
});

describe("LIST", () => {
  test("is an ACK to ciaddr and the reply port, with siaddr, without sname and file", () => {
    const { packet, to, bsdp } = replyTo(with43(list, `${LIST}050203e1`));
    assert.deepEqual(to, { address: "10.0.1.50", port: 993 });
    assert.equal(hexOf(optionData(packet, 53)!), "05");
    assert.deepEqual([packet.siaddr, packet.sname, packet.file], ["10.0.1.5", "", ""]);
    assert.equal(optionAddress(packet, Option.serverId), "10.0.1.5");
    assert.deepEqual(
      decodeSubOptions(optionInstances(packet, 43)).map((one) => one.code),
      [1, 4, 7, 9],
    );
    assert.equal(bsdp.serverPriority, 32768);
  });

  test("through a relay it still goes to ciaddr: giaddr is only copied", () => {
    const { packet, to } = replyTo({ ...list, giaddr: "10.9.0.1" });
    assert.deepEqual([to.address, to.port, packet.giaddr], ["10.0.1.50", 68, "10.9.0.1"]);
  });

  test("flags, xid and chaddr are copied, hops and secs are 0", () => {
    const { packet } = replyTo({ ...list, flags: 0x8000, hops: 3, secs: 9 });
    assert.deepEqual([packet.flags, packet.xid, packet.hops, packet.secs], [0x8000, list.xid, 0, 0]);
  });

  test("version 1.0 gets the default and no list", () => {
    const { bsdp } = replyTo(with43(list, "01010102020100"));
    assert.deepEqual([bsdp.images, bsdp.defaultImage], [undefined, imageNumberOf(agent)]);
  });

  test("the selected image only when bound, while it exists, is eligible and passes the filter", () => {
    const id = imageNumberOf(tools);
    const selectedOf = (changes: Partial<BsdpSettings>, filter = "") =>
      replyTo(with43(list, LIST + filter), changes).bsdp.selectedImage;
    assert.equal(selectedOf({}), undefined);
    assert.equal(selectedOf({ boundImage: id }), id);
    assert.equal(selectedOf({ boundImage: 0x81000999 }), undefined);
    assert.equal(
      selectedOf({ boundImage: id, images: [agent, { ...tools, enabledSystemIds: ["iMac1,1"] }] }),
      undefined,
    );
    const other = { ...tools, isInstall: false };
    const bound = { boundImage: imageNumberOf(other), images: [agent, other] };
    assert.equal(selectedOf(bound), imageNumberOf(other));
    assert.equal(selectedOf(bound, "0b028100"), undefined);
  });

  test("defaults for every model come first, then those for this model, then the rest as given", () => {
    const images: NetBootImage[] = [
      { ...agent, index: 1 },
      { ...agent, index: 2, isDefault: true, enabledSystemIds: ["MacBookPro6,2"] },
      { ...agent, index: 3, isDefault: true },
      { ...agent, index: 4 },
    ];
    const { bsdp } = replyTo(list, { images });
    assert.deepEqual(
      bsdp.images?.map((image) => image.index),
      [3, 2, 1, 4],
    );
    assert.equal(bsdp.defaultImage, 0x81000003);
  });

  test("hidden without a filter: FilterOnly, and kind 3 unless it says otherwise; a filter shows what it names", () => {
    const images: NetBootImage[] = [
      { ...agent, index: 1, isFilterOnly: true },
      { ...agent, index: 2, kind: 3 },
      { ...agent, index: 3, kind: 3, isFilterOnly: false },
    ];
    const shown = (filter: string) =>
      replyTo(with43(list, LIST + filter), { images }).bsdp.images?.map((image) => image.index);
    assert.deepEqual(shown(""), [3]);
    assert.deepEqual(shown("0b028100"), [1]);
    assert.deepEqual(shown("0b048300ffff"), [2, 3]);
    // Shorter than one word: no filter.
    assert.deepEqual(shown("0b00"), [3]);
  });

  test("sub-option 12 goes before option 57; each answer fits and is cut at a whole image", () => {
    const images = Array.from({ length: 200 }, (_, at) => ({
      ...agent,
      index: 1 + at,
      name: `Image ${"x".repeat(at % 40)}`,
    }));
    for (const size of [0, 100, 548, 576, 600, 1000, 1400, 1500, 1501, 2000, 4000, 8192, 9000, 65_535]) {
      const max = size.toString(16).padStart(4, "0");
      const { packet, bsdp } = replyTo(with43(list, `${LIST}0c02${max}`), { images });
      const { length } = encodeDhcpPacket(packet);
      const limit = Math.min(Math.max(size, 548), 8192) - 28;
      assert(length <= limit, `${length} for ${size}`);
      const found = bsdp.images!.map((image) => image.index);
      assert.deepEqual(
        found,
        Array.from({ length: found.length }, (_, at) => 1 + at),
      );
      if (found.length < images.length) {
        const next = 5 + images[found.length]!.name.length;
        assert(length + next + 4 > limit, `there was room for one more at ${size}`);
      }
    }
  });
});

describe("SELECT", () => {
  test("has siaddr, sname, file, and the selected image", () => {
    const { packet, bsdp, message } = replyTo(select);
    assert.equal(message, "SELECT");
    assert.deepEqual([packet.siaddr, packet.sname, packet.file], ["10.0.1.5", "10.0.1.5", "nbi/booter"]);
    assert.deepEqual(bsdp, { messageType: 2, selectedImage: 0x81000089, isOldFirmware: false });
    assert.equal(optionData(packet, Option.rootPath), undefined);
  });

  test("without an image: the default one", () => {
    assert.equal(replyTo(with43(select, SELECT)).image, imageNumberOf(agent));
  });

  test("the filter does not count: a client may choose what it was not shown", () => {
    const images = [{ ...agent, isFilterOnly: true }];
    assert.equal(replyTo(with43(select, `${SELECT}0b020100`), { images }).message, "SELECT");
  });

  test("an image that is not there, or not for this Mac, is an ACK[FAILED] and never a NAK", () => {
    for (const changes of [
      { images: [tools] },
      { images: [] },
      { images: [{ ...agent, disabledMacs: ["00:17:f2:a1:b2:c3"] }] },
      { images: [{ ...agent, enabledSystemIds: ["iMac1,1"] }] },
    ]) {
      const { message, packet } = replyTo(select, changes);
      assert.equal(message, "FAILED");
      assert.equal(hexOf(optionData(packet, 53)!), "05");
      assert.equal(hexOf(optionData(packet, 43)!), "010103");
      assert.deepEqual([packet.file, packet.sname], ["", ""]);
    }
  });

  test("an answer that the client cannot take is a FAILED, not half an answer", () => {
    const long = { ...tools, index: 137, root: { form: "text" as const, text: `http://10.0.1.5/${"a".repeat(230)}` } };
    const machine = { name: "a".repeat(60) };
    const request = withOption(select, 57, undefined);
    assert.equal(replyTo(with43(request, `${SELECT}080481000089`), { images: [long], machine }).message, "FAILED");
    const large = with43(select, `${SELECT}080481000089`);
    assert.equal(replyTo(withOption(large, 57, Uint8Array.of(5, 220)), { images: [long], machine }).message, "SELECT");
    const tooLong = { ...long, root: { form: "text" as const, text: "a".repeat(256) } };
    assert.equal(replyTo(large, { images: [tooLong] }).message, "FAILED");
  });

  test("HTTP and NFS: option 17 before 43, and the machine's name; a boot file alone has neither", () => {
    const machine = { name: "lab-01", shadowMountPath: "afp://x", shadowFilePath: "lab-01/Shadow" };
    const chosen = with43(select, `${SELECT}0804${imageNumberOf(tools).toString(16)}`);
    const { packet, bsdp } = replyTo(chosen, { machine });
    assert.deepEqual(
      packet.options.map((option) => option.code),
      [53, 54, 60, 17, 43],
    );
    assert.equal(
      new TextDecoder().decode(optionData(packet, 17)),
      "http://10.0.1.5/NetBoot/sp/Tools.nbi/NetInstall.dmg",
    );
    assert.equal(bsdp.machineName, "lab-01");
    assert.equal(bsdp.shadowMountPath, undefined, "an installer needs no shadow");
    assert.equal(replyTo(select, { machine }).bsdp.machineName, undefined);
    const diskless = { ...tools, isInstall: false };
    const shadowed = with43(select, `${SELECT}0804${imageNumberOf(diskless).toString(16).padStart(8, "0")}`);
    const subOptions = decodeSubOptions(optionInstances(replyTo(shadowed, { machine, images: [diskless] }).packet, 43));
    assert.deepEqual(
      subOptions.map((one) => one.code),
      [1, 8, 130, 128, 129],
    );
  });

  test("a load-balance server replaces siaddr and the root path's host, and leaves sname empty", () => {
    const images = [{ ...tools, index: 137, loadBalanceServer: "10.0.1.7" }];
    const { packet } = replyTo(select, { images });
    assert.deepEqual([packet.siaddr, packet.sname], ["10.0.1.7", ""]);
    assert.match(new TextDecoder().decode(optionData(packet, 17)), /^http:\/\/10\.0\.1\.7\//);
  });

  test("multi-interface: another address of ours is another server on this wire", () => {
    assert.equal(reasonFor(select, { serverAddress: "10.0.2.5" }), "another-server-named");
    const decision = decide(with43(select, `010102${v11}03040a000106`), { boundImage: imageNumberOf(agent) });
    assert(decision.type === "silence" && decision.forgetBinding === true);
  });
});

describe("OFFER to a bound Mac", () => {
  const boundImage = imageNumberOf(tools);

  test("carries everything: file, root path, name, no message type, no address", () => {
    const { packet, to, message, bsdp } = replyTo(discover, { boundImage, machine: { name: "lab-01" } });
    assert.equal(message, "OFFER");
    assert.deepEqual(to, { address: "255.255.255.255", port: 68 });
    assert.deepEqual([packet.ciaddr, packet.yiaddr, packet.file], ["0.0.0.0", "0.0.0.0", tools.bootFile]);
    assert.deepEqual(bsdp, { selectedImage: boundImage, machineName: "lab-01", isOldFirmware: false });
  });

  test("through a relay it goes to the relay, with what the relay wrote as the last option", () => {
    const relayed = withOption({ ...discover, giaddr: "10.9.0.1" }, 82, bytesOf("010461626364"));
    const { packet, to } = replyTo(relayed, { boundImage });
    assert.deepEqual(to, { address: "10.9.0.1", port: 67 });
    assert.equal(packet.options.at(-1)?.code, 82);
  });

  test("not when the image is gone, not for this Mac, or not what the Mac asks for", () => {
    assert.equal(reasonFor(discover, { boundImage: 0x81000999 }), "not-bound");
    const filtered = with43(discover, `${v11}0b020100`);
    assert.equal(reasonFor(filtered, { boundImage }), "filter-matches-nothing");
    assert.equal(reasonFor(discover, { boundImage, images: [] }), "no-image");
  });

  test("never longer than one frame", () => {
    const images = [{ ...tools, root: { form: "text" as const, text: "a".repeat(250) } }];
    const machine = { name: "n".repeat(100) };
    assert.equal(
      reasonFor(withOption(discover, 57, undefined), { boundImage, images, machine }),
      "too-long-for-the-client",
    );
  });
});

describe("which program a Mac is given", () => {
  const image: NetBootImage = {
    ...agent,
    bootFile: "nbi/booter",
    bootFile32: "ia32/grub.efi",
    bootFiles: { ppc: "ppc/booter" },
    modelBootFiles: { "iMac12,1": "nbi/imac12" },
    architectures: ["i386", "ppc"],
  };
  const fileFor = (vendorClass: string) => {
    return replyTo(withOption(select, 60, text(vendorClass)), { images: [image] }).packet.file;
  };

  test("32-bit EFI models get the 32-bit program, although all Intel Macs say i386", () => {
    for (const model of efi32Models) assert.equal(fileFor(`AAPLBSDPC/i386/${model}`), "ia32/grub.efi", model);
    for (const model of [
      "iMac7,1",
      "MacBookPro3,1",
      "MacBook3,1",
      "MacPro3,1",
      "Xserve2,1",
      "Macmini3,1",
      "iMac14,3",
    ]) {
      assert.equal(fileFor(`AAPLBSDPC/i386/${model}`), "nbi/booter", model);
    }
    for (const model of models32Bit) assert(efi32Models.includes(model));
  });

  test("a model's own program goes before all, an architecture's before the image's", () => {
    assert.equal(fileFor("AAPLBSDPC/i386/iMac12,1"), "nbi/imac12");
    assert.equal(fileFor("AAPLBSDPC/ppc/PowerMac3,1"), "ppc/booter");
  });
});

test("no address is given away, whatever a request says about one", () => {
  for (const [request, images] of [
    [list, [agent]],
    [select, [agent]],
    [select, []],
  ] as const) {
    assert.equal(replyTo({ ...request, yiaddr: "10.0.1.77" }, { images }).packet.yiaddr, "0.0.0.0");
  }
});

test("our own address or name in sname and siaddr is no reason to be silent", () => {
  const named = { serverName: "boot1" };
  for (const sname of ["boot1", "10.0.1.5"]) {
    assert.equal(replyTo({ ...list, sname, siaddr: "10.0.1.5" }, named).message, "LIST");
  }
});

test("root paths: whole, by HTTP with a port, by NFS with its colons escaped", () => {
  assert.equal(rootPathText({ form: "text", text: "nfs:a:b" }, "10.0.1.5"), "nfs:a:b");
  assert.equal(
    rootPathText({ form: "http", path: "/a%20b.dmg", port: 8440 }, "10.0.1.5"),
    "http://10.0.1.5:8440/a%20b.dmg",
  );
  assert.equal(rootPathText({ form: "http", path: "/a", port: 80 }, "10.0.1.5"), "http://10.0.1.5/a");
  const nfs = rootPathText({ form: "nfs", share: "/srv/net:boot", file: "a.nbi/b.dmg" }, "10.0.1.5");
  assert.equal(nfs, "nfs:10.0.1.5:/srv/net\\:boot:a.nbi/b.dmg");
});

test("readers do not depend on the order of sub-options", () => {
  const subOptions = decodeSubOptions(optionInstances(select, 43));
  const reversed = hexOf(encodeSubOptions(subOptions.toReversed()));
  assert.equal(replyTo(with43(select, reversed)).message, "SELECT");
});
