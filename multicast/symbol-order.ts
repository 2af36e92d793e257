import { Anticipation } from "./anticipation.ts";
import type { Wish } from "./feedback.ts";
import type { StreamLayout } from "./layout.ts";
import { NeededBlocks } from "./needed-blocks.ts";
import { PacketKind } from "./packet.ts";
import { type Asked, RepairPlan } from "./repair-plan.ts";
import { Tail } from "./tail.ts";

/** What is sent next; of several in a row, `symbol` is the number of the first. */
export type NextSymbols = {
  readonly kind: PacketKind;
  readonly block: number;
  readonly symbol: number;
  readonly plannedParity: number;
  readonly count: number;
};

/** What is lost of a block was asked for by then: by all in a small room, by enough to go by in a large one. */
const JUDGED_AFTER_MS = 250;
const JUDGED_LATEST_MS = 1_500;

/**
 * In which order the symbols of a stream go.
 *
 * A pass goes through the blocks that some receiver needs, in ascending order,
 * and round again for those who came later. Repairs that receivers ask for go
 * before new blocks, but where they are very many half of what is sent stays
 * the pass's: a host that asks without end, for whatever reason, slows a room
 * and does not stop it. A block that is missing by more than half is sent again as
 * a whole, after the pass, so that one bad link does not set the pace of all.
 * What is sent is for whoever takes part: who that is, and when it may be sent,
 * is decided elsewhere. Times are the caller's milliseconds.
 */
export class SymbolOrder {
  readonly #layout: StreamLayout;
  readonly #hasOnePass: boolean;
  readonly #onPassEnd: (pass: number) => void;
  readonly #repairs: RepairPlan;
  readonly #anticipation = new Anticipation();
  readonly #tail = new Tail();
  readonly #blocks: NeededBlocks;
  /** The next one of the block that is being sent. */
  #symbol = 0;
  #hasBegun = false;
  /** Repairs that went before symbols of the pass. */
  #repairsAhead = 0;

  /** @param options.once it goes through its blocks once: who comes too late for one fetches it by unicast */
  constructor(layout: StreamLayout, options: { readonly once: boolean; readonly onPassEnd: (pass: number) => void }) {
    this.#layout = layout;
    this.#hasOnePass = options.once;
    this.#onPassEnd = options.onPassEnd;
    this.#repairs = new RepairPlan(layout);
    this.#blocks = new NeededBlocks(layout.blockCount);
  }

  /** Which pass goes on, or comes next: 1 is the first. */
  get pass(): number {
    return this.#blocks.pass;
  }

  /** No block is being sent. */
  get isBetweenPasses(): boolean {
    return this.#blocks.current === undefined;
  }

  /** Something is known to be needed. */
  get hasWork(): boolean {
    return !this.#repairs.isEmpty || this.#blocks.areAnyNeeded;
  }

