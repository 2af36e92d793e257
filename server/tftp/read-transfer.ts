import type { TransferTerms } from "./negotiation.ts";
import { ErrorCode, type TftpOption } from "./packet.ts";

export type TransferAction =
  | { readonly type: "send-options"; readonly options: readonly TftpOption[] }
  /** `count` blocks one after the other; `ReadTransfer.wireNumber` and `dataOf` make a packet of each. */
  | { readonly type: "send-data"; readonly first: number; readonly count: number }
  /** The options arrived, the first block still did not: full-size packets may not get through. Said once. */
  | { readonly type: "suspect-mtu" }
  | { readonly type: "end"; readonly result: TransferResult };

/**
 * How a transfer ended. `done`: the client has the file. `probe`: it only wanted to know the size or the other options,
 * which is normal.
 * `aborted`: the client gave up. `timeout`: it fell silent.
 */
export type TransferResult = {
  readonly result: "done" | "probe" | "aborted" | "timeout";
  readonly reason: string;
};

/** A UDP source can be forged: so many packets, one per timer, go to a client that has not answered yet. */
const sendsBeforeProof = 3;
/** Its answer is waited for longer than packets are sent: the first ones may all have been lost. */
const silenceBeforeProofMs = 15_000;
/** Many loaders never acknowledge the last block; after so many resends it counts as received. */
const resendsOfTheEnd = 3;
/** A client is given up after both: so many resends, and so long a silence. */
const resendsOfAWindow = 5;
/** So many resends of the first block make the MTU suspect. Firmware asks again after that, and gets smaller blocks. */
const resendsBeforeSuspicion = 3;
const silenceOfTheDeadMs = 30_000;
const maxRetryAfterMs = 8000;
/**
 * The first wait. A client that asks for a longer one (curl for 6 s, U-Boot for 5 s) is not asked to wait so long for
 * each lost packet: one that comes again early harms nobody. What it asked for is where the doubling ends.
 */
const untimedRetryMs = 1000;
/** Once the client's answers were timed, resends wait four times as long as those take, within these bounds. */
const timedRetryMs = { least: 250, most: 4000 } as const;
/** At most one window in so many is sent again because of a duplicate ACK; see `onAck`. */
const windowsPerQuickResend = 16;
/** Between the bursts of one window, after a loss: time for a slow card to empty its buffer. */
const burstGapMs = 2;

/**
 * One TFTP read as the server sees it: decides what to send and when. It owns no socket and no timer; the caller
 * brings packets and the time, and carries out the actions.
 *
 * A client acknowledges only what was agreed, a whole window. So the window is never made smaller; after a loss it is
 * sent in bursts with a pause between them, smaller ones after each loss and larger ones after each clean window.
 *
 * Sources: RFC 1350, RFC 1123 section 4.2.3.1, RFC 2347, RFC 7440.
 */
