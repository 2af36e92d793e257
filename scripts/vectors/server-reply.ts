import { imageIdOfNumber } from "../../bsdp/boot-image.ts";
import { decodeSubOptions, encodeSubOptions, SubOption } from "../../bsdp/bsdp-options.ts";
import { listReply, optionAreaBytes } from "../../bsdp/bsdp-reply.ts";
import { readBsdpRequest, VERSION_1_1 } from "../../bsdp/bsdp-request.ts";
import type { BsdpSettings } from "../../bsdp/bsdp-server.ts";
import { decideBsdp } from "../../bsdp/bsdp-server.ts";
import type { DhcpOption, DhcpPacket } from "../../bsdp/dhcp-packet.ts";
import { decodeDhcpPacket, encodeDhcpPacket, optionData } from "../../bsdp/dhcp-packet.ts";
import { addressOption, numberOption, Option } from "../../bsdp/dhcp-values.ts";
import { imageNumberOf } from "../../bsdp/net-boot-choice.ts";
import type { NetBootImage } from "../../bsdp/net-boot-image.ts";
import { parseBsdpVendorClass } from "../../bsdp/vendor-class.ts";
import { Fault } from "../../fault.ts";
import type { JsonObject, Vector } from "./index-file.ts";
import { isObject } from "./index-file.ts";
import { hexOf, type Verdict } from "./verdict.ts";

/** Where the header has `sname`: the one field in which the documents leave a choice. */
const SNAME = { from: 44, to: 108 };

/** Our server, given the request and the settings, must answer with exactly these bytes. */
export function checkReply(verdict: Verdict, vector: Vector): void {
  const { requestBytes, input, bytes, expect } = vector;
  if (requestBytes === undefined || input === undefined) return;
  if (vector.family !== "bsdp") {
    verdict.skip("the bytes of the reply (only those of BSDP are given)");
    return;
  }
  let reply: Uint8Array | string;
  try {
    const request = asInputSays(decodeDhcpPacket(requestBytes), input);
    reply = isPackerOnly(input, expect) ? packedList(request, input, expect) : decidedReply(request, input, expect);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    reply = `${error.code}: ${error.why}`;
  }
  if (typeof reply === "string") {
    verdict.differs("reply", hexOf(bytes), reply);
    return;
  }
  if (Buffer.compare(reply, bytes) === 0) return;
  if (Buffer.compare(withoutSname(reply), withoutSname(bytes)) === 0) return;
  const at = reply.findIndex((byte, index) => byte !== bytes[index]);
  const place = at < 0 ? Math.min(reply.length, bytes.length) : at;
  const part = (whole: Uint8Array) => `${whole.length} bytes, there ${hexOf(whole.subarray(place, place + 24))}`;
  verdict.differs(`reply, byte ${place}`, part(bytes), part(reply));
}

function withoutSname(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(bytes).fill(0, SNAME.from, SNAME.to);
}

function decidedReply(request: DhcpPacket, input: JsonObject, expect: JsonObject): Uint8Array | string {
  const decision = decideBsdp(request, settingsOf(request, input, expect));
  return decision.type === "reply" ? encodeDhcpPacket(decision.packet) : `silence: ${decision.reason}`;
}

/** The settings that `input` describes. What an `oracle` reply had besides stands in its bytes. */
function settingsOf(request: DhcpPacket, input: JsonObject, expect: JsonObject): BsdpSettings {
  const bsdp = isObject(expect["bsdp"]) ? expect["bsdp"] : {};
  const isFailure = bsdp["messageType"] === "FAILED";
  const image = numberOf(input["image"] ?? idOf(bsdp["selectedImage"]));
  const images = listedImages(request, input);
  if (!isFailure && images.length === 0 && image !== undefined) images.push(singleImage(request, input, expect, image));
  const bound =
    expect["messageType"] === "OFFER"
      ? image
      : bsdp["messageType"] === "LIST"
        ? boundImageOf(input, expect)
        : undefined;
  const machine = {
    name: textOf(input["machineName"]),
    shadowMountPath: textOf(input["shadowMountPath"]),
    shadowFilePath: textOf(input["shadowFilePath"]),
  };
  return {
    serverAddress: textOf(input["serverAddress"]) ?? "0.0.0.0",
    serverName: textOf(input["serverName"]) ?? "",
    priority: typeof input["priority"] === "number" ? input["priority"] : 0,
    images,
    machine: withoutUndefined(machine),
    ...(bound === undefined ? {} : { boundImage: bound }),
  };
}

function listedImages(request: DhcpPacket, input: JsonObject): NetBootImage[] {
  const list = Array.isArray(input["images"]) ? input["images"] : [];
  return list.filter(isObject).map((image) => ({
    ...common(request),
    ...imageIdOfNumber(numberOf(image["id"]) ?? 0),
    name: textOf(image["name"]) ?? "",
    bootFile: "booter",
  }));
}

