import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { Fault } from "../../fault.ts";
import { openPlainSender } from "./plain-sender.ts";
import type { DataSender, SenderOptions } from "./sender-options.ts";
import { openThreadedSender } from "./threaded-sender.ts";

export type MulticastSender = DataSender & {
  /** Where receivers send their requests to, by UDP: the interface's address and a port of its own. */
  readonly requests: { readonly address: string; readonly port: number };
  /** Who gets what arrives there; the bytes are only valid during the call. */
  onDatagram(listener: (bytes: Uint8Array) => void): void;
};

/**
 * Opens what a stream is sent with: a thread that makes its system calls itself when the optional package `koffi` is
 * there, Node's own socket otherwise; and a socket for the receivers' requests.
 *
 * @param options.withoutKoffi for tests: as if the package were not installed
 * @throws {Fault} INTERFACE_UNKNOWN when the address is not one of this machine
 */
export async function openMulticastSender(
  options: SenderOptions & { readonly withoutKoffi?: boolean },
): Promise<MulticastSender> {
  const { withoutKoffi, ...wanted } = options;
  const requests = createSocket({ type: "udp4" });
  let data: DataSender;
  try {
    await bound(requests, options.interfaceAddress);
    data = (withoutKoffi === true ? undefined : await openThreadedSender(wanted)) ?? (await openPlainSender(wanted));
  } catch (error) {
    requests.close();
    throw interfaceUnknown(options.interfaceAddress, error);
  }
  // A receiver that asks and is not heard asks again.
  requests.on("error", (error) => options.log.debug({ error: error.message }, "a request could not be received"));
  return {
    pace: data.pace,
    send: (packet, count) => data.send(packet, count),
    get refused() {
      return data.refused;
    },
    requests: { address: options.interfaceAddress, port: requests.address().port },
    onDatagram(listener) {
      requests.on("message", listener);
    },
    close() {
      data.close();
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