export class ReadTransfer {
  readonly #file: Uint8Array;
  readonly #terms: TransferTerms;
  readonly #wrapTo: 0 | 1;
  readonly #lastBlock: number;
  /** Blocks are counted from 1 without end; only `wireNumber` knows of the 16 bits. */
  #acknowledged = 0;
  #sentTo = 0;
  #burst: number;
  #isWaitingForOptionsAck: boolean;
  #isProven = false;
  #hasEnded = false;
  /** Ended as received, although nobody acknowledged the end. */
  #isTakenForReceived = false;
  #tries = 0;
  /** The first wait of the next window, and the present wait. */
  #firstRetryMs: number;
  #retryAfterMs: number;
  #answerMs: number | undefined;
  #sentMs = 0;
  #progressMs = 0;
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
    this.#burst = terms.windowSize;
    this.#isWaitingForOptionsAck = terms.accepted.length > 0;
    this.#firstRetryMs = Math.min(terms.retryAfterMs, untimedRetryMs);
    this.#retryAfterMs = this.#firstRetryMs;
  }

  get blockBytes(): number {
    return this.#terms.blockSize;
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

  /** Nothing more is sent before the client answers. */
  get isExhausted(): boolean {
    return !this.#isProven && this.#tries >= sendsBeforeProof;
  }

  /** Everything was sent and only the last ACK is missing. */
  get isAtItsEnd(): boolean {
    return this.#sentTo === this.#lastBlock;
  }

  /** Where the data of a block is in the file; empty for the last block of a file of whole blocks. */
  dataOf(block: number): { readonly from: number; readonly to: number } {
    const from = (block - 1) * this.#terms.blockSize;
    return { from, to: Math.min(from + this.#terms.blockSize, this.#file.length) };
  }

  /** The 16-bit number of a block. */
  wireNumber(block: number): number {
    if (block < 0x10000) return block;
    return this.#wrapTo === 0 ? block & 0xffff : ((block - 1) % 0xffff) + 1;
  }

  start(now: number): TransferAction[] {
    this.#tries = 1;
    this.#progressMs = now;
    return this.#isWaitingForOptionsAck ? this.#sendOptions(now) : this.#sendWindow(now);
  }

  /** @param wireBlock the 16-bit number from the packet */
  onAck(wireBlock: number, now: number): TransferAction[] {
    if (this.#hasEnded) return this.#isLateRepair(wireBlock, now) ? this.#blocksFrom(this.#acknowledged) : [];
    if (this.#isWaitingForOptionsAck) {
      if (wireBlock !== 0) return [];
      this.#isWaitingForOptionsAck = false;
      return this.#advance(0, now);
    }
    for (let block = this.#sentTo; block > this.#acknowledged; block -= 1) {
      if (this.wireNumber(block) === wireBlock) return this.#advance(block, now);
    }
    if (this.wireNumber(this.#acknowledged) === wireBlock) return this.#onDuplicateAck(now);
    return [];
  }

  /** An ERROR from the client itself. It is never answered. */
  onError(code: number, message: string): TransferAction[] {
    if (this.#hasEnded) return [];
    const isGoodbye = code === ErrorCode.optionRefused || code === ErrorCode.undefined;
    if (isGoodbye && this.#terms.accepted.length > 0 && this.#acknowledged === 0) {
      const hasAskedSize = this.#terms.accepted.some(([name]) => name === "tsize");
      return this.#end("probe", `the client asked for the ${hasAskedSize ? "size" : "options"} only`);
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
    if (this.#sentTo < this.#windowEnd() && !this.#isWaitingForOptionsAck) return this.#sendBurst(now);
    if (this.#isGivenUp(now)) {
      if (this.isAtItsEnd) {
        this.#isTakenForReceived = true;
        return this.#end("done", "the last block was never acknowledged");
      }
      return this.#end("timeout", `no answer to ${this.#tries} packets, the last wait ${this.#retryAfterMs} ms`);
    }
    if (!this.#isProven && this.#tries >= sendsBeforeProof) {
      this.#deadline = this.#progressMs + silenceBeforeProofMs;
      return [];
    }
    this.#retryAfterMs = Math.min(this.#retryAfterMs * 2, Math.max(maxRetryAfterMs, this.#terms.retryAfterMs));
    const actions = this.#resend(now);
    if (this.#looksLikeMtuTrouble()) actions.push({ type: "suspect-mtu" });
    return actions;
  }

  #looksLikeMtuTrouble(): boolean {
    const isFirstBlock = this.#isProven && this.#acknowledged === 0 && this.#terms.blockSize > 512;
    return isFirstBlock && this.#tries === 1 + resendsBeforeSuspicion;
  }

  #isGivenUp(now: number): boolean {
    if (!this.#isProven) return now - this.#progressMs >= silenceBeforeProofMs;
    if (this.isAtItsEnd) return this.#tries > resendsOfTheEnd;
    return this.#tries > resendsOfAWindow && now - this.#progressMs >= silenceOfTheDeadMs;
  }

  #advance(block: number, now: number): TransferAction[] {
    this.#isProven = true;
    this.#progressMs = now;
    this.#timeAnswer(now);
    if (block < this.#sentTo) {
      // The client lost a packet, and what follows goes out again.
      this.#resends += this.#sentTo - block;
      this.#slowDown();
    } else if (this.#tries === 1) this.#burst = Math.min(this.#burst + 1, this.#terms.windowSize);
    this.#acknowledged = block;
    if (block === this.#lastBlock) return this.#end("done", "");
    this.#windows += 1;
    this.#tries = 1;
    this.#retryAfterMs = this.#firstRetryMs;
    return this.#sendWindow(now);
  }

  /** Only answers to what was sent once tell a time (Karn's rule). */
  #timeAnswer(now: number): void {
    if (this.#tries !== 1) return;
    const answerMs = now - this.#sentMs;
    this.#answerMs = this.#answerMs === undefined ? answerMs : this.#answerMs + (answerMs - this.#answerMs) / 8;
    this.#firstRetryMs = Math.min(Math.max(4 * this.#answerMs, timedRetryMs.least), timedRetryMs.most);
  }

  #slowDown(): void {
    this.#burst = Math.max(1, this.#burst >> 1);
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

  /**
   * The end was taken for received because nobody acknowledged it, and now the client still asks for it: its own timer
   * is slower than ours, and the network lost more than usual.
   */
  #isLateRepair(wireBlock: number, now: number): boolean {
    if (!this.#isTakenForReceived || this.#deadline > now) return false;
    this.#deadline = now + timedRetryMs.least;
    return this.wireNumber(this.#acknowledged) === wireBlock;
  }

  #resend(now: number): TransferAction[] {
    this.#tries += 1;
    this.#resends += this.#isWaitingForOptionsAck ? 1 : this.#sentTo - this.#acknowledged;
    if (this.#isWaitingForOptionsAck) return this.#sendOptions(now);
    this.#slowDown();
    return this.#sendWindow(now);
  }

  #sendOptions(now: number): TransferAction[] {
    this.#sentMs = now;
    this.#deadline = now + this.#retryAfterMs;
    return [{ type: "send-options", options: this.#terms.accepted }];
  }

  #sendWindow(now: number): TransferAction[] {
    this.#sentTo = this.#acknowledged;
    return this.#sendBurst(now);
  }

  #sendBurst(now: number): TransferAction[] {
    const from = this.#sentTo;
    const windowEnd = this.#windowEnd();
    this.#sentTo = Math.min(from + this.#burst, windowEnd);
    this.#sentMs = now;
    this.#deadline = now + (this.#sentTo < windowEnd ? burstGapMs : this.#retryAfterMs);
    return this.#blocksFrom(from);
  }

  #blocksFrom(from: number): TransferAction[] {
    return [{ type: "send-data", first: from + 1, count: this.#sentTo - from }];
  }

  #windowEnd(): number {
    return Math.min(this.#acknowledged + this.#terms.windowSize, this.#lastBlock);
  }

  #end(result: TransferResult["result"], reason: string): TransferAction[] {
    this.#hasEnded = true;
    return [{ type: "end", result: { result, reason } }];
  }
}

function printable(message: string): string {
  return message.replace(/[^\x20-\x7e]/g, "?").slice(0, 120);
}
