import { Fault } from "../fault.ts";
import { addressText } from "./address.ts";
import type { BootImage } from "./boot-image.ts";
import { decodeBootImageList } from "./boot-image.ts";
import type { DhcpOption } from "./dhcp-packet.ts";
import { numberOf2 } from "./dhcp-values.ts";

/** The sub-options of BSDP inside DHCP option 43 (Apple, BSDP.doc 1.0.8; bootplib/bsdp.h). */
export const SubOption = {
  messageType: 1,
  version: 2,
  serverId: 3,
  serverPriority: 4,
  replyPort: 5,
  defaultImage: 7,
  selectedImage: 8,
  imageList: 9,
  oldFirmware: 10,
  attributesFilter: 11,
  maxMessageSize: 12,
  shadowMountPath: 128,
  shadowFilePath: 129,
  machineName: 130,
} as const;

export const BsdpMessage = { list: 1, select: 2, failed: 3 } as const;

/** What an option 43 of BSDP says. Sub-options that are missing are undefined. */
export type BsdpOptions = {
  /** `BsdpMessage`, or a number that is none. Missing in DISCOVER, REQUEST and OFFER. */
  readonly messageType?: number;
  /** 0x0101 is version 1.1. */
  readonly version?: number;
  readonly serverId?: string;
  readonly serverPriority?: number;
  readonly replyPort?: number;
  /** Image ids are the numbers of `numberOfImageId`. */
  readonly defaultImage?: number;
  readonly selectedImage?: number;
  readonly images?: readonly BootImage[];
  readonly isOldFirmware: boolean;
  /** The upper halves of the image ids that the client wants to see. */
  readonly attributesFilter?: readonly number[];
  /** Largest DHCP message with IP and UDP headers, in bytes. */
  readonly maxMessageSize?: number;
  readonly shadowMountPath?: string;
  readonly shadowFilePath?: string;
  readonly machineName?: string;
};

const PAD = 0;
const END = 255;

/**
 * Splits option 43 into sub-options. As in Apple's reader every instance is a
 * list of its own, and the lists are joined: bytes are not (unlike RFC 3396).
 * Source: bootplib/dhcp_options.c, dhcpol_parse_vendor.
 *
 * @throws {Fault} BSDP_TRUNCATED when a sub-option runs past its instance
 */
export function decodeSubOptions(instances: readonly Uint8Array[]): DhcpOption[] {
  const found: DhcpOption[] = [];
  for (const bytes of instances) {
    for (let at = 0; at < bytes.length; ) {
      const code = bytes[at]!;
      if (code === END) break;
      if (code === PAD) {
        at += 1;
        continue;
      }
      const end = at + 2 + (bytes[at + 1] ?? bytes.length);
      if (end > bytes.length) {
        throw new Fault("BSDP_TRUNCATED", {
          what: `BSDP sub-option ${code} runs past the end of its option 43.`,
          why: `${end - at} bytes are claimed, ${bytes.length - at} are there.`,
          fix: "Nothing to do here: the packet is dropped. Look at the sender if it happens often.",
        });
      }
      found.push({ code, data: bytes.subarray(at + 2, end) });
      at = end;
    }
  }
  return found;
}

/** The sub-options as one instance of option 43, without an end mark: Apple writes none. */
export function encodeSubOptions(subOptions: readonly DhcpOption[]): Uint8Array {
  return Uint8Array.from(subOptions.flatMap(({ code, data }) => [code, data.length, ...data]));
}

/**
 * Decodes BSDP's option 43. Of equal sub-options the first counts, but the
 * parts of the image list are joined.
 *
 * @throws {Fault} BSDP_TRUNCATED, or BSDP_BAD_LENGTH for a number or address
 *   of the wrong length. A maximum message size or a filter of a wrong length
 *   counts as missing, as at Apple's.
 */
export function decodeBsdpOptions(instances: readonly Uint8Array[]): BsdpOptions {
  const found = decodeSubOptions(instances);
  const first = (code: number): Uint8Array | undefined => found.find((one) => one.code === code)?.data;
  const sized = (code: number, name: string, length: number): Uint8Array | undefined => {
    const data = first(code);
    if (data !== undefined && data.length !== length) throw badLength(name, length, data.length);
    return data;
  };
  const number2 = (data: Uint8Array | undefined) => (data === undefined ? undefined : numberOf2(data));
  const number4 = (data: Uint8Array | undefined) =>
    data === undefined ? undefined : numberOf2(data) * 0x10000 + numberOf2(data, 2);
  const text = (data: Uint8Array | undefined) => (data === undefined ? undefined : new TextDecoder().decode(data));
  const serverId = sized(SubOption.serverId, "server identifier", 4);
  const size = first(SubOption.maxMessageSize);
  const filter = first(SubOption.attributesFilter);
  const lists = found.filter((one) => one.code === SubOption.imageList).map((one) => one.data);
  return withoutUndefined({
    messageType: sized(SubOption.messageType, "message type", 1)?.[0],
    version: number2(sized(SubOption.version, "version", 2)),
    serverId: serverId === undefined ? undefined : addressText(serverId),
    serverPriority: number2(sized(SubOption.serverPriority, "server priority", 2)),
    replyPort: number2(sized(SubOption.replyPort, "reply port", 2)),
    defaultImage: number4(sized(SubOption.defaultImage, "default image", 4)),
    selectedImage: number4(sized(SubOption.selectedImage, "selected image", 4)),
    images: lists.length === 0 ? undefined : decodeBootImageList(Buffer.concat(lists)),
    isOldFirmware: first(SubOption.oldFirmware) !== undefined,
    attributesFilter: filter === undefined || filter.length < 2 ? undefined : wordsOf(filter),
    maxMessageSize: size?.length === 2 ? numberOf2(size) : undefined,
    shadowMountPath: text(first(SubOption.shadowMountPath)),
    shadowFilePath: text(first(SubOption.shadowFilePath)),
    machineName: text(first(SubOption.machineName)),
  });
}

function wordsOf(data: Uint8Array): number[] {
  return Array.from({ length: data.length >> 1 }, (_, at) => numberOf2(data, 2 * at));
}

type Defined<T> = { [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined> } & {
  [K in keyof T as undefined extends T[K] ? never : K]: T[K];
};

function withoutUndefined<T extends object>(value: T): Defined<T> {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as Defined<T>;
}

function badLength(name: string, wanted: number, found: number): Fault {
  return new Fault("BSDP_BAD_LENGTH", {
    what: `The ${name} in a BSDP packet has the wrong length.`,
    why: `It must be ${wanted} bytes, ${found} came.`,
    fix: "Nothing to do here: the packet is dropped. Look at the sender if it happens often.",
  });
}
