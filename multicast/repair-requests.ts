import type { Wish } from "./feedback.ts";
import { MOST_BLOCKS_A_WISH, MOST_WISHES } from "./feedback.ts";
import type { StreamLayout } from "./layout.ts";

/** Datagrams that are out of order arrive within this time; then what lacks is lost. */
const REORDER_MS = 20;
/** So long later is looked whether there is room. */
const NO_ROOM_MS = 50;
/** Also who lacks more than one request can name does not speak again sooner, however few have something to ask. */
const LEAST_REST_MS = 40;
/** What was asked for has arrived by then, or was lost with the request. */
const ANSWER_MS = 80;
/** What there is to ask for: see SymbolStore. */
type WantedSymbols = {
  lackingOf(block: number): number;
  hasRoomFor(block: number): boolean;
};

/** More blocks than that are passed over at once only where others hold them all, or where somebody forges. */
const LONG_JUMP = 1_000;
const SCAN_EVERY_MS = 30;
/** A canary makes the pause at most so much shorter: that of the sender does not become shorter faster (TailPause). */
const SHORTEST = 0.3;

type Open = { askAt: number };

/**
 * Which blocks a receiver asks repairs for, and when.
 *
 * A block is open from the time when the sender has gone on to another one
 * until it is complete. Requests are collected: a receiver speaks once in
 * `everyMs` at most, at a random time in it, and says nothing about a block for
 * which enough repairs are announced. Blocks that are missing by more than half
 * are sent again as a whole, after the pass: for these it asks once and then
 * waits for the end of the pass.
 */
export class RepairRequests {
  readonly #layout: StreamLayout;
  readonly #store: WantedSymbols;
  readonly #random: () => number;
  readonly #open = new Map<number, Open>();
  /** The block that the pass is in; undefined before the first symbol. */
  #front: number | undefined;
  #isTail = false;
  #everyMs = 50;
  #tailPauseMs = 50;
  #speakAt: number | undefined;
  /** Who has just spoken lets the others speak. */
  #restUntil = 0;
  /** Not later than the first `askAt` of what is open. */
  #earliest = Number.POSITIVE_INFINITY;
  /** Not before: a look at many blocks. Anybody can send what makes one. */
  #jumpAt = 0;
  #scanAt = 0;

  /**
   * @param random 0 inclusive to 1 exclusive
   */
  constructor(layout: StreamLayout, store: WantedSymbols, random: () => number) {
    this.#layout = layout;
    this.#store = store;
    this.#random = random;
  }

  /** How often this receiver may speak; the sender says it, because it depends on how many there are. */
  set everyMs(everyMs: number) {
    this.#everyMs = everyMs;
  }

