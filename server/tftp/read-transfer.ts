import type { TransferTerms } from "./negotiation.ts";
import { ErrorCode, type TftpOption } from "./packet.ts";

export type TransferAction =
  | { readonly type: "send-options"; readonly options: readonly TftpOption[] }
  | { readonly type: "send-data"; readonly block: number; readonly data: Uint8Array }
  | { readonly type: "end"; readonly result: TransferResult };

/**
 * How a transfer ended. `done`: the client has the file. `probe`: it only wanted the size, which is normal.
 * `aborted`: the client gave up. `timeout`: it fell silent.
 */
export type TransferResult = {
  readonly result: "done" | "probe" | "aborted" | "timeout";
  readonly reason: string;
};

/** A UDP source can be forged: so many packets, one per timer, go to a client that has not answered yet. */
const sendsBeforeProof = 3;
/** Many loaders never acknowledge the last block; after so many resends it counts as received. */
const resendsOfTheEnd = 3;
const resendsOfAWindow = 5;
const maxRetryAfterMs = 8000;
/** At most one window in so many is sent again because of a duplicate ACK; see `onAck`. */
const windowsPerQuickResend = 16;

/**
 * One TFTP read as the server sees it: decides what to send and when. It owns no socket and no timer; the caller
 * brings packets and the time, and carries out the actions.
 *
 * Sources: RFC 1350, RFC 1123 section 4.2.3.1, RFC 2347, RFC 7440.
 */
export class ReadTransfer {
  readonly #file: Uint8Array;
  readonly #terms: TransferTerms;
  readonly #wrapTo: 0 | 1;
  readonly #lastBlock: number;
  /** Blocks are counted from 1 without end; only `#wireNumber` knows of the 16 bits. */
  #acknowledged = 0;
  #sentTo = 0;
  #isWaitingForOptionsAck: boolean;
  #isProven = false;
  #hasEnded = false;
  #tries = 0;
  #retryAfterMs: number;
  #deadline = 0;
  #resends = 0;
  #quickResendFromWindow = 0;
  #windows = 0;

  /** @param options `wrapTo`: the block number after 65535; nearly all clients expect 0, a few old ones 1 */
  constructor(file: Uint8Array, terms: TransferTerms, options: { readonly wrapTo: 0 | 1 } = { wrapTo: 0 }) {
    this.#file = file;
    this.#terms = terms;
    this.#wrapTo = options.wrapTo;
    // The last block is shorter than the others, and empty when the size is a multiple.
    this.#lastBlock = Math.floor(file.length / terms.blockSize) + 1;
    this.#isWaitingForOptionsAck = terms.accepted.length > 0;
    this.#retryAfterMs = terms.retryAfterMs;
  }

