import {
  AF_INET,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_REUSEADDR,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOL_SOCKET,
} from "./socket-constants.ts";
import type { SystemCalls } from "./system-calls.ts";

// linux/in.h, linux/udp.h.
const IPPROTO_IP = 0;
const IP_TOS = 1;
const IP_MULTICAST_IF = 32;
const IP_MULTICAST_TTL = 33;
const IP_MULTICAST_LOOP = 34;
const IP_ADD_MEMBERSHIP = 35;
export const SOL_UDP = 17;
export const UDP_SEGMENT = 103;
const UDP_GRO = 104;

/** The type-of-service byte of DSCP LE, "lower effort" (RFC 8622): networks that know it let all others go first. */
const LOWER_EFFORT = 1 << 2;

export type DescriptorOptions = {
  /** IPv4. */
  readonly address: string;
  /** A free one unless given. */
  readonly port?: number;
  /** Beyond the system's limit when we are root, else up to it. */
  readonly receiveBufferBytes?: number;
  readonly sendBufferBytes?: number;
  /** Others may listen at the same address and port. */
  readonly sharesAddress?: boolean;
  /** Joined on the interface with this own address. */
  readonly group?: { readonly address: string; readonly interfaceAddress: string };
  /** How multicast leaves: through the interface with this own address, `ttl` - 1 routers far. */
  readonly multicast?: { readonly interfaceAddress: string; readonly ttl: number; readonly loopback: boolean };
  /** What is received may be several datagrams of one sender and one length, end to end (UDP_GRO). */
  readonly joinsReceived?: boolean;
  readonly isLowerEffort?: boolean;
};

/** A UDP socket, and what the system can do with it: cut a message into datagrams (UDP_SEGMENT), join received ones. */
export type Descriptor = { readonly number: number; readonly canSegment: boolean; readonly joinsReceived: boolean };

/**
 * Opens a UDP socket with options that Node does not know.
 *
 * @throws {Error} naming the call that failed
 */
export function openDescriptor(calls: SystemCalls, options: DescriptorOptions): Descriptor {
  const number = calls.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (number < 0) throw new Error(`socket: error ${calls.errno()}`);
  const set = (level: number, name: number, value: number | Uint8Array): boolean => {
    const bytes = typeof value === "number" ? new Uint8Array(new Int32Array([value]).buffer) : value;
    return calls.setsockopt(number, level, name, bytes, bytes.length) === 0;
  };
  const buffer = (forced: number, asked: number, bytes: number | undefined) => {
    if (bytes !== undefined && !set(SOL_SOCKET, forced, bytes)) set(SOL_SOCKET, asked, bytes);
  };
  const must = (call: string, isDone: boolean) => {
    if (isDone) return;
    const code = calls.errno();
    calls.close(number);
    throw new Error(`${call}: error ${code}`);
  };
  const { address, port = 0, group, multicast } = options;
  buffer(SO_RCVBUFFORCE, SO_RCVBUF, options.receiveBufferBytes);
  buffer(SO_SNDBUFFORCE, SO_SNDBUF, options.sendBufferBytes);
  if (options.sharesAddress === true) must("SO_REUSEADDR", set(SOL_SOCKET, SO_REUSEADDR, 1));
  if (options.isLowerEffort === true) set(IPPROTO_IP, IP_TOS, LOWER_EFFORT);
  // Each message says for itself how it is cut: 0 changes nothing, and is refused by a system that cannot cut.
  const canSegment = set(SOL_UDP, UDP_SEGMENT, 0);
  const joinsReceived = options.joinsReceived === true && set(SOL_UDP, UDP_GRO, 1);
  const name = new Uint8Array(16);
  name[0] = AF_INET;
  new DataView(name.buffer).setUint16(2, port);
  name.set(bytesOf(address), 4);
  must(`bind to ${address}`, calls.bind(number, name, name.length) === 0);
  if (group !== undefined) {
    const membership = Uint8Array.from([...bytesOf(group.address), ...bytesOf(group.interfaceAddress)]);
    must(`join ${group.address}`, set(IPPROTO_IP, IP_ADD_MEMBERSHIP, membership));
  }
  if (multicast !== undefined) {
    const { interfaceAddress, ttl, loopback } = multicast;
    must("IP_MULTICAST_IF", set(IPPROTO_IP, IP_MULTICAST_IF, Uint8Array.from(bytesOf(interfaceAddress))));
    must("IP_MULTICAST_TTL", set(IPPROTO_IP, IP_MULTICAST_TTL, ttl));
    must("IP_MULTICAST_LOOP", set(IPPROTO_IP, IP_MULTICAST_LOOP, loopback ? 1 : 0));
  }
  return { number, canSegment, joinsReceived };
}

function bytesOf(address: string): number[] {
  return address.split(".").map(Number);
}
