/** The first part of option 60 in every BSDP packet. */
export const BSDP_CLASS = "AAPLBSDPC";

/** What a Mac says about itself in option 60: "AAPLBSDPC/i386/iMac14,3". */
export type BsdpVendorClass = {
  /** `i386` for every Intel Mac, `ppc` or `arm`; empty in a server's own packets. */
  readonly arch: string;
  /** The model, for example "Macmini7,1". */
  readonly systemId: string;
};

const prefix = Array.from(BSDP_CLASS, (letter) => letter.charCodeAt(0));
const SLASH = 0x2f;

/**
 * Reads option 60 as Apple does: `AAPLBSDPC`, or `AAPLBSDPC/arch/systemId`
 * where both parts may be empty, the second may hold more slashes, and neither
 * may hold a line feed or a NUL.
 * Source: apple-oss-distributions/bootp, bootplib/bsdplib.c, bsdp_parse_class_id.
 *
 * @returns undefined when the packet is not BSDP
 */
export function parseBsdpVendorClass(bytes: Uint8Array): BsdpVendorClass | undefined {
  if (!prefix.every((byte, at) => bytes[at] === byte)) return undefined;
  const rest = bytes.subarray(prefix.length);
  if (rest.length === 0) return { arch: "", systemId: "" };
  if (rest[0] !== SLASH || rest.includes(0x0a) || rest.includes(0)) return undefined;
  const second = rest.indexOf(SLASH, 1);
  if (second < 0) return undefined;
  const text = new TextDecoder();
  return { arch: text.decode(rest.subarray(1, second)), systemId: text.decode(rest.subarray(second + 1)) };
}
