import { MESSAGE_WORDS, Memory, MessageWord, MSG_DONTWAIT, NAME_BYTES } from "./memory.ts";
import type { SystemCalls } from "./system-calls.ts";

const EINTR = 4;
const EAGAIN = 11;
const POLLOUT = 4;
/** Linux: UDP_MAX_SEGMENTS, and what one IPv4 datagram can hold. */
const MOST_SEGMENTS = 64;
const MOST_SEGMENTED_BYTES = 65_000;

/** Sends datagrams of one length, which lie end to end in memory, to one place: many in one system call. */
export class BatchSender {
  readonly #calls: SystemCalls;
  readonly #descriptor: number;
  readonly #datagramBytes: number;
  readonly #message: Memory;
  readonly #vector: Memory;
  readonly #poll: Memory;
  /** What the system reads its target's address from. */
  readonly #name: Memory;
  #mostAtOnce: number;

  /** @param options.canSegment the descriptor was opened with `segmentBytes`, and the system took it */
  constructor(
    calls: SystemCalls,
    options: {
      readonly descriptor: number;
      readonly canSegment: boolean;
      readonly datagramBytes: number;
      readonly address: string;
      readonly port: number;
    },
  ) {
    this.#calls = calls;
    this.#descriptor = options.descriptor;
    this.#datagramBytes = options.datagramBytes;
    this.#message = new Memory(MESSAGE_WORDS * 4, calls);
    this.#vector = new Memory(16, calls);
    this.#name = new Memory(NAME_BYTES, calls);
    this.#poll = new Memory(8, calls);
    this.#name.bytes[0] = 2;
    this.#name.bytes[2] = options.port >> 8;
    this.#name.bytes[3] = options.port & 0xff;
    this.#name.bytes.set(options.address.split(".").map(Number), 4);
    this.#message.setLong(MessageWord.name, this.#name.address);
    this.#message.words[MessageWord.nameLength] = NAME_BYTES;
    this.#message.setLong(MessageWord.vector, this.#vector.address);
    this.#message.setLong(MessageWord.vectorCount, 1);
    this.#poll.words[0] = options.descriptor;
    this.#poll.words[1] = POLLOUT;
    const most = Math.min(MOST_SEGMENTS, Math.floor(MOST_SEGMENTED_BYTES / options.datagramBytes));
    this.#mostAtOnce = options.canSegment ? Math.max(1, most) : 1;
  }

  /** At most so many datagrams go in one call. */
  get mostAtOnce(): number {
    return this.#mostAtOnce;
  }

  /**
   * Waits while the card is busy, so that nothing queues up before it.
   *
   * @param address where the datagrams are in memory
   * @param count at most `mostAtOnce`
   * @param stuckMs a card that takes nothing for so long is not waited for
   * @returns how many the system refused
   */
  send(address: number, count: number, stuckMs: number): number {
    if (this.#sendOnce(address, count, stuckMs)) return 0;
    if (count === 1) return 1;
    // A card or a route that cannot segment says so at the first such message.
    this.#mostAtOnce = 1;
    let refused = 0;
    for (let at = 0; at < count; at += 1) {
      if (!this.#sendOnce(address + at * this.#datagramBytes, 1, stuckMs)) refused += 1;
    }
    return refused;
  }

  #sendOnce(address: number, count: number, stuckMs: number): boolean {
    this.#vector.setLong(0, address);
    this.#vector.setLong(2, count * this.#datagramBytes);
    for (;;) {
      if (this.#calls.sendmmsg(this.#descriptor, this.#message.address, 1, MSG_DONTWAIT) === 1) return true;
      const error = this.#calls.errno();
      if (error === EINTR) continue;
      if (error !== EAGAIN || this.#calls.poll(this.#poll.address, 1, stuckMs) <= 0) return false;
    }
  }
}
