import { macText } from "../../bsdp/address.ts";
import { decodeBsdpOptions } from "../../bsdp/bsdp-options.ts";
import { VERSION_1_1 } from "../../bsdp/bsdp-request.ts";
import type { DhcpOption, DhcpPacket } from "../../bsdp/dhcp-packet.ts";
import {
  decodeCookieAndOptions,
  decodeDhcpPacket,
  optionAddress,
  optionData,
  optionInstances,
} from "../../bsdp/dhcp-packet.ts";
import { messageTypeName, messageTypeOf, numberOf2, Option } from "../../bsdp/dhcp-values.ts";
import { pxeClientOf } from "../../bsdp/pxe-client.ts";
import { decodePxeOptions, encapsulatedOptions, userClasses } from "../../bsdp/pxe-options.ts";
import { parseBsdpVendorClass } from "../../bsdp/vendor-class.ts";
import { Fault } from "../../fault.ts";
import { checkBsdpOptions, expectsError, isRefusedBsdp } from "./bsdp-words.ts";
import type { Json, JsonObject, Vector } from "./index-file.ts";
import { isObject } from "./index-file.ts";
import { compareWords, hexOf, OneOf, type Verdict, type Words } from "./verdict.ts";

const OVERLOAD = 52;
const NDI = 94;

/** Layer `udp-payload` of the DHCP families: a whole packet. */
export function checkDhcpPacket(verdict: Verdict, vector: Vector): void {
  const { expect, bytes } = vector;
  let packet: DhcpPacket;
  try {
    packet = decodeDhcpPacket(bytes);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    // A text for what could not be read may have a name of its own: "optionsError".
    const hasError = Object.keys(expect).some((key) => /^(?!bsdp|pxe).*Error$/.test(key));
    const isMeant = hasError || expectsError(expect) || expect["ok"] === false || expect["magicOk"] === false;
    if (!isMeant) verdict.differs("packet", "it can be read", `${error.code}: ${error.why}`);
    return;
  }
  if (expectsError(expect)) {
    verdict.differs("error", expect["error"], "it is accepted");
    return;
  }
  const { bsdp, bsdpError, pxe43, pxe43Error, ...rest } = expect;
  compareWords(verdict, rest, packetWords(packet, vector));
  const instances = optionInstances(packet, Option.vendorOptions);
  if (isObject(bsdp)) checkBsdpOptions(verdict, bsdp, instances, "bsdp");
  if (bsdpError !== undefined && !isRefusedBsdp(instances)) verdict.differs("bsdpError", bsdpError, "it is accepted");
  const pxe = optionData(packet, Option.vendorOptions) ?? new Uint8Array(0);
  if (isObject(pxe43)) compareWords(verdict, pxe43, pxeWords(pxe), "pxe43");
  if (pxe43Error !== undefined && encapsulatedOptions(pxe).isWhole) {
    verdict.differs("pxe43Error", pxe43Error, "it is accepted");
  }
}