  /** When `onTimer` must next be called, in the caller's milliseconds. */
  get deadline(): number {
    return this.#deadline;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** How many packets went out more than once. */
  get resends(): number {
    return this.#resends;
  }

  get acknowledgedBytes(): number {
    return Math.min(this.#acknowledged * this.#terms.blockSize, this.#file.length);
  }

  /** True once the client answered from the address that the request came from. */
  get isProven(): boolean {
    return this.#isProven;
  }

  /** Everything was sent and only the last ACK is missing. */
  get isAtItsEnd(): boolean {
    return this.#sentTo === this.#lastBlock;
  }

  /** The options arrived, the first block never did: a sign that full-size packets do not get through. */
  get looksLikeMtuTrouble(): boolean {
    return this.#isProven && this.#acknowledged === 0 && this.#terms.blockSize > 512;
  }

  start(now: number): TransferAction[] {
    this.#tries = 1;
    return this.#isWaitingForOptionsAck ? this.#sendOptions(now) : this.#sendWindow(now);
  }

  /** @param wireBlock the 16-bit number from the packet */
  onAck(wireBlock: number, now: number): TransferAction[] {
    if (this.#hasEnded) return [];
    if (this.#isWaitingForOptionsAck) {
      if (wireBlock !== 0) return [];
      this.#isWaitingForOptionsAck = false;
      return this.#advance(0, now);
    }
    for (let block = this.#sentTo; block > this.#acknowledged; block -= 1) {
      if (this.#wireNumber(block) === wireBlock) return this.#advance(block, now);
    }
    if (this.#wireNumber(this.#acknowledged) === wireBlock) return this.#onDuplicateAck(now);
    return [];
  }

  /** An ERROR from the client itself. It is never answered. */
  onError(code: number, message: string): TransferAction[] {
    if (this.#hasEnded) return [];
    const isGoodbye = code === ErrorCode.optionRefused || code === ErrorCode.undefined;
    const hasAskedSize = this.#terms.accepted.some(([name]) => name === "tsize");
    if (isGoodbye && hasAskedSize && this.#acknowledged === 0) {
      return this.#end("probe", "the client asked for the size only");
    }
    return this.#end("aborted", `the client sent error ${code}: ${printable(message)}`);
  }

  /** The same request again from the same port: our first reply was lost. */
  onRepeatedRequest(now: number): TransferAction[] {
    if (this.#hasEnded || this.#isProven || this.#tries >= sendsBeforeProof) return [];
    return this.#resend(now);
  }

  onTimer(now: number): TransferAction[] {
    if (this.#hasEnded || now < this.#deadline) return [];
    if (this.#tries >= this.#maxTries()) {
      if (this.isAtItsEnd) return this.#end("done", "the last block was never acknowledged");
      return this.#end("timeout", `no answer to ${this.#tries} packets, the last wait ${this.#retryAfterMs} ms`);
    }
    this.#retryAfterMs = Math.min(this.#retryAfterMs * 2, Math.max(maxRetryAfterMs, this.#terms.retryAfterMs));
    return this.#resend(now);
  }

  #maxTries(): number {
    if (!this.#isProven) return sendsBeforeProof;
    return 1 + (this.isAtItsEnd ? resendsOfTheEnd : resendsOfAWindow);
  }

  #advance(block: number, now: number): TransferAction[] {
    this.#isProven = true;
    // Less than the whole window was acknowledged: the client lost a packet and what follows goes out again.
    this.#resends += this.#sentTo - block;
    this.#acknowledged = block;
    if (block === this.#lastBlock) return this.#end("done", "");
    this.#windows += 1;
    this.#tries = 1;
    this.#retryAfterMs = this.#terms.retryAfterMs;
    return this.#sendWindow(now);
  }

  /**
   * With one block per window a duplicate ACK must never cause a resend: it would double every packet that follows
   * (Sorcerer's Apprentice, RFC 1123 4.2.3.1). With a larger window it may mean "the first block of the window was
   * lost" (RFC 7440). It is believed, but so rarely that doubled ACKs cannot grow into doubled traffic; otherwise
   * the timer repairs it.
   */
  #onDuplicateAck(now: number): TransferAction[] {
    if (this.#terms.windowSize === 1 || this.#windows < this.#quickResendFromWindow) return [];
    this.#quickResendFromWindow = this.#windows + windowsPerQuickResend;
    return this.#resend(now);
  }

  #resend(now: number): TransferAction[] {
    this.#tries += 1;
    this.#resends += this.#isWaitingForOptionsAck ? 1 : this.#sentTo - this.#acknowledged;
    return this.#isWaitingForOptionsAck ? this.#sendOptions(now) : this.#sendWindow(now);
  }

  #sendOptions(now: number): TransferAction[] {
    this.#deadline = now + this.#retryAfterMs;
    return [{ type: "send-options", options: this.#terms.accepted }];
  }

  #sendWindow(now: number): TransferAction[] {
    this.#deadline = now + this.#retryAfterMs;
    this.#sentTo = Math.min(this.#acknowledged + this.#terms.windowSize, this.#lastBlock);
    const actions: TransferAction[] = [];
    for (let block = this.#acknowledged + 1; block <= this.#sentTo; block += 1) {
      const from = (block - 1) * this.#terms.blockSize;
      const data = this.#file.subarray(from, from + this.#terms.blockSize);
      actions.push({ type: "send-data", block: this.#wireNumber(block), data });
    }
    return actions;
  }

  #wireNumber(block: number): number {
    if (block < 0x10000) return block;
    return this.#wrapTo === 0 ? block & 0xffff : ((block - 1) % 0xffff) + 1;
  }

  #end(result: TransferResult["result"], reason: string): TransferAction[] {
    this.#hasEnded = true;
    return [{ type: "end", result: { result, reason } }];
  }
}

function printable(message: string): string {
  return message.replace(/[^\x20-\x7e]/g, "?").slice(0, 120);
}
