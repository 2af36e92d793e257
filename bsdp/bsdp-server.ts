import { BsdpMessage } from "./bsdp-options.ts";
import type { BsdpSelection } from "./bsdp-reply.ts";
import { boundOffer, failedReply, fitsClient, listReply, optionAreaBytes, selectReply } from "./bsdp-reply.ts";
import type { BsdpAddressee, BsdpRequest, BsdpSilence } from "./bsdp-request.ts";
import { readBsdpRequest, VERSION_1_1 } from "./bsdp-request.ts";
import type { DhcpPacket } from "./dhcp-packet.ts";
import { bootFileFor, bootImageOf, eligibleImages, filteredImages, imageNumberOf } from "./net-boot-choice.ts";
import type { NetBootImage } from "./net-boot-image.ts";
import { rootPathText } from "./net-boot-root.ts";
import { relayEcho } from "./proxy.ts";
import type { Destination } from "./reply-destination.ts";
import { BROADCAST_ADDRESS, CLIENT_PORT, destinationOf } from "./reply-destination.ts";

export type BsdpSettings = BsdpAddressee & {
  /** 0 to 65535; Macs prefer the highest. */
  readonly priority: number;
  /** What there is, the most useful first. */
  readonly images: readonly NetBootImage[];
  /** The image that this Mac was bound to, by its id. Nothing is bound unless the caller says so. */
  readonly boundImage?: number;
  /** What the booted system is told about itself; only images with a root path get it. */
  readonly machine?: BsdpMachine;
  /** A Mac that has looked for so few seconds (`secs`) is left to other servers. Default 0. */
  readonly minimumSeconds?: number;
};

export type BsdpMachine = {
  /** The computer's name. */
  readonly name?: string;
  /** Where a diskless client keeps what it changes: an afp:// address, and a path in it. */
  readonly shadowMountPath?: string;
  readonly shadowFilePath?: string;
};

export type BsdpDecision =
  | {
      readonly type: "reply";
      readonly message: "LIST" | "SELECT" | "FAILED" | "OFFER";
      readonly packet: DhcpPacket;
      readonly to: Destination;
      /** Id of the image that was chosen or is the default. */
      readonly image?: number;
    }
  | { readonly type: "silence"; readonly reason: BsdpSilence; readonly forgetBinding?: true };

const silence = (reason: BsdpSilence): BsdpDecision => ({ type: "silence", reason });
/** Ports below this one need a privilege: nobody can be made to receive our packets elsewhere. */
const FIRST_FREE_PORT = 1024;

/**
 * Decides what a BSDP server does with a packet from port 67.
 * Source: apple-oss-distributions/bootp, bsdpd.c and Documentation/BSDP.doc.
 */
export function decideBsdp(packet: DhcpPacket, settings: BsdpSettings): BsdpDecision {
  const request = readBsdpRequest(packet, settings);
  if (typeof request === "string") return silence(request);
  return request.type === "inform"
    ? decideInform(packet, request, settings)
    : decideDiscover(packet, request, settings);
}

function decideInform(packet: DhcpPacket, request: BsdpRequest, settings: BsdpSettings): BsdpDecision {
  const { options } = request;
  const port = options.replyPort ?? CLIENT_PORT;
  if (port === 0 || port >= FIRST_FREE_PORT) return silence("bad-reply-port");
  if (packet.ciaddr === "0.0.0.0") return silence("no-client-address");
  // An INFORM is answered to the client itself, also through a relay: it has an address.
  const to = { address: packet.ciaddr, port };
  if (options.messageType === BsdpMessage.list) return decideList(packet, request, settings, to);
  if (options.messageType === BsdpMessage.select) return decideSelect(packet, request, settings, to);
  return silence("bad-bsdp-message");
}