function packetWords(packet: DhcpPacket, vector: Vector): Words {
  const { bytes, expect, input } = vector;
  const number = (code: number) => {
    const data = optionData(packet, code);
    return data?.length === 2 ? numberOf2(data) : undefined;
  };
  const list = (code: number) => optionData(packet, code);
  const type = messageTypeOf(packet);
  const machineId = list(Option.clientMachineId);
  const userClass = list(Option.userClass);
  const instances = optionInstances(packet, Option.vendorOptions).length;
  const isOverloaded = optionInstances(packet, OVERLOAD).length > 0;
  return {
    ok: true,
    magicOk: true,
    op: packet.op,
    htype: packet.htype,
    hlen: packet.hlen,
    hops: packet.hops,
    xid: packet.xid.toString(16).padStart(8, "0"),
    secs: packet.secs,
    flags: packet.flags.toString(16).padStart(4, "0"),
    ciaddr: packet.ciaddr,
    yiaddr: packet.yiaddr,
    siaddr: packet.siaddr,
    giaddr: packet.giaddr,
    // A wrong hlen does not change which of the field's bytes are meant.
    chaddr: macText(packet.chaddr.subarray(0, lengthOfMac(expect["chaddr"]))),
    sname: isOverloaded ? new OneOf(packet.sname, fieldText(bytes, 44, 108)) : textOf(packet.sname),
    file: isOverloaded ? new OneOf(packet.file, fieldText(bytes, 108, 236)) : textOf(packet.file),
    options: optionList(packet.options, bytes.subarray(236), isOverloaded),
    endOption: hasEndMark(bytes.subarray(240)),
    // Of a type that nobody knows only the number can be said.
    messageType: type === undefined ? list(Option.messageType)?.[0] : new OneOf(messageTypeName(type), type),
    vendorClass: optionText(list(Option.vendorClass)),
    maxDhcpMessageSize: number(Option.maxMessageSize),
    clientArch: numbersOf2(list(Option.clientArch)),
    ndi: list(NDI) === undefined ? undefined : [...list(NDI)!],
    clientMachineId: machineId === undefined ? undefined : machineIdWords(machineId),
    userClass:
      userClass === undefined
        ? undefined
        : new OneOf(latin1(userClass), userClasses(userClass).join(), userClasses(userClass)),
    ipxeFeatures: pairs(list(Option.ipxe)),
    serverIdentifier: optionAddress(packet, Option.serverId),
    requestedAddress: optionAddress(packet, Option.requestedAddress),
    rootPath: utf8(list(Option.rootPath)),
    bootFileName: optionText(list(Option.bootFileName)),
    hostName: optionText(list(Option.hostName)),
    option43Instances: instances === 0 ? new OneOf(undefined, 0) : instances,
    udpPayloadLength: bytes.length,
    imagesOffered: Array.isArray(input?.["images"]) ? input["images"].length : undefined,
    truncated: isTruncated(packet, vector),
  };
}

/**
 * Whether the list is cut short: it has fewer images than the server offered.
 * Where not one fits, or the client asked for some only, both can be said; a
 * client of version 1.0 gets no list at all.
 */
function isTruncated(packet: DhcpPacket, { input, requestBytes }: Vector): unknown {
  const offered = input?.["images"];
  if (!Array.isArray(offered) || !isBsdp(packet)) return undefined;
  const { images } = decodeBsdpOptions(optionInstances(packet, Option.vendorOptions));
  const asked =
    requestBytes === undefined ? undefined : optionInstances(decodeDhcpPacket(requestBytes), Option.vendorOptions);
  const { version, attributesFilter } = decodeBsdpOptions(asked ?? []);
  if (images === undefined) return version === VERSION_1_1 ? new OneOf(true, false) : false;
  const isShort = images.length < offered.length;
  return isShort && attributesFilter !== undefined ? new OneOf(true, false) : isShort;
}

/** Layer `magic+options`: the tail of a packet, from the cookie on. */
export function checkMagicAndOptions(verdict: Verdict, expect: JsonObject, bytes: Uint8Array): void {
  let options: DhcpOption[] | undefined;
  try {
    options = decodeCookieAndOptions(bytes);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
  }
  if (expectsError(expect)) {
    if (options !== undefined) verdict.differs("error", expect["error"], "it is accepted");
    return;
  }
  compareWords(verdict, expect, {
    ok: options !== undefined,
    magicOk: options !== undefined,
    options: options === undefined ? undefined : optionList(options, bytes, false),
    endOption: hasEndMark(bytes.subarray(4)),
  });
}

/** Layer `option43` of the PXE family. */
export function checkPxeOptions(verdict: Verdict, expect: JsonObject, bytes: Uint8Array): void {
  if (!expectsError(expect)) {
    compareWords(verdict, expect, pxeWords(bytes));
    return;
  }
  if (encapsulatedOptions(bytes).isWhole) verdict.differs("error", expect["error"], "it is accepted");
}

/** Layer `option60` of the PXE family. */
export function checkPxeClass(verdict: Verdict, expect: JsonObject, bytes: Uint8Array): void {
  const client = pxeClientOf({ ...emptyPacket, options: [{ code: Option.vendorClass, data: bytes }] });
  const architecture = client?.architecture;
  const arch = new OneOf(architecture, architecture?.toString().padStart(5, "0"));
  const words = { accept: client !== undefined, arch, architecture: arch, clientArch: arch };
  compareWords(verdict, expectsError(expect) ? { accept: false } : expect, words);
}

