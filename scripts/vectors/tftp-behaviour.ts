import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pino } from "pino";
import { Fault } from "../../fault.ts";
import { pathOfName } from "../../server/tftp/file-names.ts";
import { decodeTftp, ErrorCode, encodeTftp, type TftpPacket } from "../../server/tftp/packet.ts";
import { startTftp } from "../../server/tftp/server.ts";
import type { Json, JsonObject, Vector } from "./index-file.ts";
import { isObject } from "./index-file.ts";
import { tftpWords } from "./tftp-words.ts";
import { compareWords, type Verdict, type Words } from "./verdict.ts";

/** Our server answers within some milliseconds; a client asks again after a quarter of a second at the earliest. */
const SILENCE_MS = 250;
/** Where an answer must come, a busy machine has time for it. */
const ANSWER_MS = 5000;
const ADDRESS = "127.0.0.1";
const OTHER_FILE = "other";
/** Three blocks of an usual size, the last one short; a reply that tells a size or is shorter has its own. */
const FILE_BYTES = 3000;
const LARGEST_FILE_BYTES = 1024 ** 3;
/** More does not fit into a UDP packet. */
const LARGEST_PACKET_BYTES = 65_507;

/** Sends the packet to our TFTP server on the loopback interface and holds what comes back against the vector. */
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
    if (bytes.length > LARGEST_PACKET_BYTES) {
      verdict.skip(`serverReply: ${bytes.length} bytes do not fit into a UDP packet`);
      continue;
    }
    const isAbsent = isObject(reply) && reply["errorCode"] === 1;
    const found = await firstAnswer(bytes, {
      file: isAbsent ? undefined : fileAskedBy(bytes),
      fileBytes: fileBytesFor(reply),
      isForTransfer: isObject(reply) && reply["errorCode"] === ErrorCode.unknownTransfer,
      waitMs: reply === null ? SILENCE_MS : ANSWER_MS,
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

type Surroundings = {
  /** What is there to be read; undefined: nothing. */
  readonly file: string | undefined;
  readonly fileBytes: number;
  /** The packet goes to the port of a transfer that another client has, not to the port for requests. */
  readonly isForTransfer: boolean;
  readonly waitMs: number;
};

async function firstAnswer(
  bytes: Uint8Array,
  { file, fileBytes, isForTransfer, waitMs }: Surroundings,
): Promise<TftpPacket | undefined> {
  const root = await mkdtemp(join(tmpdir(), "bootcast-vectors-"));
  const settings = {
    addresses: [ADDRESS],
    port: 0,
    root,
    log: pino({ level: "silent" }),
    now: () => performance.now(),
    // What is answered does not depend on it, and a thread for each vector takes longer to start than to use.
    withoutKoffi: true,
  };
  try {
    if (file !== undefined) {
      await mkdir(dirname(join(root, file)), { recursive: true });
      await writeFile(join(root, file), "");
      // A hole needs no room on the disk.
      await truncate(join(root, file), fileBytes);
    }
    if (isForTransfer) await writeFile(join(root, OTHER_FILE), new Uint8Array(FILE_BYTES));
    const server = await startTftp(settings);
    const sockets = [createSocket("udp4"), createSocket("udp4")] as const;
    const [socket, owner] = sockets;
    try {
      let { port } = server;
      if (isForTransfer) {
        owner.send(encodeTftp(OTHER_REQUEST), port, ADDRESS);
        port = (await nextPacket(owner, waitMs))?.port ?? port;
      }
      socket.send(bytes, port, ADDRESS);
      return (await nextPacket(socket, waitMs))?.packet;
    } finally {
      for (const one of sockets) one.close();
      await server.stop();
    }
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

/** For the file that makes a transfer. */
const OTHER_REQUEST: TftpPacket = { type: "read", file: OTHER_FILE, mode: "octet", options: [] };

async function nextPacket(
  socket: Socket,
  waitMs: number,
): Promise<{ readonly packet: TftpPacket; readonly port: number } | undefined> {
  try {
    const [bytes, from] = await once(socket, "message", { signal: AbortSignal.timeout(waitMs) });
    return { packet: decodeTftp(bytes), port: from.port };
  } catch (error) {
    if (error instanceof Error && error.name === "AbortError") return undefined;
    throw error;
  }
}
