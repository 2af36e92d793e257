/** Something that a stream must not hurt, and how it is asked whether it is well. */
export type GuardTarget = {
  /** So much later than usual is trouble. */
  readonly lateMs: number;
  /** What is wrong, for people: without a time when it does not answer at all. */
  say(answerMs: number | undefined, usualMs: number): string;
};

export type GuardWord =
  /** The stream must not send, for this reason. */
  | { readonly type: "hold"; readonly reason: string }
  | { readonly type: "release"; readonly heldMs: number }
  /** The stream was not the cause: it goes on, and what is usual there is learned anew. */
  | { readonly type: "give-up"; readonly reason: string; readonly heldMs: number };

/** What is judged: 8 answers, about two seconds. */
const WINDOW = 8;
const MOST_BAD = 4;
/** In a calm network, so many answers tell what is usual. */
const QUIET_SAMPLES = 40;
const LEAST_SAMPLES = 4;
/** Trouble is over when the answers are better than half of what is trouble. */
const WELL_SHARE = 0.5;
const LEAST_HOLD_MS = 2_000;
/** What is no better after so long without the stream has another cause. */
const MOST_HOLD_MS = 30_000;
/** Trouble that is back so soon after a hold is the stream's doing: the next hold is twice as long. */
const SOON_MS = 15_000;

/**
 * Decides when a stream is held because the network suffers, and when it may go on. A target is in trouble when half of
 * its last eight answers were late or did not come, and well again when eight in a row were nearly as usual; so one lost
 * answer holds nothing, and a stream does not stop and go with every answer. What never answered is not judged.
 *
 * It asks nobody itself and owns no clock: answers and times (milliseconds) come in, words go out.
 */
export class Guard {
  readonly #states = new Map<GuardTarget, TargetState>();
  #heldAt: number | undefined;
  #releasedAt = Number.NEGATIVE_INFINITY;
  #leastHoldMs = LEAST_HOLD_MS;

  /** Whether the stream is held now. */
  get isHolding(): boolean {
    return this.#heldAt !== undefined;
  }

  /**
   * One answer of a target.
   *
   * @param answerMs undefined when none came
   * @param isSending whether the stream was running: what is usual is learned when it was not
   */
  onAnswer(target: GuardTarget, answerMs: number | undefined, isSending: boolean): void {
    let state = this.#states.get(target);
    if (state === undefined) {
      state = new TargetState(target);
      this.#states.set(target, state);
    }
    state.add(answerMs, isSending);
  }

  /** What is to be done now; undefined: nothing new. */
  look(now: number): GuardWord | undefined {
    const troubled = [...this.#states.values()].filter((state) => state.isJudged && state.isInTrouble);
    if (this.#heldAt === undefined) {
      const [first] = troubled;
      if (first === undefined) return undefined;
      this.#leastHoldMs =
        now - this.#releasedAt < SOON_MS ? Math.min(MOST_HOLD_MS / 2, this.#leastHoldMs * 2) : LEAST_HOLD_MS;
      this.#heldAt = now;
      const { reason } = first;
      for (const state of this.#states.values()) state.startHold();
      return { type: "hold", reason };
    }
    const heldMs = now - this.#heldAt;
    if (heldMs < this.#leastHoldMs) return undefined;
    const unwell = [...this.#states.values()].filter((state) => state.isJudged && !state.isWell);
    if (unwell.length > 0 && heldMs < MOST_HOLD_MS) return undefined;
    this.#heldAt = undefined;
    this.#releasedAt = now;
    const [first] = unwell;
    if (first === undefined) return { type: "release", heldMs };
    const { reason } = first;
    for (const state of unwell) state.forget();
    return { type: "give-up", reason, heldMs };
  }
}

class TargetState {
  readonly #target: GuardTarget;
  /** The newest last. */
  #window: (number | undefined)[] = [];
  /** Answers while nothing was sent. */
  #quiet: number[] = [];
  #all: number[] = [];
  #usualMs = 0;

  constructor(target: GuardTarget) {
    this.#target = target;
  }

  /** Enough is known of it. */
  get isJudged(): boolean {
    return this.#all.length >= LEAST_SAMPLES;
  }

  get isInTrouble(): boolean {
    return this.#window.filter((ms) => this.#isLate(ms, 1)).length >= MOST_BAD;
  }

  get isWell(): boolean {
    return this.#window.length === WINDOW && this.#window.every((ms) => !this.#isLate(ms, WELL_SHARE));
  }

  get reason(): string {
    const late = this.#window.filter((ms) => this.#isLate(ms, 1));
    const answers = late.filter((ms) => ms !== undefined);
    return this.#target.say(answers.length * 2 > late.length ? Math.max(...answers) : undefined, this.#usualMs);
  }

  add(ms: number | undefined, isSending: boolean): void {
    if (ms === undefined && this.#all.length === 0) return;
    this.#window.push(ms);
    if (this.#window.length > WINDOW) this.#window.shift();
    if (ms !== undefined) this.#learn(ms, isSending);
  }

  // What came before the hold says nothing about how it is without the stream.
  startHold(): void {
    this.#window = [];
  }

  // From here on as if it had never answered: what it does now is what is usual.
  forget(): void {
    this.#window = [];
    this.#quiet = [];
    this.#all = [];
  }

  #learn(ms: number, isSending: boolean): void {
    // What is not well is not learned as usual.
    if (this.#all.length >= LEAST_SAMPLES && this.#isLate(ms, WELL_SHARE)) return;
    keep(this.#all, ms);
    if (!isSending) keep(this.#quiet, ms);
    this.#usualMs = this.#quiet.length >= LEAST_SAMPLES ? quantile(this.#quiet, 0.5) : quantile(this.#all, 0.25);
  }

  #isLate(ms: number | undefined, share: number): boolean {
    return ms === undefined || ms > this.#usualMs + this.#target.lateMs * share;
  }
}

function keep(list: number[], ms: number): void {
  list.push(ms);
  if (list.length > QUIET_SAMPLES) list.shift();
}

function quantile(list: readonly number[], share: number): number {
  return list.toSorted((one, other) => one - other)[Math.floor((list.length - 1) * share)] ?? 0;
}
