import { Fault } from "../../fault.ts";
import { pathOfName } from "../../server/tftp/file-names.ts";
import { decodeTftp, ErrorCode } from "../../server/tftp/packet.ts";
import type { Json, JsonObject, Vector } from "./index-file.ts";
import { isObject } from "./index-file.ts";
import { firstAnswer } from "./tftp-server.ts";
import { tftpWords } from "./tftp-words.ts";
import { compareWords, type Verdict, type Words } from "./verdict.ts";

/** Three blocks of an usual size, the last one short; a reply that tells a size or is shorter has its own. */
const FILE_BYTES = 3000;
const LARGEST_FILE_BYTES = 1024 ** 3;

/** Gives the packet to our TFTP server and holds what it says against the vector. */
export async function checkTftpBehaviour(verdict: Verdict, { bytes, expect, serverBehaviour }: Vector): Promise<void> {
  const wanted = [
    ...("serverReply" in expect ? [replyOf(expect["serverReply"]!)] : []),
    ...(serverBehaviour === undefined ? [] : [replyOfBehaviour(serverBehaviour)]),
  ];
  for (const reply of wanted) {
    if (typeof reply === "string") {
      verdict.skip(reply);
      continue;
    }
    const isAbsent = isObject(reply) && reply["errorCode"] === 1;
    const found = await firstAnswer(bytes, {
      file: isAbsent ? undefined : fileAskedBy(bytes),
      fileBytes: fileBytesFor(reply),
      isForTransfer: isObject(reply) && reply["errorCode"] === ErrorCode.unknownTransfer,
    });
    if (reply === null) {
      if (found !== undefined) verdict.differs("serverReply", "no answer", tftpWords(found));
    } else if (found === undefined) verdict.differs("serverReply", reply, "no answer");
    else if (isObject(reply)) compareReply(verdict, reply, tftpWords(found));
  }
}

// The order of the options in an OACK is free.
function compareReply(verdict: Verdict, wanted: JsonObject, found: Words): void {
  const sorted = (options: unknown): Json => (Array.isArray(options) ? options.toSorted() : (options as Json));
  const options = { wanted: sorted(wanted["options"]), found: sorted(found["options"]) };
  const isOack = wanted["opcode"] === 6 && Array.isArray(wanted["options"]) && Array.isArray(found["options"]);
  if (!isOack) compareWords(verdict, wanted, found, "serverReply");
  else
    compareWords(verdict, { ...wanted, options: options.wanted }, { ...found, options: options.found }, "serverReply");
}

/** How long the file must be for this reply: what it says of the size, or a last block that is as short. */
function fileBytesFor(reply: Json): number {
  if (!isObject(reply)) return FILE_BYTES;
  const options = Array.isArray(reply["options"]) ? reply["options"] : [];
  const told = options.find((option) => Array.isArray(option) && String(option[0]).toLowerCase() === "tsize");
  const block = [reply["dataLength"], reply["length"], reply["size"]].find((one) => typeof one === "number");
  const size = Array.isArray(told) ? Number(told[1]) : block !== undefined && block < 512 ? block : FILE_BYTES;
  return Number.isInteger(size) && size >= 0 && size <= LARGEST_FILE_BYTES ? size : FILE_BYTES;
}

/** What must come back: an object of expectations, null for silence; a text says what cannot be tried. */
function replyOf(value: Json): Json {
  if (isObject(value) || value === null) return value;
  if (value === false || value === "none" || value === "silence") return null;
  return typeof value === "string" ? replyOfBehaviour(value) : `serverReply ${JSON.stringify(value)}`;
}

function replyOfBehaviour(value: Json): Json {
  const text = isObject(value) ? Object.values(value).join(" ") : String(value);
  const error = /\bERROR (\d)\b/.exec(text)?.[1];
  if (error !== undefined) return { opcode: 5, errorCode: Number(error) };
  if (/\bOACK\b/.test(text)) return { opcode: 6 };
  const block = /\bDATA (\d+)\b/.exec(text)?.[1];
  if (block !== undefined) return { opcode: 3, block: Number(block) };
  if (/\b(ignore[ds]?|silen(ce|t|tly)|drop(ped)?|no (answer|reply)|never answer(ed)?|not answer(ed)?)\b/i.test(text)) {
    return null;
  }
  return `serverBehaviour: ${text}`;
}

/** The path of the file that a read request names; undefined when it names none that could be there. */
function fileAskedBy(bytes: Uint8Array): string | undefined {
  try {
    const packet = decodeTftp(bytes);
    return packet.type === "read" ? pathOfName(packet.file) || undefined : undefined;
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}
