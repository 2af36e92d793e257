import { Fault } from "../fault.ts";
import { addressBytes, addressText, macText } from "./address.ts";

/** One option as it stood in the packet. The same code may come several times. */
export type DhcpOption = { readonly code: number; readonly data: Uint8Array };

/**
 * A DHCP or BOOTP packet (RFC 951, RFC 2131): the UDP payload.
 * Addresses are dotted text, "0.0.0.0" when empty.
 */
export type DhcpPacket = {
  /** 1 from a client, 2 from a server. */
  readonly op: number;
  /** 1 is Ethernet. */
  readonly htype: number;
  /** Bytes of `chaddr` that count: 6 for Ethernet. */
  readonly hlen: number;
  readonly hops: number;
  /** The client's number for one exchange, 0 to 2^32 - 1. */
  readonly xid: number;
  readonly secs: number;
  /** 0x8000 is the broadcast flag. */
  readonly flags: number;
  readonly ciaddr: string;
  readonly yiaddr: string;
  readonly siaddr: string;
  readonly giaddr: string;
  /** All 16 bytes of the field. */
  readonly chaddr: Uint8Array;
  /** Text of the field up to its NUL; empty when option 52 put options there. */
  readonly sname: string;
  /** Text of the field up to its NUL; empty when option 52 put options there. */
  readonly file: string;
  /** In the order of the wire; those of an overloaded `file` and `sname` follow. */
  readonly options: readonly DhcpOption[];
};

/** RFC 2131 3: the four bytes that say "options follow". */
const MAGIC_COOKIE = [0x63, 0x82, 0x53, 0x63] as const;
const CHADDR_AT = 28;
const SNAME_AT = 44;
const FILE_AT = 108;
const COOKIE_AT = 236;
const OPTIONS_AT = 240;
const PAD = 0;
const END = 255;
const OVERLOAD = 52;
const VENDOR_OPTIONS = 43;

/** RFC 951: shorter packets are dropped by old clients and relays. */
const MINIMUM_REPLY_BYTES = 300;
/** The largest reply that an Apple client reads: 8192 with IP and UDP headers. */
export const MAXIMUM_PAYLOAD_BYTES = 8164;
export const BROADCAST_FLAG = 0x8000;

/**
 * Decodes one DHCP packet. Option 52 (overload) is honoured, a missing end
 * option is tolerated, pads may stand anywhere.
 *
 * @param bytes the UDP payload; the values share its memory
 * @throws {Fault} DHCP_TRUNCATED, DHCP_NO_COOKIE, DHCP_OPTION_OVERRUN or DHCP_BAD_FIELD
 */
