import type { BsdpOptions } from "./bsdp-options.ts";
import { BsdpMessage, decodeBsdpOptions, encodeSubOptions, SubOption } from "./bsdp-options.ts";
import type { DhcpOption, DhcpPacket } from "./dhcp-packet.ts";
import { clientMac, decodeDhcpPacket, optionAddress, optionData, optionInstances } from "./dhcp-packet.ts";
import {
  addressOption,
  byteOption,
  MessageType,
  messageTypeOf,
  numberOption,
  Option,
  textOption,
} from "./dhcp-values.ts";
import { BSDP_CLASS } from "./vendor-class.ts";

/** Who asks. `firmware` is what a Mac does at power on, `startup-disk` what its preference panel does. */
export type BsdpClientIdentity = {
  readonly profile: "firmware" | "startup-disk";
  /** Lower case with colons. */
  readonly mac: string;
  readonly address: string;
  /** "i386" for every Intel Mac. */
  readonly arch: string;
  /** For example "iMac14,3". */
  readonly model: string;
  /** Below 1024; 68 is not written into the packet. */
  readonly replyPort: number;
};

/** What each asks for in option 55 (public DHCP fingerprints of Intel Macs; BSDPClient.c). */
const parameterLists = { firmware: [1, 3, 67, 43, 60], "startup-disk": [60, 43] } as const;
const CLIENT_PORT = 68;
const VERSION_1_1 = 0x0101;
/** What the preference panel can take: option 57, and in sub-option 12 its buffer (BSDPClient.c). */
const PANEL_FRAME_BYTES = 1500;
const PANEL_BUFFER_BYTES = 8192;
/** BOOTP's fields without the cookie: Apple's client reads nothing shorter. */
const SHORTEST_REPLY_BYTES = 236;

const number2 = (code: number, value: number): DhcpOption => ({ code, data: Uint8Array.of(value >> 8, value & 255) });

/** INFORM[LIST], with its sub-options in Apple's order: 1, 2, 5, 12. */
export function listRequest(identity: BsdpClientIdentity, xid: number): DhcpPacket {
  const isPanel = identity.profile === "startup-disk";
  return inform(identity, xid, [
    ...commonSubOptions(identity, BsdpMessage.list),
    ...(isPanel ? [number2(SubOption.maxMessageSize, PANEL_BUFFER_BYTES)] : []),
  ]);
}

/** INFORM[SELECT], with its sub-options in Apple's order: 1, 2, 5, 3, 8. */
export function selectRequest(
  identity: BsdpClientIdentity,
  xid: number,
  choice: { readonly server: string; readonly image: number },
): DhcpPacket {
  return inform(identity, xid, [
    ...commonSubOptions(identity, BsdpMessage.select),
    addressOption(SubOption.serverId, choice.server),
    numberOption(SubOption.selectedImage, choice.image),
  ]);
}

function commonSubOptions({ replyPort }: BsdpClientIdentity, message: number): DhcpOption[] {
  return [
    byteOption(SubOption.messageType, message),
    number2(SubOption.version, VERSION_1_1),
    ...(replyPort === CLIENT_PORT ? [] : [number2(SubOption.replyPort, replyPort)]),
  ];
}

function inform(identity: BsdpClientIdentity, xid: number, subOptions: readonly DhcpOption[]): DhcpPacket {
  const chaddr = new Uint8Array(16);
  chaddr.set(identity.mac.split(":").map((part) => Number.parseInt(part, 16)));
  const none = "0.0.0.0";
  const isPanel = identity.profile === "startup-disk";
  return {
    op: 1,
    htype: 1,
    hlen: 6,
    hops: 0,
    xid,
    secs: 0,
    flags: 0,
    ciaddr: identity.address,
    yiaddr: none,
    siaddr: none,
    giaddr: none,
    chaddr,
    sname: "",
    file: "",
    options: [
      byteOption(Option.messageType, MessageType.inform),
      { code: Option.parameterList, data: Uint8Array.from(parameterLists[identity.profile]) },
      ...(isPanel ? [number2(Option.maxMessageSize, PANEL_FRAME_BYTES)] : []),
      textOption(Option.vendorClass, `${BSDP_CLASS}/${identity.arch}/${identity.model}`),
      { code: Option.vendorOptions, data: encodeSubOptions(subOptions) },
    ],
  };
}

/** An ACK that Apple's client takes. */
export type BsdpAck = { readonly packet: DhcpPacket; readonly server: string; readonly options: BsdpOptions };

/**
 * Reads an answer as strictly as Apple's client does, which is why a server has to copy these fields faithfully.
 * Source: BSDPClient.c.
 *
 * @returns why it is dropped, as text
 */
export function readAck(bytes: Uint8Array, identity: BsdpClientIdentity, xid: number): BsdpAck | string {
  if (bytes.length < SHORTEST_REPLY_BYTES) return "shorter than 236 bytes";
  let packet: DhcpPacket;
  let options: BsdpOptions;
  try {
    packet = decodeDhcpPacket(bytes);
    options = decodeBsdpOptions(optionInstances(packet, Option.vendorOptions));
  } catch {
    return "cannot be read";
  }
  if (packet.op !== 2) return "not a reply";
  if (packet.xid !== xid) return "another xid";
  if (packet.htype !== 1 || packet.hlen !== 6 || clientMac(packet) !== identity.mac) return "another hardware address";
  if (packet.ciaddr !== identity.address) return "another ciaddr";
  if (messageTypeOf(packet) !== MessageType.ack) return "not an ACK";
  const vendorClass = optionData(packet, Option.vendorClass) ?? new Uint8Array(0);
  if (new TextDecoder().decode(vendorClass) !== BSDP_CLASS) return "another class";
  const server = optionAddress(packet, Option.serverId);
  if (server === undefined) return "no server identifier";
  if (options.messageType === undefined) return "no BSDP message type";
  return { packet, server, options };
}
