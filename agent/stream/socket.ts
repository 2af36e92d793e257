import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { Fault } from "../../fault.ts";
import { loadSystemCalls } from "../../udp/system-calls.ts";
import type { GroupSocket, JoinOptions } from "./group-socket.ts";
import { joinPolledGroup } from "./polled-group.ts";

/**
 * Holds a quarter of a second of a gigabit while this machine does something else; the kernel counts each datagram
 * almost twice. Without root it gives less, when net.core.rmem_max says so.
 */
const RECEIVE_BUFFER_BYTES = 32 * 1024 * 1024;
const LOOKUP_TIMEOUT_MS = 10_000;

/**
 * Listens to a multicast group on one interface: with the optional package `koffi` many datagrams at a time, without
 * it by Node's own socket.
 *
 * Bound to the group's address, not to any address, so that unicast and other
 * groups on the same port are not received.
 *
 * @param options.withoutKoffi for tests: as if the package were not installed
 * @throws {Fault} GROUP_JOIN_FAILED
 */
export async function joinGroup(options: JoinOptions & { readonly withoutKoffi?: boolean }): Promise<GroupSocket> {
  const calls = options.withoutKoffi === true ? undefined : loadSystemCalls();
  try {
    if (calls !== undefined) return joinPolledGroup(calls, options, RECEIVE_BUFFER_BYTES);
    return await joinPlainGroup(options);
  } catch (error) {
    const { group, port, interfaceAddress } = options;
    throw new Fault(
      "GROUP_JOIN_FAILED",
      {
        what: `The group ${group}:${port} cannot be joined on ${interfaceAddress}.`,
        why: error instanceof Error ? error.message : String(error),
        fix: "Check that this address is one of this machine's, and that its interface is up.",
      },
      error,
    );
  }
}

async function joinPlainGroup({ group, port, interfaceAddress, onDatagram }: JoinOptions): Promise<GroupSocket> {
  const socket = createSocket({ type: "udp4", reuseAddr: true, recvBufferSize: RECEIVE_BUFFER_BYTES });
  try {
    socket.bind({ address: group, port });
    await once(socket, "listening");
    socket.addMembership(group, interfaceAddress);
  } catch (error) {
    socket.close();
    throw error;
  }
  socket.on("message", onDatagram);
  // A receive error (an interface that vanishes) shows as silence, and silence has its deadline.
  socket.on("error", () => undefined);
  return { close: () => socket.close() };
}

export type RequestSocket = {
  /** Never fails: what is lost is asked for again. */
  send(bytes: Uint8Array, port: number, address: string): void;
  close(): void;
};

/** A socket for requests, bound to an own address. @throws what the system says when it is none */
export async function openRequestSocket(interfaceAddress: string): Promise<RequestSocket> {
  const socket = createSocket("udp4");
  try {
    socket.bind({ address: interfaceAddress, port: 0, exclusive: true });
    await once(socket, "listening");
  } catch (error) {
    socket.close();
    throw error;
  }
  socket.on("error", () => undefined);
  return {
    send: (bytes, port, address) => socket.send(bytes, port, address, () => undefined),
    close: () => socket.close(),
  };
}

/**
 * The own IPv4 address that packets to `host` leave from: its interface is the
 * one that a stream from there arrives at. Sends nothing.
 *
 * @throws {Fault} SERVER_UNREACHABLE when there is no route, or no such name
 */
export async function localAddressTowards(host: string, port: number): Promise<string> {
  const socket: Socket = createSocket("udp4");
  try {
    socket.connect(port, host);
    await once(socket, "connect", { signal: AbortSignal.timeout(LOOKUP_TIMEOUT_MS) });
    return socket.address().address;
  } catch (error) {
    throw new Fault(
      "SERVER_UNREACHABLE",
      {
        what: `There is no way from this machine to ${host}.`,
        why: error instanceof Error ? error.message : String(error),
        fix: 'Check the name and the cable; "ip route get" with the server\'s address shows what the system would do.',
      },
      error,
    );
  } finally {
    socket.close();
  }
}
