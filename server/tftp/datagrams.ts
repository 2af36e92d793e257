import type { SystemCalls } from "./system-calls.ts";

/**
 * Many datagrams in one system call: the memory that `recvmmsg(2)` and `sendmmsg(2)` work on.
 *
 *     struct mmsghdr   name 8, name length 4 + 4, iovec 8, iovec count 8, control 8, control length 8, flags 4 + 4,
 *                      length 4 + 4: 64 bytes
 *     struct iovec     base 8, length 8
 *     sockaddr_in      family 2, port 2 (big-endian), address 4 (big-endian), zero 8
 *
 * Little-endian, 64 bits: Linux on x64 and arm64.
 */
const messageWords = 16;
const Word = { name: 0, nameLength: 2, vector: 4, vectorCount: 6, control: 8, controlLength: 10, length: 14 } as const;
const nameBytes = 16;
/** cmsghdr (length 8, level 4, type 4) and a 16-bit number, filled up to 8. */
const controlBytes = 24;
const MSG_DONTWAIT = 0x40;
const EINTR = 4;
const EAGAIN = 11;
const SOL_UDP = 17;
const UDP_SEGMENT = 103;
const POLLOUT = 4;

/** An IPv4 peer: the address as a number, network order read as big-endian. */
export type IPv4Peer = { readonly ip: number; readonly port: number };

export function ipv4Peer(address: string, port: number): IPv4Peer {
  const [a = 0, b = 0, c = 0, d = 0] = address.split(".").map(Number);
  return { ip: ((a << 24) | (b << 16) | (c << 8) | d) >>> 0, port };
}

/** A peer as one exact number, to find it by. */
export const peerNumber = (ip: number, port: number): number => ip * 0x10000 + port;

/** Memory whose address the system is told. It must be referenced as long as the system may use it. */
class Memory {
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
}

const receiveCount = 64;

/** Receives up to 64 datagrams at once. */
export class Receiver {
  readonly #calls: SystemCalls;
  readonly #longestBytes: number;
  readonly #messages: Memory;
  readonly #vectors: Memory;
  readonly #names: Memory;
  readonly #data: Memory;

  /** @param longestBytes what is longer is cut off there */
  constructor(calls: SystemCalls, longestBytes: number) {
    this.#calls = calls;
    this.#longestBytes = longestBytes;
    this.#messages = new Memory(receiveCount * messageWords * 4, calls);
    this.#vectors = new Memory(receiveCount * 16, calls);
    this.#names = new Memory(receiveCount * nameBytes, calls);
    this.#data = new Memory(receiveCount * longestBytes, calls);
    for (let at = 0; at < receiveCount; at += 1) {
      const word = at * messageWords;
      this.#messages.setLong(word + Word.name, this.#names.address + at * nameBytes);
      this.#messages.words[word + Word.nameLength] = nameBytes;
      this.#messages.setLong(word + Word.vector, this.#vectors.address + at * 16);
      this.#messages.setLong(word + Word.vectorCount, 1);
      this.#vectors.setLong(at * 4, this.#data.address + at * longestBytes);
      this.#vectors.setLong(at * 4 + 2, longestBytes);
    }
  }

