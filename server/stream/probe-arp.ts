import { decodeArpReply, encodeArpRequest, macBytes } from "../../multicast/arp.ts";
import { EtherType, PacketSocket } from "../../udp/packet-socket.ts";
import type { SystemCalls } from "../../udp/system-calls.ts";
import type { LanInterface } from "./lan-interface.ts";
import type { LanProbe } from "./lan-probe.ts";

const LATE_MS = 20;
const EVERYBODY = "ff:ff:ff:ff:ff:ff";
const NOBODY = "00:00:00:00:00:00";
const ARP_BYTES = 64;
const RECEIVE_BUFFER_BYTES = 64 * 1024;

/**
 * Asks a router for its hardware address and measures how long the answer takes, by the system's own clock: so a busy
 * server does not blame the network. Every router answers that, also one that answers no ping.
 *
 * @returns undefined where the system does not permit it: only root may
 */
export function openArpProbe(calls: SystemCalls, lan: LanInterface, address: string): LanProbe | undefined {
  let socket: PacketSocket;
  try {
    socket = new PacketSocket(calls, {
      interfaceIndex: lan.index,
      etherType: EtherType.arp,
      receiveBufferBytes: RECEIVE_BUFFER_BYTES,
      longestBytes: ARP_BYTES,
    });
  } catch {
    return undefined;
  }
  const name = `the gateway ${address}`;
  let mac = EVERYBODY;
  let askedAtMs = 0;
  return {
    name,
    target: {
      lateMs: LATE_MS,
      say: (answerMs, usualMs) =>
        answerMs === undefined
          ? `${name} does not answer`
          : `${name} answers in ${Math.round(answerMs)} ms instead of ${Math.max(1, Math.round(usualMs))}`,
    },
    ask() {
      askedAtMs = socket.nowMs();
      const to = { mac: mac === EVERYBODY ? NOBODY : mac, address };
      socket.send(encodeArpRequest(lan, to), macBytes(mac));
      // Only who answers is asked alone the next time: another machine may have taken over.
      mac = EVERYBODY;
    },
    answer() {
      let answerMs: number | undefined;
      socket.receive((bytes, atMs) => {
        const reply = decodeArpReply(bytes);
        if (reply?.sender !== address || atMs < askedAtMs) return;
        mac = reply.senderMac;
        answerMs ??= atMs - askedAtMs;
      });
      return answerMs;
    },
    close: () => socket.close(),
  };
}