export function decodeDhcpPacket(bytes: Uint8Array): DhcpPacket {
  if (bytes.length < OPTIONS_AT) {
    throw new Fault("DHCP_TRUNCATED", {
      what: `A DHCP packet of ${bytes.length} bytes is too short.`,
      why: `The fixed fields and the cookie alone take ${OPTIONS_AT} bytes.`,
      fix: "Nothing to do here: the packet is dropped. Look at the sender if it happens often.",
    });
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const hlen = view.getUint8(2);
  if (hlen > 16) throw badField(`hlen is ${hlen}, but the field has 16 bytes`);
  const options = decodeCookieAndOptions(bytes.subarray(COOKIE_AT));
  const overload = overloadOf(options);
  const isFileOptions = (overload & 1) !== 0;
  const isSnameOptions = (overload & 2) !== 0;
  const file = bytes.subarray(FILE_AT, COOKIE_AT);
  const sname = bytes.subarray(SNAME_AT, FILE_AT);
  // RFC 2131 4.1: the options field comes first, then file, then sname.
  if (isFileOptions) options.push(...decodeOptions(file));
  if (isSnameOptions) options.push(...decodeOptions(sname));
  return {
    op: view.getUint8(0),
    htype: view.getUint8(1),
    hlen,
    hops: view.getUint8(3),
    xid: view.getUint32(4),
    secs: view.getUint16(8),
    flags: view.getUint16(10),
    ciaddr: addressText(bytes, 12),
    yiaddr: addressText(bytes, 16),
    siaddr: addressText(bytes, 20),
    giaddr: addressText(bytes, 24),
    chaddr: bytes.subarray(CHADDR_AT, SNAME_AT),
    sname: isSnameOptions ? "" : textOfField(sname),
    file: isFileOptions ? "" : textOfField(file),
    options,
  };
}

/**
 * Decodes the magic cookie and the options behind it: the tail of a packet.
 *
 * @throws {Fault} DHCP_NO_COOKIE or DHCP_OPTION_OVERRUN
 */
export function decodeCookieAndOptions(bytes: Uint8Array): DhcpOption[] {
  if (!MAGIC_COOKIE.every((byte, at) => bytes[at] === byte)) {
    throw new Fault("DHCP_NO_COOKIE", {
      what: "A packet on a DHCP port has no DHCP cookie.",
      why: "It is plain BOOTP (RFC 951) or something else.",
      fix: "Nothing to do here: the packet is dropped. Only DHCP clients are served.",
    });
  }
  return decodeOptions(bytes.subarray(MAGIC_COOKIE.length));
}

function decodeOptions(bytes: Uint8Array): DhcpOption[] {
  const options: DhcpOption[] = [];
  for (let at = 0; at < bytes.length; ) {
    const code = bytes[at]!;
    if (code === END) break;
    if (code === PAD) {
      at += 1;
      continue;
    }
    const length = bytes[at + 1];
    const end = at + 2 + (length ?? 0);
    if (length === undefined || end > bytes.length) {
      throw new Fault("DHCP_OPTION_OVERRUN", {
        what: `DHCP option ${code} runs past the end of its field.`,
        why: length === undefined ? "Its length is missing." : `It claims ${length} bytes.`,
        fix: "Nothing to do here: the packet is dropped. Look at the sender if it happens often.",
      });
    }
    options.push({ code, data: bytes.subarray(at + 2, end) });
    at = end;
  }
  return options;
}

function overloadOf(options: readonly DhcpOption[]): number {
  const option = options.find((one) => one.code === OVERLOAD);
  if (option === undefined) return 0;
  const value = option.data[0];
  if (option.data.length !== 1 || value === undefined || value < 1 || value > 3) {
    throw badField("option 52 (overload) is not one byte from 1 to 3");
  }
  return value;
}

/**
 * Encodes a packet: the fixed fields, the cookie, the options in the order
 * given, the end option, and zeros up to `minimumBytes`. Data longer than 255
 * bytes is split (RFC 3396), but never that of option 43: its readers take
 * every instance as a list of its own (Apple's bootp, dhcp_options.c).
 *
 * @throws {Fault} DHCP_BAD_FIELD for text or data that does not fit its field,
 *   DHCP_TOO_LONG when the packet passes `maximumBytes`
 */
export function encodeDhcpPacket(
  packet: DhcpPacket,
  size: { readonly minimumBytes?: number; readonly maximumBytes?: number } = {},
): Uint8Array {
  const options = packet.options.flatMap(splitOption);
  const length = OPTIONS_AT + options.reduce((sum, option) => sum + 2 + option.data.length, 0) + 1;
  const maximum = size.maximumBytes ?? MAXIMUM_PAYLOAD_BYTES;
  if (length > maximum) {
    throw new Fault("DHCP_TOO_LONG", {
      what: `A DHCP packet of ${length} bytes does not fit into ${maximum}.`,
      why: `It carries ${options.length} options.`,
      fix: "Shorten the texts and lists in dhcp.options.",
    });
  }
  const bytes = new Uint8Array(Math.max(length, size.minimumBytes ?? MINIMUM_REPLY_BYTES));
  const view = new DataView(bytes.buffer);
  view.setUint8(0, packet.op);
  view.setUint8(1, packet.htype);
  view.setUint8(2, packet.hlen);
  view.setUint8(3, packet.hops);
  view.setUint32(4, packet.xid);
  view.setUint16(8, packet.secs);
  view.setUint16(10, packet.flags);
  for (const [at, address] of [packet.ciaddr, packet.yiaddr, packet.siaddr, packet.giaddr].entries()) {
    bytes.set(addressBytes(address), 12 + 4 * at);
  }
  bytes.set(packet.chaddr.subarray(0, SNAME_AT - CHADDR_AT), CHADDR_AT);
  setText(bytes.subarray(SNAME_AT, FILE_AT), packet.sname, "sname");
  setText(bytes.subarray(FILE_AT, COOKIE_AT), packet.file, "file");
  bytes.set(MAGIC_COOKIE, COOKIE_AT);
  let at = OPTIONS_AT;
  for (const { code, data } of options) {
    bytes[at] = code;
    bytes[at + 1] = data.length;
    bytes.set(data, at + 2);
    at += 2 + data.length;
  }
  bytes[at] = END;
  return bytes;
}

function splitOption(option: DhcpOption): DhcpOption[] {
  const { code, data } = option;
  if (code <= PAD || code >= END) throw badField(`${code} cannot be an option's code`);
  if (data.length <= 255) return [option];
  if (code === VENDOR_OPTIONS)
    throw badField(`an instance of option 43 has ${data.length} bytes, at most 255 are possible`);
  const parts: DhcpOption[] = [];
  for (let at = 0; at < data.length; at += 255) parts.push({ code, data: data.subarray(at, at + 255) });
  return parts;
}

/** Every instance of an option, each by itself, in the order of the wire. */
export function optionInstances(packet: DhcpPacket, code: number): Uint8Array[] {
  return packet.options.filter((option) => option.code === code).map((option) => option.data);
}

/**
 * The data of an option, all instances joined (RFC 3396). Not for BSDP's
 * option 43, whose instances are separate lists.
 */
export function optionData(packet: DhcpPacket, code: number): Uint8Array | undefined {
  const instances = optionInstances(packet, code);
  if (instances.length < 2) return instances[0];
  const joined = new Uint8Array(instances.reduce((sum, data) => sum + data.length, 0));
  let at = 0;
  for (const data of instances) {
    joined.set(data, at);
    at += data.length;
  }
  return joined;
}

/** The address in an option, or undefined when it is missing or not 4 bytes long. */
export function optionAddress(packet: DhcpPacket, code: number): string | undefined {
  const data = optionData(packet, code);
  return data?.length === 4 ? addressText(data) : undefined;
}

/** The client's hardware address as text, of as many bytes as `hlen` says. */
export function clientMac(packet: DhcpPacket): string {
  return macText(packet.chaddr.subarray(0, packet.hlen));
}

// Latin-1 keeps every byte, so that a field that is not UTF-8 survives.
const latin1 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");

function textOfField(field: Uint8Array): string {
  const end = field.indexOf(0);
  return latin1(end < 0 ? field : field.subarray(0, end));
}

// Full-length text without a NUL is read (old clients send it), but never written.
function setText(field: Uint8Array, text: string, name: string): void {
  const bytes = Buffer.from(text, "latin1");
  if (bytes.length >= field.length)
    throw badField(`${name} has ${bytes.length} bytes, at most ${field.length - 1} fit`);
  field.set(bytes);
}

function badField(why: string): Fault {
  return new Fault("DHCP_BAD_FIELD", {
    what: "A DHCP packet has a field with an impossible value.",
    why: `In it ${why}.`,
    fix: "From the network: nothing to do, it is dropped. From us: shorten the name or path that is named here.",
  });
}