  /** @param needs runs of blocks [first, count] that a receiver lacks */
  needRuns(needs: readonly (readonly [number, number])[]): void {
    for (const [first, count] of needs) {
      const end = Math.min(first + count, this.#layout.blockCount);
      for (let block = first; block < end; block += 1) this.#need(block);
    }
  }

  /** For whoever may come. */
  needAll(): void {
    this.#blocks.needAll();
  }

  /** Nobody is there. */
  clear(): void {
    this.#blocks.clear();
    this.#symbol = 0;
  }

  /** A receiver ended without everything: see NeededBlocks. */
  onReceiverLeft(): void {
    this.#blocks.onReceiverLeft();
  }

  /** Others are served than before: what was needed so far says nothing about them. */
  onOthersServed(): void {
    this.#anticipation.forget();
  }

  /** Somebody asks for further symbols, when `newest` was the newest datagram that it had. */
  onWishes(wishes: readonly Wish[], newest: number, now: number): void {
    this.#tail.onRequest();
    // No request names a block twice: so none costs more than a look at every block.
    let left = this.#layout.blockCount;
    for (const { block: first, count, lacking } of wishes) {
      const end = Math.min(first + Math.min(count, left), this.#layout.blockCount);
      left -= Math.min(count, left);
      for (let block = first; block < end; block += 1) {
        if (this.#ask(block, { lacking, newest, now })) this.#tail.onWork(now);
      }
    }
  }

  /** What was to be sent waited for something else: the room's quiet begins anew. */
  onPause(now: number): void {
    this.#tail.onWork(now);
  }

  /**
   * @param sequence of the datagram that goes next
   * @param most symbols in a row
   * @param everyMs how often each receiver may ask
   * @returns undefined when everything was sent that is known to be needed
   */
  next(sequence: number, most: number, everyMs: number, now: number): NextSymbols | undefined {
    this.#anticipation.judge(now, (block) => this.#repairs.plannedFor(block));
    if (this.#blocks.current === undefined) this.#nextBlock();
    const block = this.#blocks.current;
    const isPassDue = block !== undefined && this.#repairsAhead >= this.#layout.symbolsPerBlock;
    const repair = isPassDue ? undefined : this.#repairs.take(sequence, now);
    if (repair !== undefined) {
      if (block !== undefined) this.#repairsAhead += 1;
      return { kind: PacketKind.repair, ...repair, count: 1 };
    }
    if (block === undefined) return undefined;
    if (this.#symbol === 0) this.#blocks.begin();
    this.#hasBegun = true;
    const plannedParity = this.#repairs.plannedFor(block);
    const symbol = this.#symbol;
    const symbols = this.#layout.symbolsOfBlock(block);
    const count = Math.min(symbols - symbol, most);
    this.#symbol += count;
    this.#repairsAhead = Math.max(0, this.#repairsAhead - count);
    if (this.#symbol === symbols) this.#endBlock(block, everyMs, now);
    return { kind: PacketKind.symbol, block, symbol, plannedParity, count };
  }

  /** Whether nobody has asked for so long after everything was sent that nobody will. */
  isQuiet(everyMs: number, now: number): boolean {
    return this.#tail.isQuiet(everyMs, now);
  }

  /** The canary that asks who still lacks something. */
  tailCanary(now: number): NextSymbols {
    return { kind: PacketKind.canary, ...this.#tail.canary(this.#layout.blockCount, now), count: 1 };
  }

  #endBlock(block: number, everyMs: number, now: number): void {
    const unasked = this.#anticipation.count;
    const plannedBefore = this.#repairs.plannedFor(block);
    this.#repairs.add(block, unasked);
    const judgedAt = now + Math.min(JUDGED_LATEST_MS, JUDGED_AFTER_MS + 2 * everyMs);
    this.#anticipation.onBlock({ block, plannedBefore }, unasked, judgedAt);
    this.#symbol = 0;
    this.#tail.onWork(now);
    this.#nextBlock(block + 1);
    if (this.#blocks.current !== undefined) return;
    this.#topUp();
    this.#tail.start(everyMs, now);
  }

  /**
   * Of the last blocks not all have asked for what they lack. Each round of requests costs all who wait, so these get
   * what the worst of the blocks before needed, and one more.
   */
  #topUp(): void {
    const { most, unjudged } = this.#anticipation;
    if (most === 0) return;
    const { symbolsPerBlock } = this.#layout;
    for (const { block, plannedBefore } of unjudged) {
      const share = this.#layout.symbolsOfBlock(block) / symbolsPerBlock;
      this.#repairs.add(block, Math.ceil(most * share) + 1 - (this.#repairs.plannedFor(block) - plannedBefore));
    }
  }

  #nextBlock(from = 0): void {
    const ended = this.#blocks.advance(from);
    if (ended !== undefined) this.#onPassEnd(ended);
  }

  #need(block: number): boolean {
    const { current } = this.#blocks;
    if (this.#hasOnePass && this.#hasBegun && (current === undefined || block <= current)) return false;
    this.#blocks.need(block);
    return true;
  }

  /** False when nothing is sent for it. */
  #ask(block: number, asked: Asked): boolean {
    if (block === this.#blocks.current) return true;
    if (asked.lacking > this.#layout.mostRepaired(block)) {
      if (!this.#blocks.isNeeded(block)) this.#repairs.drop(block);
      return this.#need(block);
    }
    // Also when the whole block will be sent again for somebody else: who lacks little does not wait for that.
    this.#anticipation.onRequest(block);
    // In the tail one more, because each further round costs all who wait.
    this.#repairs.ask(block, asked, this.#blocks.current === undefined ? 1 : 0);
    return true;
  }
}
