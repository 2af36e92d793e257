import { Fault } from "../fault.ts";
import type { BsdpOptions } from "./bsdp-options.ts";
import { decodeBsdpOptions } from "./bsdp-options.ts";
import type { DhcpPacket } from "./dhcp-packet.ts";
import { clientMac, optionData, optionInstances } from "./dhcp-packet.ts";
import { MessageType, messageTypeOf, numberOf2, Option } from "./dhcp-values.ts";
import type { NetBootClient } from "./net-boot-choice.ts";
import { parseBsdpVendorClass } from "./vendor-class.ts";

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
  | "request-is-for-the-dhcp-server"
  | "wrong-message-type"
  | "bad-reply-port"
  | "no-client-address"
  | "bad-bsdp-message"
  | "no-server-named"
  | "another-server-named"
  | "asked-too-early"
  | "no-image"
  | "no-image-for-architecture"
  | "no-image-for-model"
  | "mac-not-allowed"
  | "filter-matches-nothing"
  | "too-long-for-the-client"
  | "not-bound";

/** Whom a request may name without meaning another server. */
export type BsdpAddressee = {
  /** Our address on the interface that the request came in. */
  readonly serverAddress: string;
  /** Written into `sname`: the address as text is what all firmware understands. */
  readonly serverName: string;
};

/** A packet that a BSDP server has to think about. */
export type BsdpRequest = {
  readonly type: "discover" | "inform";
  readonly client: NetBootClient;
  readonly options: BsdpOptions;
  /** Largest answer in bytes with IP and UDP headers: sub-option 12, else option 57, else 0. */
  readonly maxMessageBytes: number;
};

const VERSION_1_0 = 0x0100;
export const VERSION_1_1 = 0x0101;

/**
 * Reads a packet as Apple's server does, up to the point where only the kind
 * of message and the images decide.
 * Source: apple-oss-distributions/bootp, bootpd.c (S_dispatch_request), bsdpd.c.
 */
export function readBsdpRequest(request: DhcpPacket, we: BsdpAddressee): BsdpRequest | BsdpSilence {
  if (request.op !== 1) return "not-a-request";
  if (request.htype !== 1 || request.hlen !== 6) return "not-ethernet";
  const vendorClass = parseBsdpVendorClass(optionData(request, Option.vendorClass) ?? new Uint8Array(0));
  if (vendorClass === undefined) return "not-bsdp";
  const { sname, siaddr } = request;
  if (sname !== "" && sname !== we.serverName && sname !== we.serverAddress) return "sname-names-another-server";
  if (siaddr !== "0.0.0.0" && siaddr !== we.serverAddress) return "siaddr-names-another-server";
  const options = readOptions(request);
  if (typeof options === "string") return options;
  if (options.version === 0 || options.isOldFirmware) return "old-firmware";
  if (options.version !== VERSION_1_0 && options.version !== VERSION_1_1) return "bad-version";
  const type = messageTypeOf(request);
  if (type === MessageType.request) return "request-is-for-the-dhcp-server";
  if (type !== MessageType.discover && type !== MessageType.inform) return "wrong-message-type";
  return {
    type: type === MessageType.inform ? "inform" : "discover",
    client: { ...vendorClass, mac: clientMac(request) },
    options,
    maxMessageBytes: options.maxMessageSize ?? maxMessageSizeOf(request) ?? 0,
  };
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

function maxMessageSizeOf(request: DhcpPacket): number | undefined {
  const data = optionData(request, Option.maxMessageSize);
  return data?.length === 2 ? numberOf2(data) : undefined;
}
