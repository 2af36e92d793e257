import type { SystemCalls } from "./system-calls.ts";

/** Memory whose address the system is told. It must be referenced as long as the system may use it. */
export class Memory {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly address: number;

  constructor(sizeBytes: number, calls: SystemCalls) {
    const memory = new ArrayBuffer(sizeBytes);
    this.bytes = new Uint8Array(memory);
    this.words = new Uint32Array(memory);
    this.address = calls.addressOf(this.bytes);
  }

  /** Writes a 64-bit number, which may be an address, at word `at`. */
  setLong(at: number, value: number): void {
    this.words[at] = value >>> 0;
    this.words[at + 1] = Math.floor(value / 0x1_0000_0000);
  }

  /** The 64-bit number at word `at`. */
  getLong(at: number): number {
    return this.words[at]! + this.words[at + 1]! * 0x1_0000_0000;
  }
}

/**
 * What `recvmmsg(2)` and `sendmmsg(2)` work on, in words of 32 bits:
 *
 *     struct mmsghdr   name 8, name length 4 + 4, iovec 8, iovec count 8, control 8, control length 8, flags 4 + 4,
 *                      length 4 + 4: 64 bytes
 *     struct iovec     base 8, length 8
 *     sockaddr_in      family 2, port 2 (big-endian), address 4 (big-endian), zero 8
 *
 * Little-endian, 64 bits: Linux on x64 and arm64.
 */
export const MESSAGE_WORDS = 16;
export const MessageWord = {
  name: 0,
  nameLength: 2,
  vector: 4,
  vectorCount: 6,
  control: 8,
  controlLength: 10,
  length: 14,
} as const;
export const NAME_BYTES = 16;
export const MSG_DONTWAIT = 0x40;