  /**
   * Takes what waits on a socket, without waiting for it.
   * @param onDatagram the bytes are only valid during the call
   * @returns how many there were; as many as fit means that more may wait
   */
  receive(descriptor: number, onDatagram: (bytes: Uint8Array, ip: number, port: number) => void): number {
    const { words } = this.#messages;
    const count = this.#calls.recvmmsg(descriptor, this.#messages.address, receiveCount, MSG_DONTWAIT, null);
    const names = this.#names.bytes;
    for (let at = 0; at < count; at += 1) {
      const name = at * nameBytes;
      const port = (names[name + 2]! << 8) | names[name + 3]!;
      const ip =
        ((names[name + 4]! << 24) | (names[name + 5]! << 16) | (names[name + 6]! << 8) | names[name + 7]!) >>> 0;
      const from = at * this.#longestBytes;
      onDatagram(this.#data.bytes.subarray(from, from + words[at * messageWords + Word.length]!), ip, port);
    }
    return count;
  }
}

/** What `Sender.addBlocks` asks a transfer. */
type Blocks = {
  readonly blockBytes: number;
  wireNumber(block: number): number;
  dataOf(block: number): { readonly from: number; readonly to: number };
};

const sendCount = 64;
const sendVectors = 1024;
const scratchBytes = 64 * 1024;
/** Linux: UDP_MAX_SEGMENTS, and what one IPv4 datagram can hold. */
const mostSegments = 64;
const mostSegmentedBytes = 65_000;
const sendWaitMs = 20;

/** Collects datagrams of one socket and sends them in one system call, equal ones in a row as one (UDP_SEGMENT). */
export class Sender {
  readonly #calls: SystemCalls;
  readonly #descriptor: number;
  readonly #messages: Memory;
  readonly #vectors: Memory;
  readonly #names: Memory;
  readonly #controls: Memory;
  /** Bytes of our own: headers and short packets. */
  readonly #scratch: Memory;
  readonly #poll: Memory;
  #count = 0;
  #vectorCount = 0;
  #scratchUsed = 0;
  #canSegment: boolean;
  /** What the vectors point at must live until it is sent. */
  readonly #held: Uint8Array[] = [];

  /** @param options `canSegment` false: one datagram for each message, for systems that cannot do more */
  constructor(calls: SystemCalls, descriptor: number, options: { readonly canSegment: boolean }) {
    this.#calls = calls;
    this.#descriptor = descriptor;
    this.#canSegment = options.canSegment;
    this.#messages = new Memory(sendCount * messageWords * 4, calls);
    this.#vectors = new Memory(sendVectors * 16, calls);
    this.#names = new Memory(sendCount * nameBytes, calls);
    this.#controls = new Memory(sendCount * controlBytes, calls);
    this.#scratch = new Memory(scratchBytes, calls);
    this.#poll = new Memory(8, calls);
    for (let at = 0; at < sendCount; at += 1) {
      const word = at * messageWords;
      this.#messages.setLong(word + Word.name, this.#names.address + at * nameBytes);
      this.#messages.words[word + Word.nameLength] = nameBytes;
      this.#messages.setLong(word + Word.control, this.#controls.address + at * controlBytes);
      this.#names.bytes[at * nameBytes] = 2;
      const control = (at * controlBytes) / 4;
      this.#controls.setLong(control, 18);
      this.#controls.words[control + 2] = SOL_UDP;
      this.#controls.words[control + 3] = UDP_SEGMENT;
    }
    this.#poll.words[0] = descriptor;
    this.#poll.words[1] = POLLOUT;
  }

  /** False once the system refused it. */
  get canSegment(): boolean {
    return this.#canSegment;
  }

  /** A short packet of its own. */
  addPacket(peer: IPv4Peer, packet: Uint8Array): void {
    const bytes = packet.subarray(0, 1024);
    this.#makeRoom(1, bytes.length);
    this.#begin(peer);
    this.#scratch.bytes.set(bytes, this.#scratchUsed);
    this.#addVector(this.#scratch.address + this.#scratchUsed, bytes.length);
    this.#scratchUsed += (bytes.length + 3) & ~3;
    this.#finish(1, 0);
  }

