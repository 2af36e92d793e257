import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import type { LanProbe } from "./lan-probe.ts";

const LATE_MS = 50;
const DNS_PORT = 53;
const WITHIN_MS = 1_000;

/**
 * Asks a name server for the name servers of the root, which any answers or refuses at once, and measures how long that
 * takes. What an echo to ourselves takes at the same time is our own slowness, and is taken off.
 *
 * @returns undefined when the way there is not through the interface with `ownAddress`
 */
export async function openDnsProbe(ownAddress: string, address: string): Promise<LanProbe | undefined> {
  const [asking, echo] = await Promise.all([connected(DNS_PORT, address), connectedToItself()]);
  if (asking === undefined || echo === undefined || asking.address().address !== ownAddress) {
    asking?.close();
    echo?.close();
    return undefined;
  }
  const name = `the name server ${address}`;
  let id = 0;
  let askedAt = 0;
  let ownMs: number | undefined;
  let answerMs: number | undefined;
  const onAnswer = () => {
    answerMs ??= performance.now() - askedAt;
  };
  asking.on("message", (bytes) => {
    if (bytes.length >= 2 && bytes.readUInt16BE(0) === id) onAnswer();
  });
  // "Connection refused" came from that machine, too.
  asking.on("error", onAnswer);
  echo.on("message", (bytes) => {
    if (bytes.readUInt16BE(0) === id) ownMs ??= performance.now() - askedAt;
  });
  echo.on("error", () => undefined);
  return {
    name,
    target: {
      lateMs: LATE_MS,
      say: (ms, usualMs) =>
        ms === undefined
          ? `${name} does not answer`
          : `${name} answers in ${Math.round(ms)} ms instead of ${Math.max(1, Math.round(usualMs))}`,
    },
    ask() {
      id = (id + 1) & 0xffff;
      answerMs = undefined;
      ownMs = undefined;
      askedAt = performance.now();
      const question = questionOf(id);
      echo.send(question, ignore);
      asking.send(question, ignore);
    },
    answer: () => (answerMs === undefined || ownMs === undefined ? undefined : Math.max(0, answerMs - ownMs)),
    close() {
      asking.close();
      echo.close();
    },
  };
}

/** RFC 1035, section 4.1: id, no flags, one question: the root, type NS, class IN. */
function questionOf(id: number): Uint8Array {
  return Uint8Array.from([id >> 8, id & 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1]);
}

async function connected(port: number, address: string): Promise<Socket | undefined> {
  const socket = createSocket("udp4");
  try {
    socket.connect(port, address);
    await once(socket, "connect", { signal: AbortSignal.timeout(WITHIN_MS) });
    return socket;
  } catch {
    // No way there.
    socket.close();
    return undefined;
  }
}

async function connectedToItself(): Promise<Socket | undefined> {
  const socket = createSocket("udp4");
  try {
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    socket.connect(socket.address().port, "127.0.0.1");
    await once(socket, "connect", { signal: AbortSignal.timeout(WITHIN_MS) });
    return socket;
  } catch {
    socket.close();
    return undefined;
  }
}

function ignore(): void {}
