import type { BootImage } from "./boot-image.ts";
import { encodeBootImage } from "./boot-image.ts";
import { BsdpMessage, encodeSubOptions, SubOption } from "./bsdp-options.ts";
import type { DhcpOption, DhcpPacket } from "./dhcp-packet.ts";
import { addressOption, byteOption, MessageType, numberOption, Option, textOption } from "./dhcp-values.ts";
import { BSDP_CLASS } from "./vendor-class.ts";

/** Who answers: our address on the interface that the request came in, and what to write into `sname`. */
export type BsdpServer = { readonly address: string; readonly name: string };

/** What an ACK[LIST] says. */
export type BsdpList = {
  /** 0 to 65535, clients take the highest. */
  readonly priority: number;
  readonly defaultImage: number;
  /** Only for a client that is bound to an image. */
  readonly selectedImage?: number;
  /** Undefined for clients of version 1.0, which do not know lists. */
  readonly images?: readonly BootImage[];
};

/** What an ACK[SELECT] or the OFFER to a bound client says. */
export type BsdpSelection = {
  readonly image: number;
  /** TFTP path of the booter. */
  readonly bootFile: string;
  /** Another TFTP server; `sname` then stays empty. */
  readonly loadBalanceServer?: string;
  readonly rootPath?: string;
  readonly machineName?: string;
  readonly shadowMountPath?: string;
  readonly shadowFilePath?: string;
};

/** What there is room for: the headers of IP and UDP, BOOTP's fields, the cookie. */
const IP_UDP_BYTES = 28;
const BEFORE_OPTIONS_BYTES = 240;
/** RFC 2131 2: every client takes this much, with headers 576; Apple starts from 548. */
const DEFAULT_MESSAGE_BYTES = 548;
const LARGEST_MESSAGE_BYTES = 8192;

/**
 * How many bytes the options of a reply to an INFORM may take, with the end mark.
 *
 * @param maxMessageSize the client's sub-option 12, else its option 57, else 0
 */
export function optionAreaBytes(maxMessageSize: number): number {
  const message = Math.min(Math.max(maxMessageSize, DEFAULT_MESSAGE_BYTES), LARGEST_MESSAGE_BYTES);
  return message - IP_UDP_BYTES - BEFORE_OPTIONS_BYTES;
}

/**
 * True for a reply that the client can take as a whole: no option longer than
 * its length byte can say, and all of it within the client's limit.
 *
 * @param maxMessageSize as for `optionAreaBytes`
 */
export function fitsClient(reply: DhcpPacket, maxMessageSize: number): boolean {
  if (reply.options.some((option) => option.data.length > 255)) return false;
  return sizeOf(reply.options) + 1 <= optionAreaBytes(maxMessageSize);
}

/**
 * ACK[LIST], packed byte for byte as Apple's server does it: whole images in
 * as many instances of option 43 as it takes; where the packet is full the
 * list ends.
 */
export function listReply(request: DhcpPacket, server: BsdpServer, list: BsdpList, areaBytes: number): DhcpPacket {
  const head = [
    byteOption(SubOption.messageType, BsdpMessage.list),
    { code: SubOption.serverPriority, data: Uint8Array.of(list.priority >> 8, list.priority & 255) },
    numberOption(SubOption.defaultImage, list.defaultImage),
  ];
  if (list.selectedImage !== undefined) head.push(numberOption(SubOption.selectedImage, list.selectedImage));
  const common = commonOptions(MessageType.ack, server);
  // One byte is the end mark's.
  const left = areaBytes - 1 - sizeOf(common);
  const instances = packImageList(head, list.images ?? [], left);
  return {
    ...replyHeader(request),
    siaddr: server.address,
    options: [...common, ...instances.map((data) => ({ code: Option.vendorOptions, data }))],
  };
}

/**
 * Fills instances of option 43 with whole images until `areaBytes` are used.
 * Source: bsdpd.c; verified against its output.
 */
