import { Fault } from "../fault.ts";
import type { BsdpOptions } from "./bsdp-options.ts";
import { BsdpMessage, decodeBsdpOptions } from "./bsdp-options.ts";
import type { BsdpSelection } from "./bsdp-reply.ts";
import { boundOffer, failedReply, listReply, optionAreaBytes, selectReply } from "./bsdp-reply.ts";
import type { DhcpPacket } from "./dhcp-packet.ts";
import { clientMac, optionData, optionInstances } from "./dhcp-packet.ts";
import { MessageType, messageTypeOf, numberOf2, Option } from "./dhcp-values.ts";
import { bootImageOf, eligibleImages, filteredImages, imageNumberOf } from "./net-boot-choice.ts";
import type { NetBootImage } from "./net-boot-image.ts";
import { parseBsdpVendorClass } from "./vendor-class.ts";

/** What a Mac is told to keep: it chose this image before. Nothing is bound unless the caller says so. */
export type BsdpBinding = {
  /** Id of the image, as a number. */
  readonly image: number;
  readonly machineName?: string;
};

export type BsdpSettings = {
  /** Our address on the interface that the request came in. */
  readonly serverAddress: string;
  /** Written into `sname`: the address as text is what all firmware understands. */
  readonly serverName: string;
  readonly priority: number;
  readonly images: readonly NetBootImage[];
  readonly binding?: BsdpBinding;
  /** Our own limit for a reply with IP and UDP headers; without one the client's counts alone. */
  readonly maximumMessageBytes?: number;
};

/** Why a packet gets no BSDP answer. */
export type BsdpSilence =
  | "not-a-request"
  | "not-ethernet"
  | "not-bsdp"
  | "no-vendor-options"
  | "bad-vendor-options"
  | "bad-version"
  | "old-firmware"
  | "sname-names-another-server"
  | "siaddr-names-another-server"
  | "wrong-message-type"
  | "bad-reply-port"
  | "no-client-address"
  | "bad-bsdp-message"
  | "no-server-named"
  | "another-server-named"
  | "no-image"
  | "not-bound";

export type BsdpDecision =
  | {
      readonly type: "reply";
      readonly message: "LIST" | "SELECT" | "FAILED" | "OFFER";
      readonly packet: DhcpPacket;
      readonly to: { readonly address: string; readonly port: number };
      /** Id of the image that was chosen or is the default. */
      readonly image?: number;
    }
  | { readonly type: "silence"; readonly reason: BsdpSilence; readonly forgetBinding?: true };

const silence = (reason: BsdpSilence): BsdpDecision => ({ type: "silence", reason });
/** Ports below this one need a privilege: nobody can be made to receive our packets elsewhere. */
const FIRST_FREE_PORT = 1024;
const CLIENT_PORT = 68;

/**
 * Decides what a BSDP server does with a packet from port 67.
 * Source: apple-oss-distributions/bootp, bsdpd.c and Documentation/BSDP.doc.
 */
export function decideBsdp(request: DhcpPacket, settings: BsdpSettings): BsdpDecision {
  if (request.op !== 1) return silence("not-a-request");
  if (request.htype !== 1 || request.hlen !== 6) return silence("not-ethernet");
  const vendorClass = parseBsdpVendorClass(optionData(request, Option.vendorClass) ?? new Uint8Array(0));
  if (vendorClass === undefined) return silence("not-bsdp");
  if (request.sname !== "" && request.sname !== settings.serverName && request.sname !== settings.serverAddress) {
    return silence("sname-names-another-server");
  }
  if (request.siaddr !== "0.0.0.0" && request.siaddr !== settings.serverAddress) {
    return silence("siaddr-names-another-server");
  }
  const options = readOptions(request);
  if (typeof options === "string") return silence(options);
  if (options.version === 0 || options.isOldFirmware) return silence("old-firmware");
  if (options.version !== 0x0100 && options.version !== 0x0101) return silence("bad-version");
  const client = { ...vendorClass, mac: clientMac(request) };
  const images = eligibleImages(settings.images, client);
  switch (messageTypeOf(request)) {
    case MessageType.inform:
      return decideInform(request, settings, options, images);
    case MessageType.discover:
      return decideDiscover(request, settings, options, images);
    default:
      return silence("wrong-message-type");
  }
}