function decideList(packet: DhcpPacket, request: BsdpRequest, settings: BsdpSettings, to: Destination): BsdpDecision {
  const { client, options } = request;
  if (packet.secs < (settings.minimumSeconds ?? 0)) return silence("asked-too-early");
  const images = eligibleImages(settings.images, client);
  if (typeof images === "string") return silence(images);
  const shown = filteredImages(images, options.attributesFilter);
  const defaultImage = shown[0];
  if (defaultImage === undefined) return silence("filter-matches-nothing");
  const bound = shown.find((image) => imageNumberOf(image) === settings.boundImage);
  const list = {
    priority: settings.priority,
    defaultImage: imageNumberOf(defaultImage),
    ...(bound === undefined ? {} : { selectedImage: imageNumberOf(bound) }),
    // Version 1.0 knows no lists: it takes the default.
    ...(options.version === VERSION_1_1 ? { images: shown.map(bootImageOf) } : {}),
  };
  const reply = listReply(packet, serverOf(settings), list, optionAreaBytes(request.maxMessageBytes));
  return { type: "reply", message: "LIST", packet: reply, to, image: list.defaultImage };
}

function decideSelect(packet: DhcpPacket, request: BsdpRequest, settings: BsdpSettings, to: Destination): BsdpDecision {
  const { client, options } = request;
  if (options.serverId === undefined) return silence("no-server-named");
  if (options.serverId !== settings.serverAddress) {
    return { type: "silence", reason: "another-server-named", forgetBinding: true };
  }
  const server = serverOf(settings);
  const failed: BsdpDecision = { type: "reply", message: "FAILED", packet: failedReply(packet, server), to };
  const images = eligibleImages(settings.images, client);
  if (typeof images === "string") return failed;
  // The attributes filter does not count here: a client may choose what it was not shown.
  const chosen =
    options.selectedImage === undefined
      ? images[0]
      : images.find((image) => imageNumberOf(image) === options.selectedImage);
  if (chosen === undefined) return failed;
  const reply = selectReply(packet, server, selectionOf(chosen, request, settings));
  if (!fitsClient(reply, request.maxMessageBytes)) return failed;
  return { type: "reply", message: "SELECT", packet: reply, to, image: imageNumberOf(chosen) };
}

function decideDiscover(packet: DhcpPacket, request: BsdpRequest, settings: BsdpSettings): BsdpDecision {
  if (settings.boundImage === undefined) return silence("not-bound");
  if (packet.secs < (settings.minimumSeconds ?? 0)) return silence("asked-too-early");
  const images = eligibleImages(settings.images, request.client);
  if (typeof images === "string") return silence(images);
  const bound = images.find((image) => imageNumberOf(image) === settings.boundImage);
  if (bound === undefined) return silence("not-bound");
  if (filteredImages([bound], request.options.attributesFilter).length === 0) return silence("filter-matches-nothing");
  const isRelayed = packet.giaddr !== "0.0.0.0";
  const offer = boundOffer(packet, serverOf(settings), selectionOf(bound, request, settings));
  const reply = isRelayed ? { ...offer, options: [...offer.options, ...relayEcho(packet)] } : offer;
  // An OFFER has to fit one frame, whatever the client says it can take.
  if (!fitsClient(reply, Math.min(request.maxMessageBytes, 1500))) return silence("too-long-for-the-client");
  const to = isRelayed ? destinationOf(packet) : { address: BROADCAST_ADDRESS, port: CLIENT_PORT };
  return { type: "reply", message: "OFFER", packet: reply, to, image: settings.boundImage };
}

const serverOf = (settings: BsdpSettings) => ({ address: settings.serverAddress, name: settings.serverName });

function selectionOf(image: NetBootImage, { client }: BsdpRequest, settings: BsdpSettings): BsdpSelection {
  const { loadBalanceServer, root } = image;
  const hasRoot = image.type === "HTTP" || image.type === "NFS";
  const { name, shadowMountPath, shadowFilePath } = (hasRoot ? settings.machine : undefined) ?? {};
  const isDiskless = bootImageOf(image).isInstall === false;
  return {
    image: imageNumberOf(image),
    bootFile: bootFileFor(image, client),
    ...(loadBalanceServer === undefined ? {} : { loadBalanceServer }),
    ...(hasRoot && root !== undefined
      ? { rootPath: rootPathText(root, loadBalanceServer ?? settings.serverAddress) }
      : {}),
    ...(name === undefined ? {} : { machineName: name }),
    ...(shadowMountPath === undefined || !isDiskless ? {} : { shadowMountPath }),
    ...(shadowFilePath === undefined || !isDiskless ? {} : { shadowFilePath }),
  };
}
