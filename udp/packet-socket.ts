import { Memory, MSG_DONTWAIT } from "./memory.ts";
import {
  AF_PACKET,
  SO_ATTACH_FILTER,
  SO_RCVBUF,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOL_SOCKET,
} from "./socket-constants.ts";
import type { SystemCalls } from "./system-calls.ts";

// linux/if_packet.h, linux/if_ether.h, linux/sockios.h.
const SOL_PACKET = 263;
const PACKET_ADD_MEMBERSHIP = 1;
const PACKET_MR_ALLMULTI = 2;
const SIOCGSTAMP = 0x8906;
const CLOCK_REALTIME = 0;
const ADDRESS_BYTES = 20;

export const EtherType = { ipv4: 0x0800, arp: 0x0806 } as const;

/** One instruction of a classic BPF program (linux/filter.h): operation, jump if true, jump if false, constant. */
export type FilterStep = readonly [operation: number, jumpTrue: number, jumpFalse: number, constant: number];

export type PacketSocketOptions = {
  /** The interface's number, /sys/class/net/NAME/ifindex. */
  readonly interfaceIndex: number;
  readonly etherType: number;
  /** What it keeps; everything unless told. It sees packets from their network header on. */
  readonly filter?: readonly FilterStep[];
  /** The interface hears every group then, whoever listens to it. */
  readonly hearsAllGroups?: boolean;
  readonly receiveBufferBytes: number;
  /** What is longer is cut off there. */
  readonly longestBytes: number;
};

/**
 * Hears and sends what is on one wire, below IP: what this machine is not meant to hear (a group that it did not join)
 * and what has no port (ARP, IGMP). Only root may. It hears what arrives, not what this machine sends.
 */
export class PacketSocket {
  readonly #calls: SystemCalls;
  readonly #descriptor: number;
  readonly #options: PacketSocketOptions;
  readonly #bytes: Uint8Array;
  readonly #address = new Uint8Array(ADDRESS_BYTES);
  readonly #addressLength = new Uint32Array(1);
  readonly #time = new Uint8Array(16);

  /** @throws {Error} naming the call that failed; "socket: error 1" is EPERM */
  constructor(calls: SystemCalls, options: PacketSocketOptions) {
    this.#calls = calls;
    this.#options = options;
    this.#bytes = new Uint8Array(options.longestBytes);
    // Protocol 0 hears nothing: the filter must stand before the first packet.
    this.#descriptor = calls.socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    this.#must("socket", this.#descriptor >= 0);
    try {
      this.#set(
        "SO_RCVBUF",
        SOL_SOCKET,
        SO_RCVBUF,
        new Uint8Array(new Int32Array([options.receiveBufferBytes]).buffer),
      );
      if (options.filter !== undefined) this.#attach(options.filter);
      if (options.hearsAllGroups === true) this.#hearAllGroups();
      const address = linkAddress(options, []);
      this.#must("bind", calls.bind(this.#descriptor, address, address.length) === 0);
      // The first question makes the system stamp what comes.
      calls.ioctl(this.#descriptor, SIOCGSTAMP, this.#time);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /**
   * Takes what waits, without waiting for it.
   *
   * @param onPacket the bytes from the network header on, valid only during the call; `atMs` is the system's clock when
   *   it arrived, comparable with `nowMs`
   * @returns how many there were
   */
  receive(onPacket: (bytes: Uint8Array, atMs: number) => void, most = 64): number {
    const calls = this.#calls;
    for (let count = 0; count < most; count += 1) {
      this.#addressLength[0] = ADDRESS_BYTES;
      const length = calls.recvfrom(
        this.#descriptor,
        this.#bytes,
        this.#bytes.length,
        MSG_DONTWAIT,
        this.#address,
        this.#addressLength,
      );
      if (length < 0) return count;
      const isStamped = calls.ioctl(this.#descriptor, SIOCGSTAMP, this.#time) === 0;
      onPacket(this.#bytes.subarray(0, length), isStamped ? millisecondsOf(this.#time, 1_000) : this.nowMs());
    }
    return most;
  }

  /** Never fails for the network's sake: what cannot be sent is lost. @param to six bytes of a hardware address */
  send(bytes: Uint8Array, to: readonly number[]): void {
    const address = linkAddress(this.#options, to);
    this.#calls.sendto(this.#descriptor, bytes, bytes.length, MSG_DONTWAIT, address, address.length);
  }

  /** The system's clock, which may be set: only differences of a moment mean something. */
  nowMs(): number {
    this.#calls.clockGettime(CLOCK_REALTIME, this.#time);
    return millisecondsOf(this.#time, 1_000_000);
  }

  close(): void {
    this.#calls.close(this.#descriptor);
  }

  // struct sock_fprog: count (2, padded to 8), address of the steps (8); a step is 2 + 1 + 1 + 4 bytes.
  #attach(steps: readonly FilterStep[]): void {
    const program = new Memory(steps.length * 8, this.#calls);
    for (const [at, [operation, jumpTrue, jumpFalse, constant]] of steps.entries()) {
      program.words[at * 2] = operation | (jumpTrue << 16) | (jumpFalse << 24);
      program.words[at * 2 + 1] = constant;
    }
    const head = new Memory(16, this.#calls);
    head.words[0] = steps.length;
    head.setLong(2, program.address);
    this.#set("SO_ATTACH_FILTER", SOL_SOCKET, SO_ATTACH_FILTER, head.bytes);
  }

  // struct packet_mreq: interface (4), kind (2), length (2), address (8).
  #hearAllGroups(): void {
    const request = new Uint8Array(16);
    const view = new DataView(request.buffer);
    view.setInt32(0, this.#options.interfaceIndex, true);
    view.setUint16(4, PACKET_MR_ALLMULTI, true);
    this.#set("PACKET_ADD_MEMBERSHIP", SOL_PACKET, PACKET_ADD_MEMBERSHIP, request);
  }

  #set(name: string, level: number, option: number, value: Uint8Array): void {
    this.#must(name, this.#calls.setsockopt(this.#descriptor, level, option, value, value.length) === 0);
  }

  #must(call: string, isDone: boolean): void {
    if (!isDone) throw new Error(`${call}: error ${this.#calls.errno()}`);
  }
}

// struct sockaddr_ll: family 2, protocol 2 (big-endian), interface 4, kind 2, packet type 1, length 1, address 8.
function linkAddress({ etherType, interfaceIndex }: PacketSocketOptions, to: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(ADDRESS_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF_PACKET, true);
  view.setUint16(2, etherType);
  view.setInt32(4, interfaceIndex, true);
  bytes[11] = to.length;
  bytes.set(to, 12);
  return bytes;
}

/** struct timeval or timespec: seconds (8), parts of a second (8). */
function millisecondsOf(time: Uint8Array, partsAMillisecond: number): number {
  const view = new DataView(time.buffer, time.byteOffset, time.byteLength);
  return Number(view.getBigInt64(0, true)) * 1_000 + Number(view.getBigInt64(8, true)) / partsAMillisecond;
}
