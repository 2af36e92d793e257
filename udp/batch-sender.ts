import type { IPv4Peer } from "./ipv4-peer.ts";
import { MESSAGE_WORDS, Memory, MessageWord, MSG_DONTWAIT, NAME_BYTES } from "./memory.ts";
import { SOL_UDP, UDP_SEGMENT } from "./open-descriptor.ts";
import type { SystemCalls } from "./system-calls.ts";

const AF_INET = 2;
const EINTR = 4;
const EAGAIN = 11;
const POLLOUT = 4;
const MOST_MESSAGES = 64;
const MOST_PARTS = 1024;
const OWN_BYTES = 64 * 1024;
/** cmsghdr (length 8, level 4, type 4) and a 16-bit number, filled up to 8. */
const CONTROL_BYTES = 24;
const CONTROL_NUMBER = 4;
/** Linux: UDP_MAX_SEGMENTS, and what one IPv4 datagram can hold. */
const MOST_SEGMENTS = 64;
const MOST_SEGMENTED_BYTES = 65_000;

/** Datagrams to one peer that go as one message. All but the last have the same length. */
export type JoinedDatagrams = {
  /** At most `mostJoined`. */
  readonly count: number;
  readonly datagramBytes: number;
  /** So many `add…` follow: one for all datagrams together, or as many for each of them. */
  readonly parts: number;
  /** How many bytes of them are copied; a multiple of 4. */
  readonly copiedBytes: number;
};

/** Collects datagrams of one socket and sends them in one system call, equal ones in a row as one (UDP_SEGMENT). */
export class BatchSender {
  readonly #calls: SystemCalls;
  readonly #descriptor: number;
  readonly #stuckMs: number;
  readonly #messages: Memory;
  readonly #parts: Memory;
  readonly #names: Memory;
  readonly #controls: Memory;
  /** Bytes of our own: what is copied. */
  readonly #own: Memory;
  readonly #poll: Memory;
  /** Datagrams of each message. */
  readonly #datagrams = new Uint8Array(MOST_MESSAGES);
  #count = 0;
  #partCount = 0;
  #ownUsed = 0;
  #refused = 0;
  #canSegment: boolean;
  /** What the parts point at must live until it is sent. */
  readonly #held: Uint8Array[] = [];

  /**
   * @param options.canSegment false: one datagram for each message, for systems that cannot do more
   * @param options.stuckMs a card that takes nothing for so long is not waited for
   */
  constructor(
    calls: SystemCalls,
    options: { readonly descriptor: number; readonly canSegment: boolean; readonly stuckMs: number },
  ) {
    this.#calls = calls;
    this.#descriptor = options.descriptor;
    this.#stuckMs = options.stuckMs;
    this.#canSegment = options.canSegment;
    this.#messages = new Memory(MOST_MESSAGES * MESSAGE_WORDS * 4, calls);
    this.#parts = new Memory(MOST_PARTS * 16, calls);
    this.#names = new Memory(MOST_MESSAGES * NAME_BYTES, calls);
    this.#controls = new Memory(MOST_MESSAGES * CONTROL_BYTES, calls);
    this.#own = new Memory(OWN_BYTES, calls);
    this.#poll = new Memory(8, calls);
    for (let at = 0; at < MOST_MESSAGES; at += 1) {
      const word = at * MESSAGE_WORDS;
      this.#messages.setLong(word + MessageWord.name, this.#names.address + at * NAME_BYTES);
      this.#messages.words[word + MessageWord.nameLength] = NAME_BYTES;
      this.#messages.setLong(word + MessageWord.control, this.#controls.address + at * CONTROL_BYTES);
      this.#names.bytes[at * NAME_BYTES] = AF_INET;
      const control = (at * CONTROL_BYTES) / 4;
      this.#controls.setLong(control, 18);
      this.#controls.words[control + 2] = SOL_UDP;
      this.#controls.words[control + 3] = UDP_SEGMENT;
    }
    this.#poll.words[0] = options.descriptor;
    this.#poll.words[1] = POLLOUT;
  }