  /**
   * DATA packets of TFTP in a row, straight from the file's memory.
   * @param fileAddress where `file` is in memory
   */
  addBlocks(
    peer: IPv4Peer,
    {
      transfer,
      file,
      fileAddress,
    }: { readonly transfer: Blocks; readonly file: Uint8Array; readonly fileAddress: number },
    first: number,
    count: number,
  ): void {
    const segmentBytes = 4 + transfer.blockBytes;
    const most = this.#canSegment
      ? Math.max(1, Math.min(mostSegments, Math.floor(mostSegmentedBytes / segmentBytes)))
      : 1;
    const { bytes } = this.#scratch;
    for (let block = first; block < first + count; ) {
      const segments = Math.min(most, first + count - block);
      this.#makeRoom(2 * segments, 4 * segments);
      this.#begin(peer);
      this.#held.push(file);
      for (let segment = 0; segment < segments; segment += 1, block += 1) {
        const { from, to } = transfer.dataOf(block);
        const number = transfer.wireNumber(block);
        const at = this.#scratchUsed;
        bytes[at] = 0;
        bytes[at + 1] = 3;
        bytes[at + 2] = number >> 8;
        bytes[at + 3] = number & 0xff;
        this.#scratchUsed += 4;
        this.#addVector(this.#scratch.address + at, 4);
        this.#addVector(fileAddress + from, to - from);
      }
      this.#finish(2 * segments, segments === 1 ? 0 : segmentBytes);
    }
  }

  /** Hands everything to the system. What it cannot take soon is lost, as if on the way. */
  flush(): void {
    for (let at = 0; at < this.#count; ) {
      const sent = this.#send(at, this.#count - at);
      if (sent > 0) {
        at += sent;
        continue;
      }
      const error = this.#calls.errno();
      if (error === EINTR) continue;
      if (error === EAGAIN) {
        if (this.#calls.poll(this.#poll.address, 1, sendWaitMs) > 0) continue;
        break;
      }
      // A card or a route that cannot segment says so at the first such message.
      if (this.#messages.words[at * messageWords + Word.controlLength] !== 0) this.#sendSingly(at);
      at += 1;
    }
    this.#count = 0;
    this.#vectorCount = 0;
    this.#scratchUsed = 0;
    this.#held.length = 0;
  }

  #send(from: number, count: number): number {
    const address = this.#messages.address + from * messageWords * 4;
    return this.#calls.sendmmsg(this.#descriptor, address, count, MSG_DONTWAIT);
  }

  /** Sends the segments of one message, header and data each, as messages of their own. */
  #sendSingly(at: number): void {
    this.#canSegment = false;
    const { words } = this.#messages;
    const word = at * messageWords;
    const vector = words[word + Word.vector]! + words[word + Word.vector + 1]! * 0x1_0000_0000;
    const segments = words[word + Word.vectorCount]! / 2;
    this.#messages.setLong(word + Word.controlLength, 0);
    this.#messages.setLong(word + Word.vectorCount, 2);
    for (let segment = 0; segment < segments; segment += 1) {
      this.#messages.setLong(word + Word.vector, vector + segment * 32);
      this.#send(at, 1);
    }
  }

  #makeRoom(vectors: number, bytes: number): void {
    const isFull =
      this.#count === sendCount ||
      this.#vectorCount + vectors > sendVectors ||
      this.#scratchUsed + bytes > scratchBytes;
    if (isFull) this.flush();
  }

  #begin({ ip, port }: IPv4Peer): void {
    const name = this.#count * nameBytes;
    const { bytes } = this.#names;
    bytes[name + 2] = port >> 8;
    bytes[name + 3] = port & 0xff;
    bytes[name + 4] = ip >>> 24;
    bytes[name + 5] = (ip >>> 16) & 0xff;
    bytes[name + 6] = (ip >>> 8) & 0xff;
    bytes[name + 7] = ip & 0xff;
    this.#messages.setLong(this.#count * messageWords + Word.vector, this.#vectors.address + this.#vectorCount * 16);
  }

  #addVector(address: number, length: number): void {
    const word = this.#vectorCount * 4;
    this.#vectors.setLong(word, address);
    this.#vectors.setLong(word + 2, length);
    this.#vectorCount += 1;
  }

  /** @param segmentBytes 0: the message is one datagram */
  #finish(vectors: number, segmentBytes: number): void {
    const word = this.#count * messageWords;
    this.#messages.setLong(word + Word.vectorCount, vectors);
    this.#messages.setLong(word + Word.controlLength, segmentBytes === 0 ? 0 : controlBytes);
    this.#controls.words[(this.#count * controlBytes) / 4 + 4] = segmentBytes;
    this.#count += 1;
  }
}
