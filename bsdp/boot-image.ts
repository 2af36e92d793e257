import { Fault } from "../fault.ts";

/** One boot image as it stands in a boot image list. */
export type BootImage = {
  /** Below 4096: this server's own. From 4096: the same image on every server. */
  readonly index: number;
  /** 0 Mac OS 9, 1 Mac OS X, 2 Mac OS X Server, 3 hardware diagnostics. */
  readonly kind: number;
  /** True for NetInstall and NetRestore, false for a diskless NetBoot. */
  readonly isInstall: boolean;
  /** Bits 16 to 23 of the id, which have no meaning yet; absent: 0. Two ids that differ in them differ. */
  readonly reserved?: number;
  /** UTF-8, at most 246 bytes are sent. */
  readonly name: string;
};

/** An image id: `install(1 bit) kind(7) reserved(8) index(16)`, big-endian. */
export type BootImageId = Omit<BootImage, "name">;

/** Longest name in bytes, so that one image always fits one option 43 (bootplib/bsdp.h). */
const MAXIMUM_NAME_BYTES = 246;

/** The id as the number that it is on the wire, 0 to 2^32 - 1. Two ids are equal when all bits are. */
export function numberOfImageId(id: BootImageId): number {
  return ((attributesOf(id) << 16) | id.index) >>> 0;
}

/** The upper half of the id, which the attributes filter is compared with. */
export function attributesOf(id: BootImageId): number {
  return ((id.isInstall ? 0x8000 : 0) | (id.kind << 8) | (id.reserved ?? 0)) >>> 0;
}

/** The inverse of `numberOfImageId`. */
export function imageIdOfNumber(number: number): BootImageId {
  const reserved = (number >>> 16) & 0xff;
  return {
    index: number & 0xffff,
    kind: (number >>> 24) & 0x7f,
    isInstall: number >>> 31 === 1,
    ...(reserved === 0 ? {} : { reserved }),
  };
}

/**
 * Decodes BSDP sub-option 9, the boot image list inside DHCP option 43.
 *
 * Each entry is `id(4) nameLength(1) name(nameLength)`, big-endian.
 * Source: apple-oss-distributions/bootp, bootplib/bsdp.h.
 *
 * @param bytes the sub-option's value, without its code and length octets
 * @throws {Fault} BSDP_TRUNCATED when an entry runs past the end of `bytes`
 */
export function decodeBootImageList(bytes: Uint8Array): BootImage[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const images: BootImage[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (at + 5 > bytes.length) throw truncated(at, 5, bytes.length - at);
    const end = at + 5 + view.getUint8(at + 4);
    if (end > bytes.length) throw truncated(at, end - at, bytes.length - at);
    images.push({ ...imageIdOfNumber(view.getUint32(at)), name: utf8.decode(bytes.subarray(at + 5, end)) });
    at = end;
  }
  return images;
}

const utf8 = new TextDecoder();

/** One entry of a boot image list. A name that is too long is cut between characters. */
export function encodeBootImage(image: BootImage): Uint8Array {
  const name = encodeName(image.name);
  const bytes = new Uint8Array(5 + name.length);
  new DataView(bytes.buffer).setUint32(0, numberOfImageId(image));
  bytes[4] = name.length;
  bytes.set(name, 5);
  return bytes;
}

function encodeName(name: string): Uint8Array {
  const bytes = new Uint8Array(MAXIMUM_NAME_BYTES);
  // encodeInto stops before a character that does not fit as a whole.
  const { written } = new TextEncoder().encodeInto(name, bytes);
  return bytes.subarray(0, written);
}

function truncated(at: number, wanted: number, found: number): Fault {
  return new Fault("BSDP_TRUNCATED", {
    what: `A boot image list ends in the middle of the entry at byte ${at}.`,
    why: `The entry takes ${wanted} bytes, ${found} are there.`,
    fix: "Nothing to do here: the packet is dropped. Look at the sender if it happens often.",
  });
}
