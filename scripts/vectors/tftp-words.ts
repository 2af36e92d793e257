import { Fault } from "../../fault.ts";
import { pathOfName } from "../../server/tftp/file-names.ts";
import type { TftpPacket } from "../../server/tftp/packet.ts";
import { decodeTftp } from "../../server/tftp/packet.ts";
import { expectsError } from "./bsdp-words.ts";
import type { JsonObject } from "./index-file.ts";
import { compareWords, hexOf, OneOf, type Verdict, type Words } from "./verdict.ts";

const opcodes = { read: 1, write: 2, data: 3, ack: 4, error: 5, oack: 6 } as const;

/** A TFTP packet in the words of the vector files. */
export function tftpWords(packet: TftpPacket): Words {
  const words: Words = { opcode: opcodes[packet.type] };
  switch (packet.type) {
    case "read":
    case "write":
      return {
        ...words,
        file: spellings(packet.file),
        mode: packet.mode,
        options: packet.options.map(([name, value]) => [name, value]),
        path: pathOrRefusal(packet.file),
      };
    case "data": {
      const { length } = packet.data;
      const hex = new OneOf(hexOf(packet.data), length);
      return { ...words, block: packet.block, data: hex, dataHex: hex, dataLength: length, length, size: length };
    }
    case "ack":
      return { ...words, block: packet.block };
    case "error":
      return {
        ...words,
        errorCode: packet.code,
        message: spellings(packet.message),
        errorMessage: spellings(packet.message),
      };
    case "oack":
      return { ...words, options: packet.options.map(([name, value]) => [name, value]) };
  }
}

// Our reader keeps one character for each byte, because the encoding is not known.
const spellings = (text: string) => new OneOf(text, Buffer.from(text, "latin1").toString("utf8"));

function pathOrRefusal(file: string): unknown {
  try {
    return pathOfName(file);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return new OneOf(null, "refused");
  }
}

/** Layer `udp-payload` of the family `tftp`: what the packet means. What a server answers is tried elsewhere. */
export function checkTftpPacket(verdict: Verdict, { serverReply: _, ...expect }: JsonObject, bytes: Uint8Array): void {
  let packet: TftpPacket;
  try {
    packet = decodeTftp(bytes);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    if (!expectsError(expect)) verdict.differs("packet", "it can be read", `${error.code}: ${error.why}`);
    return;
  }
  if (expectsError(expect)) {
    // A name that climbs out is an error, too: the packet is well, what it asks is not.
    const isRefused = packet.type === "read" && pathOrRefusal(packet.file) instanceof OneOf;
    // An ERROR is never answered, so nothing follows from whether its text has an end.
    const isUnended = packet.type === "error" && bytes.indexOf(0, 4) < 0;
    if (!isRefused && !isUnended) verdict.differs("error", expect["error"], tftpWords(packet));
  } else compareWords(verdict, expect, tftpWords(packet));
}