function singleImage(request: DhcpPacket, input: JsonObject, expect: JsonObject, id: number): NetBootImage {
  const rootPath = textOf(input["rootPath"]);
  const names = [input["loadBalanceServer"], input["tftpServer"], input["siaddr"], input["nextServer"]];
  const siaddr = textOf(names.find((name) => typeof name === "string") ?? expect["siaddr"]);
  const hasMachine = input["machineName"] !== undefined || input["shadowMountPath"] !== undefined;
  return {
    ...common(request),
    ...imageIdOfNumber(id),
    name: "image",
    bootFile: textOf(input["file"] ?? input["bootFile"]) ?? "",
    ...(rootPath === undefined && !hasMachine ? {} : { type: "HTTP" as const }),
    ...(rootPath === undefined ? {} : { root: { form: "text" as const, text: rootPath } }),
    ...(siaddr === undefined || siaddr === input["serverAddress"] ? {} : { loadBalanceServer: siaddr }),
  };
}

/** For whoever asks: who may see an image is no part of these vectors. */
function common(request: DhcpPacket): { architectures: string[]; isFilterOnly: false } {
  const vendorClass = parseBsdpVendorClass(optionData(request, Option.vendorClass) ?? new Uint8Array(0));
  return { architectures: [vendorClass?.arch ?? ""], isFilterOnly: false };
}

/**
 * The request as if it said itself what `input` says: Apple's packing function
 * was given a maximum size, an image and a server, whatever the request asks.
 */
function asInputSays(request: DhcpPacket, input: JsonObject): DhcpPacket {
  const size = input["maxMessageSize"];
  const image = numberOf(input["image"]);
  const address = textOf(input["serverAddress"]);
  const subOption = (one: DhcpOption): DhcpOption[] => {
    if (one.code === SubOption.maxMessageSize && typeof size === "number") return [];
    if (one.code === SubOption.selectedImage && image !== undefined) return [numberOption(one.code, image)];
    if (one.code === SubOption.serverId && address !== undefined) return [addressOption(one.code, address)];
    return [one];
  };
  const options = request.options.flatMap((option): DhcpOption[] => {
    if (option.code === Option.maxMessageSize && typeof size === "number") return [];
    if (option.code !== Option.vendorOptions) return [option];
    return [{ code: option.code, data: encodeSubOptions(decodeSubOptions([option.data]).flatMap(subOption)) }];
  });
  if (typeof size === "number") {
    options.push({ code: Option.maxMessageSize, data: Uint8Array.of((size >> 8) & 255, size & 255) });
  }
  return { ...request, options };
}

/**
 * A server puts its default first in the list, and tells a client that it is
 * bound only while the image is in it. The packing function alone can have others.
 */
function isPackerOnly(input: JsonObject, expect: JsonObject): boolean {
  const { images, defaultImage } = input;
  if (!Array.isArray(images) || images.length === 0) return false;
  const ids = images.map((image) => numberOf(idOf(image)));
  const bound = boundImageOf(input, expect);
  return (
    (defaultImage !== undefined && ids[0] !== numberOf(defaultImage)) || (bound !== undefined && !ids.includes(bound))
  );
}

/** The image that an ACK[LIST] says the client is bound to: as `input` says it, else as the reply does. */
function boundImageOf(input: JsonObject, expect: JsonObject): number | undefined {
  const bsdp = isObject(expect["bsdp"]) ? expect["bsdp"] : {};
  if (bsdp["messageType"] !== "LIST") return undefined;
  return numberOf(input["selectedImage"] ?? input["boundImage"] ?? idOf(bsdp["selectedImage"]));
}

function packedList(request: DhcpPacket, input: JsonObject, expect: JsonObject): Uint8Array | string {
  const images = listedImages(request, input);
  const server = { address: textOf(input["serverAddress"]) ?? "", name: textOf(input["serverName"]) ?? "" };
  const selected = boundImageOf(input, expect);
  const list = {
    priority: typeof input["priority"] === "number" ? input["priority"] : 0,
    defaultImage: numberOf(input["defaultImage"]) ?? 0,
    ...(selected === undefined ? {} : { selectedImage: selected }),
    images: images.map((image) => ({ ...imageIdOfNumber(imageNumberOf(image)), name: image.name })),
  };
  const asked = readBsdpRequest(request, { serverAddress: server.address, serverName: server.name });
  if (typeof asked === "string") return `silence: ${asked}`;
  const hasList = asked.options.version === VERSION_1_1;
  const reply = listReply(
    request,
    server,
    hasList ? list : { ...list, images: [] },
    optionAreaBytes(asked.maxMessageBytes),
  );
  return encodeDhcpPacket(reply);
}

function idOf(image: JsonObject[string] | undefined): JsonObject[string] | undefined {
  return isObject(image) ? image["id"] : undefined;
}

/** "0x81000089", or a number. */
function numberOf(value: JsonObject[string] | undefined): number | undefined {
  if (typeof value === "number") return value;
  return typeof value === "string" && /^(?:0x)?[0-9a-f]{1,8}$/i.test(value) ? Number.parseInt(value, 16) : undefined;
}

const textOf = (value: JsonObject[string] | undefined): string | undefined =>
  typeof value === "string" ? value : undefined;

function withoutUndefined(value: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, string] => entry[1] !== undefined));
}