  /** At most so many datagrams of this length go as one message; 1 once the system refused more. */
  mostJoined(datagramBytes: number): number {
    if (!this.#canSegment) return 1;
    return Math.max(1, Math.min(MOST_SEGMENTS, Math.floor(MOST_SEGMENTED_BYTES / datagramBytes)));
  }

  /** One datagram that is copied; at most 1024 bytes. */
  addPacket(peer: IPv4Peer, packet: Uint8Array): void {
    const bytes = packet.subarray(0, 1024);
    const copiedBytes = (bytes.length + 3) & ~3;
    this.begin(peer, { count: 1, datagramBytes: bytes.length, parts: 1, copiedBytes });
    this.#own.bytes.set(bytes, this.#ownUsed);
    this.addMemory(this.#own.address + this.#ownUsed, bytes.length);
    this.#ownUsed += copiedBytes;
  }

  /** Starts datagrams whose parts are added next. */
  begin({ ip, port }: IPv4Peer, { count, datagramBytes, parts, copiedBytes }: JoinedDatagrams): void {
    const isFull =
      this.#count === MOST_MESSAGES || this.#partCount + parts > MOST_PARTS || this.#ownUsed + copiedBytes > OWN_BYTES;
    if (isFull) this.#sendAll();
    const name = this.#count * NAME_BYTES;
    const { bytes } = this.#names;
    bytes[name + 2] = port >> 8;
    bytes[name + 3] = port & 0xff;
    bytes[name + 4] = ip >>> 24;
    bytes[name + 5] = (ip >>> 16) & 0xff;
    bytes[name + 6] = (ip >>> 8) & 0xff;
    bytes[name + 7] = ip & 0xff;
    const word = this.#count * MESSAGE_WORDS;
    this.#messages.setLong(word + MessageWord.vector, this.#parts.address + this.#partCount * 16);
    this.#messages.setLong(word + MessageWord.vectorCount, parts);
    this.#messages.setLong(word + MessageWord.controlLength, count === 1 ? 0 : CONTROL_BYTES);
    this.#controls.words[(this.#count * CONTROL_BYTES) / 4 + CONTROL_NUMBER] = datagramBytes;
    this.#datagrams[this.#count] = count;
    this.#count += 1;
  }

  /** A part of four bytes that are copied: a number, big-endian. */
  addNumber(value: number): void {
    const { bytes } = this.#own;
    const at = this.#ownUsed;
    bytes[at] = value >>> 24;
    bytes[at + 1] = (value >>> 16) & 0xff;
    bytes[at + 2] = (value >>> 8) & 0xff;
    bytes[at + 3] = value & 0xff;
    this.#ownUsed += 4;
    this.addMemory(this.#own.address + at, 4);
  }

  /** A part straight from memory, which must stay as it is until it is sent. */
  addMemory(address: number, lengthBytes: number): void {
    const word = this.#partCount * 4;
    this.#parts.setLong(word, address);
    this.#parts.setLong(word + 2, lengthBytes);
    this.#partCount += 1;
  }

  /** Keeps memory that was added since `begin` from being freed before it is sent. */
  hold(memory: Uint8Array): void {
    this.#held.push(memory);
  }

  /**
   * Hands everything to the system, and waits while the card is busy. What it cannot take soon is lost, as if on the
   * way.
   *
   * @returns how many datagrams the system has refused since the last time
   */
  flush(): number {
    this.#sendAll();
    const refused = this.#refused;
    this.#refused = 0;
    return refused;
  }

  #sendAll(): void {
    for (let at = 0; at < this.#count; ) {
      const sent = this.#send(at, this.#count - at);
      if (sent === "stuck") {
        for (; at < this.#count; at += 1) this.#refused += this.#datagrams[at]!;
        break;
      }
      at += sent;
      if (sent > 0) continue;
      // A card or a route that cannot segment says so at the first such message.
      if (this.#datagrams[at] === 1) this.#refused += 1;
      else this.#sendSingly(at);
      at += 1;
    }
    this.#count = 0;
    this.#partCount = 0;
    this.#ownUsed = 0;
    this.#held.length = 0;
  }

  /** @returns how many messages the system took; 0: it refuses the first */
  #send(from: number, count: number): number | "stuck" {
    const address = this.#messages.address + from * MESSAGE_WORDS * 4;
    for (;;) {
      const sent = this.#calls.sendmmsg(this.#descriptor, address, count, MSG_DONTWAIT);
      if (sent > 0) return sent;
      const error = this.#calls.errno();
      if (error === EINTR) continue;
      if (error !== EAGAIN) return 0;
      if (this.#calls.poll(this.#poll.address, 1, this.#stuckMs) <= 0) return "stuck";
    }
  }

  /** Sends the datagrams of one message as messages of their own. */
  #sendSingly(at: number): void {
    this.#canSegment = false;
    const word = at * MESSAGE_WORDS;
    const count = this.#datagrams[at]!;
    const parts = this.#messages.words[word + MessageWord.vectorCount]!;
    const first = this.#messages.getLong(word + MessageWord.vector);
    const datagramBytes = this.#controls.words[(at * CONTROL_BYTES) / 4 + CONTROL_NUMBER]!;
    const partWord = (first - this.#parts.address) / 4;
    const memory = this.#parts.getLong(partWord);
    const lengthBytes = this.#parts.getLong(partWord + 2);
    const partsEach = parts === 1 ? 1 : parts / count;
    this.#messages.setLong(word + MessageWord.controlLength, 0);
    this.#messages.setLong(word + MessageWord.vectorCount, partsEach);
    for (let datagram = 0; datagram < count; datagram += 1) {
      if (parts === 1) {
        const from = datagram * datagramBytes;
        this.#parts.setLong(partWord, memory + from);
        this.#parts.setLong(partWord + 2, Math.min(datagramBytes, lengthBytes - from));
      } else {
        this.#messages.setLong(word + MessageWord.vector, first + datagram * partsEach * 16);
      }
      if (this.#send(at, 1) !== 1) this.#refused += 1;
    }
  }
}
