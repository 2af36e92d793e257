import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Logger } from "pino";
import { Fault } from "../../fault.ts";

/**
 * A small send buffer: when the network card is busy the sender must wait, not
 * the kernel throw away (measured: with 1 MiB two streams lose, with 64 KiB they share).
 */
const SEND_BUFFER_BYTES = 64 * 1024;

/** A card that takes nothing for so long (no carrier, a paused switch) must not keep the stream from being stopped. */
const STUCK_MS = 1_000;

export type MulticastSender = {
  /** Resolves when the datagram has left the process. Never fails: what cannot be sent is counted as lost. */
  send(datagram: Uint8Array): Promise<void>;
  /** Datagrams that the system refused to send, for instance while the link was down. */
  readonly refused: number;
  /** Where receivers send their requests to, by UDP: the interface's address and a port of its own. */
  readonly requests: { readonly address: string; readonly port: number };
  /** Who gets what arrives there; the bytes are only valid during the call. */
  onDatagram(listener: (bytes: Uint8Array) => void): void;
  close(): void;
};

/**
 * Opens a UDP socket that sends to one group through one interface.
 *
 * @param options.interfaceAddress an own IPv4 address: its interface is the one that is sent through
 * @param options.ttl how many routers the stream may pass, plus one
 * @param options.loopback also deliver to receivers on this machine
 * @throws {Fault} INTERFACE_UNKNOWN when the address is not one of this machine
 */
export async function openMulticastSender(options: {
  readonly group: string;
  readonly port: number;
  readonly interfaceAddress: string;
  readonly ttl: number;
  readonly loopback: boolean;
  readonly log: Logger;
}): Promise<MulticastSender> {
  const socket = createSocket({ type: "udp4", sendBufferSize: SEND_BUFFER_BYTES });
  // A socket of its own: a connected one hears only whom it is connected to.
  const requests = createSocket({ type: "udp4" });
  try {
    await bound(requests, options.interfaceAddress);
    await bound(socket, options.interfaceAddress);
    socket.setMulticastInterface(options.interfaceAddress);
    socket.setMulticastTTL(options.ttl);
    socket.setMulticastLoopback(options.loopback);
    // A connected socket spares the kernel the route for every datagram: a quarter of its price.
    socket.connect(options.port, options.group);
    await once(socket, "connect");
  } catch (error) {
    socket.close();
    requests.close();
    throw interfaceUnknown(options.interfaceAddress, error);
  }
  let refused = 0;
  const onError = (error: Error) => {
    if (refused === 0) options.log.warn({ error: error.message }, "the system refuses to send the stream");
    refused += 1;
  };
  socket.on("error", onError);
  // A receiver that asks and is not heard asks again.
  requests.on("error", (error) => options.log.debug({ error: error.message }, "a request could not be received"));
  return {
    async send(datagram) {
      try {
        socket.send(datagram);
      } catch (error) {
        onError(error as Error);
      }
      // Nearly always empty at once. If not, the card is busy: hold the stream back, do not queue.
      const until = performance.now() + STUCK_MS;
      while (socket.getSendQueueSize() > 0 && performance.now() < until) await nextTurn();
    },
    get refused() {
      return refused;
    },
    requests: { address: options.interfaceAddress, port: requests.address().port },
    onDatagram(listener) {
      requests.on("message", listener);
    },
    close() {
      socket.close();
      requests.close();
    },
  };
}

async function bound(socket: Socket, address: string): Promise<void> {
  socket.bind({ address, port: 0, exclusive: true });
  await once(socket, "listening");
}

function interfaceUnknown(address: string, cause: unknown): Fault {
  return new Fault(
    "INTERFACE_UNKNOWN",
    {
      what: `The stream cannot be sent through ${address}.`,
      why: cause instanceof Error ? `The system says: ${cause.message}.` : "The system gave no reason.",
      fix: 'Give an address of this machine; "ip -4 address" lists them.',
    },
    cause,
  );
}
