import type { StreamLayout } from "./layout.ts";
import { MOST_SYMBOLS } from "./parity.ts";

/** A further symbol of a block to send. */
export type Repair = { readonly block: number; readonly symbol: number; readonly plannedParity: number };

/** A request: `lacking` symbols were missing when `newest` was the newest datagram; times in milliseconds. */
export type Asked = { readonly lacking: number; readonly newest: number; readonly now: number };

type Plan = {
  /** Repairs sent and queued for this block. */
  sent: number;
  queued: number;
  /** The last repairs sent, oldest first. */
  readonly last: { readonly sequence: number; readonly at: number }[];
};

/**
 * What was sent longer ago has arrived, or is lost, whatever a request says that its receiver had: the newest datagram
 * that it knows of may have been a forged one.
 */
const ON_THE_WAY_MS = 2_000;

/** As many repairs are remembered for a block: more than one block can need. */
const REMEMBERED = MOST_SYMBOLS;
const MOST_PLANNED = 255;

/**
 * Which repairs are to be sent, on the sender's side.
 *
 * A request says how many symbols of a block a receiver lacks, and what the
 * newest datagram was that it had when it asked. What was sent after that one,
 * or is queued, may still help it, so only the rest is queued. One repair
 * serves every receiver that lacks any symbol of the block, whichever it is.
 */
export class RepairPlan {
  readonly #layout: StreamLayout;
  readonly #plans = new Map<number, Plan>();
  readonly #queue: number[] = [];
  #at = 0;

  constructor(layout: StreamLayout) {
    this.#layout = layout;
  }

  /** Repairs sent or queued for a block so far. */
  plannedFor(block: number): number {
    const plan = this.#plans.get(block);
    return plan === undefined ? 0 : Math.min(MOST_PLANNED, plan.sent + plan.queued);
  }

  get isEmpty(): boolean {
    return this.#at === this.#queue.length;
  }

  /** Queues `count` repairs of a block, whether anybody asked or not. */
  add(block: number, count: number): void {
    if (count <= 0) return;
    const plan = this.#planOf(block);
    if (plan.queued === 0) this.#queue.push(block);
    plan.queued += count;
  }

  /**
   * @param more queued besides when anything is: for what will be lost of it
   */
  ask(block: number, { lacking, newest, now }: Asked, more: number): void {
    const plan = this.#planOf(block);
    const mayHelp = ({ sequence, at }: Plan["last"][number]) =>
      ((sequence - newest) | 0) > 0 && now - at < ON_THE_WAY_MS;
    const onTheWay = plan.last.filter(mayHelp).length;
    const needed = lacking - onTheWay - plan.queued;
    if (needed > 0) this.add(block, needed + more);
  }

  /** The block is sent as a whole again: what was queued for it is not needed. */
  drop(block: number): void {
    const plan = this.#plans.get(block);
    if (plan !== undefined) plan.queued = 0;
  }

  /** The next repair; the caller sends it now, as datagram `sequence`. */
  take(sequence: number, now: number): Repair | undefined {
    if (this.#queue.length === 0) return undefined;
    for (; this.#at < this.#queue.length; this.#at += 1) {
      const block = this.#queue[this.#at]!;
      const plan = this.#plans.get(block)!;
      if (plan.queued === 0) continue;
      const symbol = this.#symbolOf(block, plan.sent);
      plan.sent += 1;
      plan.queued -= 1;
      plan.last.push({ sequence, at: now });
      if (plan.last.length > REMEMBERED) plan.last.shift();
      if (plan.queued === 0) this.#at += 1;
      return { block, symbol, plannedParity: this.plannedFor(block) };
    }
    this.#queue.length = 0;
    this.#at = 0;
    return undefined;
  }

  // First every parity symbol that there is, then the source symbols once more, and round again.
  #symbolOf(block: number, sent: number): number {
    const { symbolsPerBlock } = this.#layout;
    const parities = MOST_SYMBOLS - symbolsPerBlock;
    const at = sent % (parities + this.#layout.symbolsOfBlock(block));
    return at < parities ? symbolsPerBlock + at : at - parities;
  }

  #planOf(block: number): Plan {
    let plan = this.#plans.get(block);
    if (plan === undefined) {
      plan = { sent: 0, queued: 0, last: [] };
      this.#plans.set(block, plan);
    }
    return plan;
  }
}
