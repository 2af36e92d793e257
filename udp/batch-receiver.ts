import { MESSAGE_WORDS, Memory, MessageWord, MSG_DONTWAIT, NAME_BYTES } from "./memory.ts";
import type { SystemCalls } from "./system-calls.ts";

/** Takes many datagrams that wait on a socket in one system call. */
export class BatchReceiver {
  readonly #calls: SystemCalls;
  readonly #count: number;
  readonly #longestBytes: number;
  readonly #messages: Memory;
  readonly #vectors: Memory;
  readonly #names: Memory;
  readonly #data: Memory;

  /**
   * @param options.count at most so many in one call
   * @param options.longestBytes what is longer is cut off there
   */
  constructor(calls: SystemCalls, { count, longestBytes }: { readonly count: number; readonly longestBytes: number }) {
    this.#calls = calls;
    this.#count = count;
    this.#longestBytes = longestBytes;
    this.#messages = new Memory(count * MESSAGE_WORDS * 4, calls);
    this.#vectors = new Memory(count * 16, calls);
    this.#names = new Memory(count * NAME_BYTES, calls);
    this.#data = new Memory(count * longestBytes, calls);
    for (let at = 0; at < count; at += 1) {
      const word = at * MESSAGE_WORDS;
      this.#messages.setLong(word + MessageWord.name, this.#names.address + at * NAME_BYTES);
      this.#messages.words[word + MessageWord.nameLength] = NAME_BYTES;
      this.#messages.setLong(word + MessageWord.vector, this.#vectors.address + at * 16);
      this.#messages.setLong(word + MessageWord.vectorCount, 1);
      this.#vectors.setLong(at * 4, this.#data.address + at * longestBytes);
      this.#vectors.setLong(at * 4 + 2, longestBytes);
    }
  }

  /**
   * Takes what waits on a socket, without waiting for it.
   *
   * @param onDatagram the bytes are only valid during the call; the sender's address is a number, network order read
   *   as big-endian
   * @returns how many there were; as many as fit means that more may wait
   */
  receive(descriptor: number, onDatagram: (bytes: Uint8Array, ip: number, port: number) => void): number {
    const { words } = this.#messages;
    const count = this.#calls.recvmmsg(descriptor, this.#messages.address, this.#count, MSG_DONTWAIT, null);
    const names = this.#names.bytes;
    for (let at = 0; at < count; at += 1) {
      const name = at * NAME_BYTES;
      const port = (names[name + 2]! << 8) | names[name + 3]!;
      const ip =
        ((names[name + 4]! << 24) | (names[name + 5]! << 16) | (names[name + 6]! << 8) | names[name + 7]!) >>> 0;
      const from = at * this.#longestBytes;
      const length = words[at * MESSAGE_WORDS + MessageWord.length]!;
      onDatagram(this.#data.bytes.subarray(from, from + length), ip, port);
    }
    return count;
  }
}
