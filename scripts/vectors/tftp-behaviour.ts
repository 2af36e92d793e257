import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pino } from "pino";
import { Fault } from "../../fault.ts";
import { pathOfName } from "../../server/tftp/file-names.ts";
import { decodeTftp, type TftpPacket } from "../../server/tftp/packet.ts";
import { startTftp } from "../../server/tftp/server.ts";
import type { Json, Vector } from "./index-file.ts";
import { isObject } from "./index-file.ts";
import { tftpWords } from "./tftp-words.ts";
import { compareWords, type Verdict } from "./verdict.ts";

/** Our server answers within some milliseconds; a client asks again after a quarter of a second at the earliest. */
const SILENCE_MS = 250;
/** Where an answer must come, a busy machine has time for it. */
const ANSWER_MS = 5000;
const ADDRESS = "127.0.0.1";
/** Three blocks of an usual size, the last one short. */
const FILE_BYTES = 3000;

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
    const isAbsent = isObject(reply) && reply["errorCode"] === 1;
    const found = await firstAnswer(bytes, {
      file: isAbsent ? undefined : fileAskedBy(bytes),
      waitMs: reply === null ? SILENCE_MS : ANSWER_MS,
    });
    if (reply === null) {
      if (found !== undefined) verdict.differs("serverReply", "no answer", tftpWords(found));
    } else if (found === undefined) verdict.differs("serverReply", reply, "no answer");
    else if (isObject(reply)) compareWords(verdict, reply, tftpWords(found), "serverReply");
  }
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

async function firstAnswer(
  bytes: Uint8Array,
  { file, waitMs }: { readonly file: string | undefined; readonly waitMs: number },
): Promise<TftpPacket | undefined> {
  const root = await mkdtemp(join(tmpdir(), "bootcast-vectors-"));
  const settings = {
    addresses: [ADDRESS],
    port: 0,
    root,
    log: pino({ level: "silent" }),
    now: () => performance.now(),
  };
  try {
    if (file !== undefined) {
      await mkdir(dirname(join(root, file)), { recursive: true });
      await writeFile(join(root, file), new Uint8Array(FILE_BYTES));
    }
    const server = await startTftp(settings);
    const socket = createSocket("udp4");
    try {
      socket.send(bytes, server.port, ADDRESS);
      return await nextPacket(socket, waitMs);
    } finally {
      socket.close();
      await server.stop();
    }
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

async function nextPacket(socket: Socket, waitMs: number): Promise<TftpPacket | undefined> {
  try {
    const [bytes] = await once(socket, "message", { signal: AbortSignal.timeout(waitMs) });
    return decodeTftp(bytes);
  } catch (error) {
    if (error instanceof Error && error.name === "AbortError") return undefined;
    throw error;
  }
}
