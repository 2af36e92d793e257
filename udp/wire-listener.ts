import { EtherType, type FilterStep, PacketSocket } from "./packet-socket.ts";
import type { SystemCalls } from "./system-calls.ts";

const LOOK_EVERY_MS = 20;
const RECEIVE_BUFFER_BYTES = 256 * 1024;
/** Only headers are looked at. */
const LONGEST_BYTES = 128;
const IPPROTO_IGMP = 2;

// linux/bpf_common.h
const LOAD_BYTE = 0x30;
const LOAD_WORD = 0x20;
const JUMP_IF_EQUAL = 0x15;
const RETURN = 0x06;

/**
 * Hears what is sent to one group on an interface, and IGMP, whether or not this machine is a member of the group; not
 * what this machine sends itself. Only root may.
 *
 * @param options.onPacket an IPv4 packet, cut off after 128 bytes, valid only during the call
 * @throws {Error} naming the system call that failed
 */
export function listenToWire(
  calls: SystemCalls,
  options: {
    readonly interfaceIndex: number;
    readonly group: string;
    readonly onPacket: (bytes: Uint8Array, atMs: number) => void;
  },
): { close(): void } {
  const socket = new PacketSocket(calls, {
    interfaceIndex: options.interfaceIndex,
    etherType: EtherType.ipv4,
    filter: filterOf(options.group),
    hearsAllGroups: true,
    receiveBufferBytes: RECEIVE_BUFFER_BYTES,
    longestBytes: LONGEST_BYTES,
  });
  const timer = setInterval(() => socket.receive(options.onPacket), LOOK_EVERY_MS);
  return {
    close() {
      clearInterval(timer);
      socket.receive(options.onPacket);
      socket.close();
    },
  };
}

/** IPv4's protocol is at byte 9, its destination at 16. */
function filterOf(group: string): readonly FilterStep[] {
  const address = group.split(".").reduce((number, part) => number * 256 + Number(part), 0);
  return [
    [LOAD_BYTE, 0, 0, 9],
    [JUMP_IF_EQUAL, 2, 0, IPPROTO_IGMP],
    [LOAD_WORD, 0, 0, 16],
    [JUMP_IF_EQUAL, 0, 1, address],
    [RETURN, 0, 0, LONGEST_BYTES],
    [RETURN, 0, 0, 0],
  ];
}