function packImageList(head: readonly DhcpOption[], images: readonly BootImage[], areaBytes: number): Uint8Array[] {
  const instances: Uint8Array[] = [];
  let first: Uint8Array = encodeSubOptions(head);
  let entries: Uint8Array[] = [];
  let left = areaBytes;
  let free = Math.min(left - 2, 255) - first.length - 2;
  const flush = () => {
    const list = Buffer.concat(entries);
    const sub = list.length === 0 ? [] : [Uint8Array.of(SubOption.imageList, list.length), list];
    const instance = new Uint8Array(Buffer.concat([first, ...sub]));
    if (instance.length > 0) instances.push(instance);
    left -= 2 + instance.length;
    first = new Uint8Array(0);
    entries = [];
  };
  for (const image of images) {
    const entry = encodeBootImage(image);
    if (entry.length > free) {
      flush();
      free = Math.min(left - 2, 255) - 2;
      if (entry.length > free) break;
    }
    entries.push(entry);
    free -= entry.length;
  }
  flush();
  return instances;
}

/** ACK[SELECT]: where the client gets its booter. */
export function selectReply(request: DhcpPacket, server: BsdpServer, selection: BsdpSelection): DhcpPacket {
  return selectionReply(request, server, selection, MessageType.ack);
}

/** The OFFER to a client that is bound to an image, so that it needs no LIST and SELECT. */
export function boundOffer(request: DhcpPacket, server: BsdpServer, selection: BsdpSelection): DhcpPacket {
  return { ...selectionReply(request, server, selection, MessageType.offer), ciaddr: "0.0.0.0", yiaddr: "0.0.0.0" };
}

function selectionReply(request: DhcpPacket, server: BsdpServer, selection: BsdpSelection, type: number): DhcpPacket {
  const subOptions: DhcpOption[] = [];
  // A BSDP OFFER carries no message type: that is how clients know it.
  if (type === MessageType.ack) subOptions.push(byteOption(SubOption.messageType, BsdpMessage.select));
  subOptions.push(numberOption(SubOption.selectedImage, selection.image));
  for (const [code, text] of [
    [SubOption.machineName, selection.machineName],
    [SubOption.shadowMountPath, selection.shadowMountPath],
    [SubOption.shadowFilePath, selection.shadowFilePath],
  ] as const) {
    if (text !== undefined) subOptions.push(textOption(code, text));
  }
  const options = commonOptions(type, server);
  if (selection.rootPath !== undefined) options.push(textOption(Option.rootPath, selection.rootPath));
  options.push({ code: Option.vendorOptions, data: encodeSubOptions(subOptions) });
  return {
    ...replyHeader(request),
    siaddr: selection.loadBalanceServer ?? server.address,
    sname: selection.loadBalanceServer === undefined ? server.name : "",
    file: selection.bootFile,
    options,
  };
}

/** ACK[FAILED]: the image that was chosen cannot be had. It is an ACK, never a NAK. */
export function failedReply(request: DhcpPacket, server: BsdpServer): DhcpPacket {
  const failed = encodeSubOptions([byteOption(SubOption.messageType, BsdpMessage.failed)]);
  return {
    ...replyHeader(request),
    siaddr: server.address,
    options: [...commonOptions(MessageType.ack, server), { code: Option.vendorOptions, data: failed }],
  };
}

// Apple's client drops a reply whose xid, chaddr or ciaddr differ from its own. A request's yiaddr should be
// 0; copied from one where it is not, our ACK would give an address away.
function replyHeader(request: DhcpPacket): DhcpPacket {
  return { ...request, op: 2, hops: 0, secs: 0, yiaddr: "0.0.0.0", sname: "", file: "", options: [] };
}

function commonOptions(type: number, server: BsdpServer): DhcpOption[] {
  return [
    byteOption(Option.messageType, type),
    addressOption(Option.serverId, server.address),
    textOption(Option.vendorClass, BSDP_CLASS),
  ];
}

function sizeOf(options: readonly DhcpOption[]): number {
  return options.reduce((sum, option) => sum + 2 + option.data.length, 0);
}
