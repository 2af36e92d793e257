import { isRaspberryPi, platformOf } from "./architecture.ts";
import type { Platform } from "./boot-files.ts";
import type { DhcpPacket } from "./dhcp-packet.ts";
import { clientMac, optionData } from "./dhcp-packet.ts";
import { numberOf2, Option } from "./dhcp-values.ts";
import { decodePxeOptions, encapsulatedOptions } from "./pxe-options.ts";

/** A machine that asks a PXE or UEFI HTTP boot server, as its packet describes it. */
export type PxeClient = {
  /**
   * - `ours`: our own build of iPXE, which can run our script for certain.
   * - `ipxe`: another iPXE that has what our script needs.
   * - `small-ipxe`: an iPXE without HTTP or without a kernel format; it needs our loader first.
   * - `http`: firmware with UEFI HTTP boot.
   * - `raspberry`: the boot program of a Raspberry Pi; it knows the names of its files by itself.
   * - `pxe`: plain firmware.
   */
  readonly kind: "ours" | "ipxe" | "small-ipxe" | "http" | "raspberry" | "pxe";
  readonly mac: string;
  /** First value of option 93, else of option 60; undefined when neither says it. */
  readonly architecture: number | undefined;
  /** Undefined when we have no loader for the architecture. */
  readonly platform: Platform | undefined;
  /** Option 97 as it came: sent back unchanged. */
  readonly machineId: Uint8Array | undefined;
  /** PXE sub-option 71: the client's choice from a boot menu. */
  readonly bootItem: { readonly type: number; readonly layer: number } | undefined;
};

/** User class of our own iPXE. */
const OWN_USER_CLASS = "bootcast";
/** Encapsulated in option 175 (ipxe/ipxe, src/include/ipxe/features.h). */
const IpxeFeature = { http: 0x13, bzImage: 0x18, efi: 0x24 } as const;

/**
 * Reads who asks for boot data.
 *
 * @returns undefined for a packet that asks for none
 */
export function pxeClientOf(packet: DhcpPacket): PxeClient | undefined {
  const vendorClass = textOf(optionData(packet, Option.vendorClass));
  const features = ipxeFeatures(packet);
  const userClass = textOf(optionData(packet, Option.userClass));
  const isOurs = userClass.includes(OWN_USER_CLASS);
  // Vendors' builds of iPXE send no user class, but always option 175.
  const isIpxe = isOurs || userClass.includes("iPXE") || features !== undefined;
  const isHttp = vendorClass.startsWith("HTTPClient");
  if (!isIpxe && !isHttp && !vendorClass.startsWith("PXEClient")) return undefined;
  const has = (feature: number) => features?.has(feature) ?? false;
  const canRunScript = has(IpxeFeature.http) && (has(IpxeFeature.bzImage) || has(IpxeFeature.efi));
  const mac = clientMac(packet);
  const architecture = architectureOf(packet, vendorClass) ?? (isIpxe || isHttp ? undefined : 0);
  const machineId = optionData(packet, Option.clientMachineId);
  const isRaspberry = !isIpxe && !isHttp && isRaspberryPi(mac, architecture, machineId);
  // iPXE comes before HTTP boot: started by it, it may repeat the class that
  // it saw, and given the loader again it would load itself for ever.
  const ipxeKind = isOurs ? "ours" : canRunScript ? "ipxe" : "small-ipxe";
  return {
    kind: isIpxe ? ipxeKind : isHttp ? "http" : isRaspberry ? "raspberry" : "pxe",
    mac,
    architecture,
    platform: architecture === undefined || isRaspberry ? undefined : platformOf(architecture),
    machineId: machineId?.length === 17 ? machineId : undefined,
    bootItem: decodePxeOptions(optionData(packet, Option.vendorOptions) ?? new Uint8Array(0)).bootItem,
  };
}

// Some firmware leaves option 93 out and has the number only in option 60.
function architectureOf(packet: DhcpPacket, vendorClass: string): number | undefined {
  const data = optionData(packet, Option.clientArch);
  if (data !== undefined && data.length >= 2) return numberOf2(data);
  const text = /^(?:PXE|HTTP)Client:Arch:(\d{1,5})(?::|$)/.exec(vendorClass)?.[1];
  return text === undefined ? undefined : Number(text);
}

function ipxeFeatures(packet: DhcpPacket): Set<number> | undefined {
  const data = optionData(packet, Option.ipxe);
  return data === undefined ? undefined : new Set(encapsulatedOptions(data).options.map((option) => option.code));
}

// Both forms of a user class occur: plain text, and RFC 3004's list with lengths.
function textOf(data: Uint8Array | undefined): string {
  return data === undefined ? "" : Buffer.from(data).toString("latin1");
}