  /** A symbol of the pass arrived, newer than all before. */
  onSymbol(block: number, now: number): void {
    this.#isTail = false;
    const front = this.#front;
    if (front === block) return;
    this.#front = block;
    if (front === undefined) return;
    // A pass that begins anew has gone by the end of the stream, and by the blocks before this one.
    const { blockCount } = this.#layout;
    if ((block - front + blockCount) % blockCount > LONG_JUMP) {
      // What is passed over so is found at the end of the pass, too.
      if (now < this.#jumpAt) return;
      this.#jumpAt = now + SCAN_EVERY_MS;
    }
    for (let passed = front; passed !== block; passed = (passed + 1) % blockCount) this.#opened(passed, now);
  }

  /** A repair of `block` arrived: it was the `number`th of `planned`. */
  onRepair(block: number, number: number, planned: number, now: number): void {
    const open = this.#open.get(block);
    if (open === undefined) return;
    const coming = planned - number;
    // All that was planned went by, and it was not enough: ask again soon. Otherwise leave the rest its time.
    if (coming <= 0) this.#askAt(open, Math.min(open.askAt, now + REORDER_MS / 2));
    else if (coming >= this.#store.lackingOf(block)) open.askAt = Math.max(open.askAt, now + ANSWER_MS);
  }

  /**
   * The sender has sent everything that it knows to be needed, and waits.
   *
   * @param askedPauseMs over how long a room's requests are to be spread now: few lack anything by then. Undefined: that
   * cannot be told, because anybody can send this. Then it stays as it was: as in the pass, if this is the first word.
   */
  onTail(askedPauseMs: number | undefined, now: number): void {
    const before = this.#isTail ? this.#tailPauseMs : this.#everyMs;
    // Never longer than what is enough for all of the room. And step by step: who did not hear that it became shorter, and
    // many who did not, would all speak at once.
    const pauseMs = Math.min(Math.max(askedPauseMs ?? before, before * SHORTEST), this.#everyMs);
    // What is left of its wait becomes shorter or longer as the pause does: drawn anew, the soonest of many would win.
    const scale = pauseMs / this.#pauseMs();
    this.#restUntil = now + Math.max(0, this.#restUntil - now) * scale;
    if (this.#speakAt !== undefined) this.#speakAt = now + Math.max(0, this.#speakAt - now) * scale;
    this.#tailPauseMs = pauseMs;
    if (this.#isTail || now < this.#scanAt) return;
    this.#scanAt = now + SCAN_EVERY_MS;
    this.#isTail = true;
    this.#front = undefined;
    for (let block = 0; block < this.#layout.blockCount; block += 1) {
      if (this.#store.lackingOf(block) === 0) continue;
      const open = this.#open.get(block);
      // What was asked for in the pass may still be on its way, but not for as long as a pass lets it wait.
      if (open === undefined || open.askAt === Number.POSITIVE_INFINITY) this.#open.set(block, { askAt: now });
      else open.askAt = Math.min(open.askAt, now + ANSWER_MS);
    }
    this.#earliest = now;
  }

  /** What was complete of this block was wrong: it is needed again. */
  reopen(block: number): void {
    if (this.#store.lackingOf(block) === 0) return;
    this.#open.set(block, { askAt: 0 });
    this.#earliest = 0;
  }

  /** When `takeWishes` should be called next; undefined while nothing is missing. */
  get dueAt(): number | undefined {
    return this.#speakAt ?? (this.#earliest === Number.POSITIVE_INFINITY ? undefined : this.#earliest);
  }

  /** What to ask for now; empty when it is not the time, or nothing is missing any more. */
  takeWishes(now: number): readonly Wish[] {
    const asking: number[] = [];
    this.#earliest = Number.POSITIVE_INFINITY;
    for (const [block, { askAt }] of this.#open) {
      if (this.#store.lackingOf(block) === 0) this.#open.delete(block);
      else if (askAt > now) this.#earliest = Math.min(this.#earliest, askAt);
      else if (this.#store.hasRoomFor(block)) asking.push(block);
      // A slow disk holds back the requests: what would be thrown away must not be sent.
      else this.#askAt(this.#open.get(block)!, now + NO_ROOM_MS);
    }
    if (asking.length === 0) {
      this.#speakAt = undefined;
      return [];
    }
    // At a random time, so that a room does not speak at once; by then others may have asked for the same.
    this.#speakAt ??= Math.max(now, this.#restUntil) + this.#random() * this.#pauseMs();
    if (now < this.#speakAt) return [];
    this.#speakAt = undefined;
    this.#restUntil = now + Math.max(this.#pauseMs(), Math.min(this.#everyMs, LEAST_REST_MS));
    return this.#wishesFor(
      asking.sort((left, right) => left - right),
      now,
    );
  }

  #wishesFor(blocks: readonly number[], now: number): Wish[] {
    const wishes: { block: number; count: number; lacking: number }[] = [];
    for (const block of blocks) {
      const lacking = this.#store.lackingOf(block);
      const last = wishes.at(-1);
      const isNext = last !== undefined && last.block + last.count === block && last.lacking === lacking;
      if (isNext && last.count < MOST_BLOCKS_A_WISH) last.count += 1;
      else if (wishes.length === MOST_WISHES) {
        this.#earliest = now;
        break;
      } else wishes.push({ block, count: 1, lacking });
      const isWhole = lacking > this.#layout.mostRepaired(block);
      const pauseMs = isWhole && !this.#isTail ? Number.POSITIVE_INFINITY : ANSWER_MS;
      this.#askAt(this.#open.get(block)!, now + pauseMs);
    }
    return wishes;
  }

  #pauseMs(): number {
    return this.#isTail ? this.#tailPauseMs : this.#everyMs;
  }

  #askAt(open: Open, at: number): void {
    open.askAt = at;
    this.#earliest = Math.min(this.#earliest, at);
  }

  #opened(block: number, now: number): void {
    if (this.#store.lackingOf(block) === 0) return;
    // Never later than before: forged passes may go by it again and again.
    const askAt = Math.min(this.#open.get(block)?.askAt ?? Number.POSITIVE_INFINITY, now + REORDER_MS);
    this.#open.set(block, { askAt });
    this.#earliest = Math.min(this.#earliest, askAt);
  }
}