const none = "0.0.0.0";
const emptyPacket: DhcpPacket = {
  op: 1,
  htype: 1,
  hlen: 6,
  hops: 0,
  xid: 0,
  secs: 0,
  flags: 0,
  ciaddr: none,
  yiaddr: none,
  siaddr: none,
  giaddr: none,
  chaddr: new Uint8Array(16),
  sname: "",
  file: "",
  options: [],
};

function pxeWords(bytes: Uint8Array): Words {
  const { options } = encapsulatedOptions(bytes);
  const { bootServers, ...rest } = decodePxeOptions(bytes);
  const raw = options.find((option) => option.code === 8)?.data;
  return {
    discoveryControl: undefined,
    discoveryAddress: undefined,
    bootMenu: undefined,
    menuPrompt: undefined,
    bootItem: undefined,
    ...rest,
    bootServers,
    bootServersRaw: raw === undefined ? undefined : hexOf(raw),
    subOptions: pairs(bytes),
  };
}

// The options of `file` and `sname` may stand behind the others, or be left where they are.
function optionList(options: readonly DhcpOption[], fromCookie: Uint8Array, isOverloaded: boolean): unknown {
  const words = (list: readonly DhcpOption[]) => list.map(({ code, data }) => [code, hexOf(data)]);
  return isOverloaded ? new OneOf(words(options), words(decodeCookieAndOptions(fromCookie))) : words(options);
}

// Pads may stand anywhere; a packet that ends without the mark is tolerated.
function hasEndMark(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at += bytes[at] === 0 ? 1 : 2 + (bytes[at + 1] ?? 0)) {
    if (bytes[at] === 255) return true;
  }
  return false;
}

function machineIdWords(data: Uint8Array): Words {
  return { type: data[0], wireHex: hexOf(data.subarray(1)), uuid: uuidOf(data) };
}

// Its first three fields have the least byte first (RFC 4578 2.3, as all firmware does it).
function uuidOf(data: Uint8Array): string | undefined {
  if (data.length !== 17) return undefined;
  const [a, b, c] = [data.slice(1, 5), data.slice(5, 7), data.slice(7, 9)].map((part) => hexOf(part.reverse()));
  return [a, b, c, hexOf(data.subarray(9, 11)), hexOf(data.subarray(11))].join("-");
}

const isBsdp = (packet: DhcpPacket): boolean =>
  parseBsdpVendorClass(optionData(packet, Option.vendorClass) ?? new Uint8Array(0)) !== undefined;

function lengthOfMac(wanted: Json | undefined): number {
  if (wanted === "") return 0;
  return typeof wanted === "string" ? wanted.split(":").length : 6;
}

const pairs = (data: Uint8Array | undefined) =>
  data === undefined ? undefined : encapsulatedOptions(data).options.map((option) => [option.code, hexOf(option.data)]);

const numbersOf2 = (data: Uint8Array | undefined) =>
  data === undefined ? undefined : Array.from({ length: data.length >> 1 }, (_, at) => numberOf2(data, 2 * at));

const latin1 = (data: Uint8Array | undefined) =>
  data === undefined ? undefined : Buffer.from(data).toString("latin1");

/** A NUL at the end is no part of a text, and some write down the bytes as they are. */
function optionText(data: Uint8Array | undefined): unknown {
  if (data === undefined) return undefined;
  const text = Buffer.from(data).toString("latin1");
  return new OneOf(text, Buffer.from(data).toString("utf8"), text.replace(/\0+$/, ""));
}

const utf8 = (data: Uint8Array | undefined) => (data === undefined ? undefined : Buffer.from(data).toString("utf8"));

/** Our reader keeps one character for each byte; the files have UTF-8. */
const textOf = (text: string) => new OneOf(text, Buffer.from(text, "latin1").toString("utf8"));

function fieldText(bytes: Uint8Array, from: number, to: number): string {
  return Buffer.from(bytes.subarray(from, to)).toString("utf8").split("\0")[0] ?? "";
}
