import { Fault } from "../../fault.ts";

/** A request for a file; `file` has one character per byte, because its encoding is not known yet. */
export type TftpRequest = {
  readonly type: "read" | "write";
  /** As it was sent: one character (0-255) per byte. `file-names.ts` makes a path of it. */
  readonly file: string;
  /** In lower case: "octet", "netascii", "mail". */
  readonly mode: string;
  /** Names in lower case, in the order asked, the first of each name only. */
  readonly options: readonly TftpOption[];
};

export type TftpOption = readonly [name: string, value: string];

export type TftpPacket =
  | TftpRequest
  | { readonly type: "data"; readonly block: number; readonly data: Uint8Array }
  | { readonly type: "ack"; readonly block: number }
  | { readonly type: "error"; readonly code: number; readonly message: string }
  | { readonly type: "oack"; readonly options: readonly TftpOption[] };

/** RFC 1350 section 5 and RFC 2347. */
export const ErrorCode = {
  undefined: 0,
  fileNotFound: 1,
  accessViolation: 2,
  illegalOperation: 4,
  unknownTransfer: 5,
  optionRefused: 8,
} as const;

const Opcode = { read: 1, write: 2, data: 3, ack: 4, error: 5, oack: 6 } as const;

/** RFC 2347. */
const maxRequestBytes = 512;

/**
 * Decodes one TFTP packet (RFC 1350, 2347). All integers are big-endian.
 *
 *     1 read, 2 write   file 0 mode 0 (option 0 value 0)*
 *     3 data            block(2) bytes
 *     4 ack             block(2)
 *     5 error           code(2) message 0
 *     6 oack            (option 0 value 0)*
 *
 * @throws {Fault} TFTP_MALFORMED; `malformedRequest` tells whether a sender may be told so
 */
export function decodeTftp(bytes: Uint8Array): TftpPacket {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 4) throw malformed(bytes, "It is shorter than 4 bytes.");
  const opcode = view.getUint16(0);
  switch (opcode) {
    case Opcode.read:
    case Opcode.write: {
      if (bytes.length > maxRequestBytes) throw malformed(bytes, `A request is at most ${maxRequestBytes} bytes long.`);
      const [file, mode, ...rest] = terminatedStrings(bytes, 2);
      if (file === undefined || mode === undefined) throw malformed(bytes, "File name or mode is missing.");
      return {
        type: opcode === Opcode.read ? "read" : "write",
        file,
        mode: mode.toLowerCase(),
        options: pairs(bytes, rest),
      };
    }
    case Opcode.data:
      return { type: "data", block: view.getUint16(2), data: bytes.subarray(4) };
    case Opcode.ack:
      // Some clients pad their ACK to the minimum Ethernet frame: more than four bytes are fine.
      return { type: "ack", block: view.getUint16(2) };
    case Opcode.error: {
      const end = bytes.indexOf(0, 4);
      // A missing terminator is common and harmless here: an ERROR is never answered.
      return {
        type: "error",
        code: view.getUint16(2),
        message: latin1(bytes.subarray(4, end === -1 ? bytes.length : end)),
      };
    }
    case Opcode.oack:
      return { type: "oack", options: pairs(bytes, terminatedStrings(bytes, 2)) };
    default:
      throw malformed(bytes, `Operation ${opcode} does not exist.`);
  }
}

/** The bytes of one packet; the opposite of `decodeTftp`. */
export function encodeTftp(packet: TftpPacket): Uint8Array {
  switch (packet.type) {
    case "read":
    case "write":
      return strings(Opcode[packet.type], [packet.file, packet.mode, ...packet.options.flat()]);
    case "oack":
      return strings(Opcode.oack, packet.options.flat());
    case "error": {
      const bytes = Buffer.alloc(5 + packet.message.length);
      bytes.writeUInt16BE(Opcode.error, 0);
      bytes.writeUInt16BE(packet.code, 2);
      bytes.write(packet.message, 4, "latin1");
      return bytes;
    }
    case "ack": {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt16BE(Opcode.ack, 0);
      bytes.writeUInt16BE(packet.block, 2);
      return bytes;
    }
    case "data": {
      const bytes = Buffer.allocUnsafe(4 + packet.data.length);
      bytes.writeUInt16BE(Opcode.data, 0);
      bytes.writeUInt16BE(packet.block, 2);
      bytes.set(packet.data, 4);
      return bytes;
    }
  }
}

/** Whether bytes that `decodeTftp` refused are a request: only those may be answered, the rest could loop. */
export function isRequest(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && bytes[0] === 0 && (bytes[1] === Opcode.read || bytes[1] === Opcode.write);
}

function terminatedStrings(bytes: Uint8Array, from: number): string[] {
  const found: string[] = [];
  for (let at = from; at < bytes.length; ) {
    const end = bytes.indexOf(0, at);
    if (end === -1) throw malformed(bytes, `The text at byte ${at} has no end.`);
    found.push(latin1(bytes.subarray(at, end)));
    at = end + 1;
  }
  return found;
}

function pairs(bytes: Uint8Array, texts: readonly string[]): TftpOption[] {
  if (texts.length % 2 !== 0) throw malformed(bytes, "The last option has no value.");
  const options = new Map<string, string>();
  for (let at = 0; at < texts.length; at += 2) {
    const name = texts[at]!.toLowerCase();
    // RFC 2347: an option may be given once. The first one counts.
    if (!options.has(name)) options.set(name, texts[at + 1]!);
  }
  return [...options];
}

function strings(opcode: number, texts: readonly string[]): Uint8Array {
  const text = texts.map((part) => `${part}\0`).join("");
  const bytes = Buffer.alloc(2 + text.length);
  bytes.writeUInt16BE(opcode, 0);
  bytes.write(text, 2, "latin1");
  return bytes;
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

function malformed(bytes: Uint8Array, why: string): Fault {
  return new Fault("TFTP_MALFORMED", {
    what: `A TFTP packet of ${bytes.length} bytes cannot be read.`,
    why,
    fix: "Nothing to do unless it repeats; then look at the client with tcpdump.",
  });
}
