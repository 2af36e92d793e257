import type { Logger } from "pino";
import type { Pace } from "../../multicast/pacer.ts";
import type { Packet, PacketFormat } from "../../multicast/packet.ts";
import type { FenceMemory } from "./send-fence.ts";

/**
 * A small send buffer: when the network card is busy the sender must wait, not the kernel throw away (measured: with
 * 1 MiB two streams lose, with 64 KiB they share). Where the link is full, what it holds is what others wait for behind
 * the stream: so it is 2 ms of the rate, which the kernel doubles, where that is less.
 */
export function sendBufferBytes(rateBytesPerSecond: number): number {
  return Math.round(Math.max(LEAST_SEND_BUFFER, Math.min(MOST_SEND_BUFFER, rateBytesPerSecond * SEND_BUFFER_SECONDS)));
}

const LEAST_SEND_BUFFER = 16 * 1024;
const MOST_SEND_BUFFER = 64 * 1024;
const SEND_BUFFER_SECONDS = 0.002;

/** A card that takes nothing for so long (no carrier, a paused switch) must not keep the stream from being stopped. */
export const STUCK_MS = 1_000;

export type SenderOptions = {
  readonly group: string;
  readonly port: number;
  /** An own IPv4 address: its interface is the one that is sent through. */
  readonly interfaceAddress: string;
  /** How many routers the stream may pass, plus one. */
  readonly ttl: number;
  /** Also deliver to receivers on this machine. */
  readonly loopback: boolean;
  readonly format: PacketFormat;
  /** Most bytes per second on the wire, all headers included. */
  readonly rateBytesPerSecond: number;
  /** Nothing is sent while it is closed; see SendFence. */
  readonly fence?: FenceMemory | undefined;
  readonly log: Logger;
};

/** Sends a stream's datagrams through one interface to one group. */
export type DataSender = {
  /** When it takes the next datagram; times are those of `performance.now`. */
  readonly pace: Pace;
  /**
   * Takes datagrams that are due. Never fails for the network's sake: what cannot be sent is counted as lost.
   *
   * @param count one unless told; more only as its pace allows. Then their symbols and sequence numbers count on from
   *   those of `packet`, and its payload is that of all, end to end
   * @returns when the next one may follow, if not at once
   */
  send(packet: Omit<Packet, "sendTimeTenthsMs">, count?: number): Promise<void> | undefined;
  /** Datagrams that the system refused to send, for instance while the link was down. */
  readonly refused: number;
  close(): void;
};
