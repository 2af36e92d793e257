import { type IPv4Peer, ipv4Peer } from "./datagrams.ts";
import type { SystemCalls } from "./system-calls.ts";

// Linux on every architecture that Node runs on (include/uapi/asm-generic/socket.h).
const AF_INET = 2;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;

/**
 * A UDP socket on a free port of one IPv4 address.
 * @returns its descriptor
 * @throws {Error} naming the call that failed
 */
export function openUdpSocket(calls: SystemCalls, address: string, bufferBytes: number): number {
  const descriptor = calls.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) throw new Error(`socket: error ${calls.errno()}`);
  const size = new Uint8Array(new Int32Array([bufferBytes]).buffer);
  for (const [forced, asked] of [
    [SO_SNDBUFFORCE, SO_SNDBUF],
    [SO_RCVBUFFORCE, SO_RCVBUF],
  ] as const) {
    // Only root may pass the system's limit.
    if (calls.setsockopt(descriptor, SOL_SOCKET, forced, size, 4) < 0) {
      calls.setsockopt(descriptor, SOL_SOCKET, asked, size, 4);
    }
  }
  const { ip }: IPv4Peer = ipv4Peer(address, 0);
  const name = new Uint8Array(16);
  name[0] = AF_INET;
  new DataView(name.buffer).setUint32(4, ip);
  if (calls.bind(descriptor, name, name.length) < 0) {
    const code = calls.errno();
    calls.close(descriptor);
    throw new Error(`bind to ${address}: error ${code}`);
  }
  return descriptor;
}
