import { addressBytes } from "../../bsdp/address.ts";
import {
  BROADCAST_FLAG,
  type DhcpOption,
  type DhcpPacket,
  decodeDhcpPacket,
  encodeDhcpPacket,
} from "../../bsdp/dhcp-packet.ts";
import { addressOption, byteOption, MessageType, Option, textOption } from "../../bsdp/dhcp-values.ts";
import { bytesOf, vectorNamed } from "../bsdp/packet-vectors.ts";

/** The kinds of machine that stand in the room; `office` is an ordinary computer that asks for an address only. */
export type MachineKind = "uefi" | "bios" | "ipxe" | "mac" | "office";

/** Who asks, as its firmware or the loader that it was given says it. */
export type Voice = MachineKind | "uefi-ipxe" | "bios-ipxe";

/** Recorded packets (test/vectors): what each voice says, but for the machine's own fields. */
const recorded: Readonly<Record<Voice, string>> = {
  uefi: "ovmf-x64-discover",
  bios: "pixiecore-pcap-discover",
  ipxe: "seabios-ipxe-discover",
  "uefi-ipxe": "ipxe-efi-discover",
  "bios-ipxe": "ipxe-bios-chained-discover-bare-class",
  mac: "fw-discover-i386",
  office: "fw-discover-i386",
};

const packets = new Map<Voice, DhcpPacket>();

function packetOf(voice: Voice): DhcpPacket {
  let packet = packets.get(voice);
  if (packet === undefined) {
    packet = decodeDhcpPacket(bytesOf(vectorNamed(recorded[voice]).hex));
    if (voice === "office") {
      const [type, list] = [
        byteOption(Option.messageType, MessageType.discover),
        { code: 55, data: bytesOf("01030f06") },
      ];
      packet = { ...packet, options: [type, textOption(Option.vendorClass, "MSFT 5.0"), list] };
    }
    packets.set(voice, packet);
  }
  return packet;
}

export type Asking = { readonly voice: Voice; readonly mac: string; readonly xid: number };

/** A DISCOVER. */
export function discover(asking: Asking): Uint8Array {
  return encodeDhcpPacket(own(asking, packetOf(asking.voice)));
}

/** The REQUEST for an address that `server` has offered. */
export function request(asking: Asking, server: string, address: string): Uint8Array {
  const packet = packetOf(asking.voice);
  const chosen = [addressOption(Option.serverId, server), addressOption(Option.requestedAddress, address)];
  return encodeDhcpPacket(own(asking, { ...packet, options: [...withType(packet, MessageType.request), ...chosen] }));
}

/** What UEFI firmware that has an address asks a boot server on port 4011. */
export function bootServerRequest(asking: Asking, address: string): Uint8Array {
  const packet = packetOf(asking.voice);
  const options = withType(packet, MessageType.request);
  return encodeDhcpPacket(own(asking, { ...packet, flags: 0, ciaddr: address, options }));
}

/** A Mac's INFORM: LIST, or SELECT of an image of `server`. */
export function bsdpInform(
  asking: Asking,
  address: string,
  select?: { readonly server: string; readonly image: Uint8Array },
): Uint8Array {
  const packet = decodeDhcpPacket(bytesOf(vectorNamed("fw-inform-list-port68").hex));
  const version = [2, 2, 1, 1];
  const said =
    select === undefined
      ? [1, 1, 1, ...version]
      : [1, 1, 2, ...version, 3, 4, ...addressBytes(select.server), 8, 4, ...select.image];
  const vendor = { code: Option.vendorOptions, data: Uint8Array.from(said) };
  const options = packet.options.map((option) => (option.code === Option.vendorOptions ? vendor : option));
  return encodeDhcpPacket(own(asking, { ...packet, ciaddr: address, options }));
}

function own({ mac, xid }: Asking, packet: DhcpPacket): DhcpPacket {
  const address = Buffer.from(mac.replaceAll(":", ""), "hex");
  const chaddr = new Uint8Array(16);
  chaddr.set(address);
  // Other servers tell machines apart by these.
  const options = packet.options.map(({ code, data }) => {
    if (code === Option.clientId) return { code, data: Uint8Array.of(1, ...address) };
    if (code === Option.clientMachineId) return { code, data: Uint8Array.of(...data.subarray(0, 11), ...address) };
    return { code, data };
  });
  // Its card is not on the wire: an answer that goes to the card's address and to nobody else would be lost.
  const flags = packet.ciaddr === "0.0.0.0" ? BROADCAST_FLAG : packet.flags;
  return { ...packet, xid, chaddr, flags, options };
}

function withType(packet: DhcpPacket, type: number): DhcpOption[] {
  const option = byteOption(Option.messageType, type);
  return packet.options.map((one) => (one.code === Option.messageType ? option : one));
}
