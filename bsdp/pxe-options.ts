import { addressText } from "./address.ts";
import type { DhcpOption } from "./dhcp-packet.ts";
import { numberOf2 } from "./dhcp-values.ts";

/** What a PXE client or server says in option 43 (PXE 2.1, table 2-1). What is missing or has a wrong length is undefined. */
export type PxeOptions = {
  /** Bit 0: no broadcast, 1: no multicast, 2: only the listed servers, 3: take the file name of this packet. */
  readonly discoveryControl?: number;
  readonly discoveryAddress?: string;
  readonly bootServers?: readonly { readonly type: number; readonly addresses: readonly string[] }[];
  readonly bootMenu?: readonly { readonly type: number; readonly text: string }[];
  /** `timeout` in seconds: 0 takes the first entry at once, 255 waits for ever. */
  readonly menuPrompt?: { readonly timeout: number; readonly text: string };
  /** What was chosen from the menu; type 0 is the local disk. */
  readonly bootItem?: { readonly type: number; readonly layer: number };
};

const PxeOption = {
  discoveryControl: 6,
  discoveryAddress: 7,
  bootServers: 8,
  bootMenu: 9,
  menuPrompt: 10,
  bootItem: 71,
} as const;

const PAD = 0;
const END = 255;

/**
 * Splits the data of an encapsulated option (43 of PXE, 175 of iPXE): a pad has
 * no length, 255 ends the list, and it may also end without one.
 *
 * @returns `isWhole` is false when the last one runs past the end; it is left out then, because much firmware sends
 *   such things and can be served all the same
 */
export function encapsulatedOptions(bytes: Uint8Array): {
  readonly options: readonly DhcpOption[];
  readonly isWhole: boolean;
} {
  const options: DhcpOption[] = [];
  for (let at = 0; at < bytes.length && bytes[at] !== END; ) {
    if (bytes[at] === PAD) {
      at += 1;
      continue;
    }
    const end = at + 2 + (bytes[at + 1] ?? bytes.length);
    if (end > bytes.length) return { options, isWhole: false };
    options.push({ code: bytes[at]!, data: bytes.subarray(at + 2, end) });
    at = end;
  }
  return { options, isWhole: true };
}

/** Reads option 43 of PXE. It never fails: a sub-option that makes no sense is left out. */
export function decodePxeOptions(bytes: Uint8Array): PxeOptions {
  const { options } = encapsulatedOptions(bytes);
  const first = (code: number, fits: (length: number) => boolean): Uint8Array | undefined =>
    options.find((option) => option.code === code && fits(option.data.length))?.data;
  const control = first(PxeOption.discoveryControl, (length) => length === 1);
  const address = first(PxeOption.discoveryAddress, (length) => length === 4);
  const servers = first(PxeOption.bootServers, (length) => length > 0);
  const menu = first(PxeOption.bootMenu, (length) => length > 0);
  const prompt = first(PxeOption.menuPrompt, (length) => length > 0);
  const item = first(PxeOption.bootItem, (length) => length === 4);
  return {
    ...(control === undefined ? {} : { discoveryControl: control[0]! }),
    ...(address === undefined ? {} : { discoveryAddress: addressText(address) }),
    ...(servers === undefined ? {} : { bootServers: bootServersOf(servers) }),
    ...(menu === undefined ? {} : { bootMenu: bootMenuOf(menu) }),
    ...(prompt === undefined ? {} : { menuPrompt: { timeout: prompt[0]!, text: textOf(prompt.subarray(1)) } }),
    ...(item === undefined ? {} : { bootItem: { type: numberOf2(item), layer: numberOf2(item, 2) } }),
  };
}

// Each: type(2) count(1) address(4) * count.
function bootServersOf(data: Uint8Array): { type: number; addresses: string[] }[] {
  const servers: { type: number; addresses: string[] }[] = [];
  for (let at = 0; at + 3 <= data.length; at += 3 + 4 * data[at + 2]!) {
    const count = data[at + 2]!;
    if (at + 3 + 4 * count > data.length) break;
    const addresses = Array.from({ length: count }, (_, index) => addressText(data, at + 3 + 4 * index));
    servers.push({ type: numberOf2(data, at), addresses });
  }
  return servers;
}

// Each: type(2) length(1) text(length).
function bootMenuOf(data: Uint8Array): { type: number; text: string }[] {
  const entries: { type: number; text: string }[] = [];
  for (let at = 0; at + 3 <= data.length; at += 3 + data[at + 2]!) {
    const end = at + 3 + data[at + 2]!;
    if (end > data.length) break;
    entries.push({ type: numberOf2(data, at), text: textOf(data.subarray(at + 3, end)) });
  }
  return entries;
}

const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/**
 * Option 77. iPXE sends plain text where RFC 3004 wants a list of texts with
 * a length before each; both are read.
 *
 * @returns the texts, one for plain text; one character for each byte
 */
export function userClasses(data: Uint8Array): string[] {
  const classes: string[] = [];
  let at = 0;
  while (at < data.length && data[at]! > 0 && at + 1 + data[at]! <= data.length) {
    classes.push(latin1(data.subarray(at + 1, at + 1 + data[at]!)));
    at += 1 + data[at]!;
  }
  return at === data.length ? classes : [latin1(data)];
}

const latin1 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