function readOptions(request: DhcpPacket): BsdpOptions | BsdpSilence {
  const instances = optionInstances(request, Option.vendorOptions);
  if (instances.length === 0) return "no-vendor-options";
  try {
    return decodeBsdpOptions(instances);
  } catch (error) {
    if (error instanceof Fault) return "bad-vendor-options";
    throw error;
  }
}

function decideInform(
  request: DhcpPacket,
  settings: BsdpSettings,
  options: BsdpOptions,
  images: readonly NetBootImage[],
): BsdpDecision {
  const port = options.replyPort ?? CLIENT_PORT;
  if (port === 0 || port >= FIRST_FREE_PORT) return silence("bad-reply-port");
  if (request.ciaddr === "0.0.0.0") return silence("no-client-address");
  const server = { address: settings.serverAddress, name: settings.serverName };
  // An INFORM is answered to the client itself, also through a relay: it has an address.
  const to = { address: request.ciaddr, port };
  if (options.messageType === BsdpMessage.list) {
    const shown = filteredImages(images, options.attributesFilter);
    const defaultImage = shown[0];
    if (defaultImage === undefined) return silence("no-image");
    const bound = shown.find((image) => imageNumberOf(image) === settings.binding?.image);
    const list = {
      priority: settings.priority,
      defaultImage: imageNumberOf(defaultImage),
      ...(bound === undefined ? {} : { selectedImage: imageNumberOf(bound) }),
      ...(options.version === 0x0101 ? { images: shown.map(bootImageOf) } : {}),
    };
    const wanted = options.maxMessageSize ?? maxMessageSizeOf(request) ?? 0;
    const areaBytes = optionAreaBytes(Math.min(wanted, settings.maximumMessageBytes ?? wanted));
    const packet = listReply(request, server, list, areaBytes);
    return { type: "reply", message: "LIST", packet, to, image: list.defaultImage };
  }
  if (options.messageType !== BsdpMessage.select) return silence("bad-bsdp-message");
  if (options.serverId === undefined) return silence("no-server-named");
  if (options.serverId !== settings.serverAddress) {
    return { type: "silence", reason: "another-server-named", forgetBinding: true };
  }
  const chosen = chosenImage(options, images);
  if (chosen === undefined) return { type: "reply", message: "FAILED", packet: failedReply(request, server), to };
  const packet = selectReply(request, server, selectionOf(chosen, settings.binding?.machineName));
  return { type: "reply", message: "SELECT", packet, to, image: imageNumberOf(chosen) };
}

// The attributes filter does not count here: a client may choose what it was not shown.
function chosenImage(options: BsdpOptions, images: readonly NetBootImage[]): NetBootImage | undefined {
  if (options.selectedImage === undefined) return images[0];
  return images.find((image) => imageNumberOf(image) === options.selectedImage);
}

function decideDiscover(
  request: DhcpPacket,
  settings: BsdpSettings,
  options: BsdpOptions,
  images: readonly NetBootImage[],
): BsdpDecision {
  const { binding } = settings;
  if (binding === undefined) return silence("not-bound");
  const bound = filteredImages(images, options.attributesFilter).find(
    (image) => imageNumberOf(image) === binding.image,
  );
  if (bound === undefined) return silence("no-image");
  const server = { address: settings.serverAddress, name: settings.serverName };
  const packet = boundOffer(request, server, selectionOf(bound, binding.machineName));
  const isRelayed = request.giaddr !== "0.0.0.0";
  const to = isRelayed ? { address: request.giaddr, port: 67 } : { address: "255.255.255.255", port: CLIENT_PORT };
  return { type: "reply", message: "OFFER", packet, to, image: binding.image };
}

function selectionOf(image: NetBootImage, machineName: string | undefined): BsdpSelection {
  return {
    image: imageNumberOf(image),
    bootFile: image.bootFile,
    ...(image.loadBalanceServer === undefined ? {} : { loadBalanceServer: image.loadBalanceServer }),
    ...(image.rootPath === undefined ? {} : { rootPath: image.rootPath }),
    ...(machineName === undefined ? {} : { machineName }),
  };
}

function maxMessageSizeOf(request: DhcpPacket): number | undefined {
  const data = optionData(request, Option.maxMessageSize);
  return data?.length === 2 ? numberOf2(data) : undefined;
}
