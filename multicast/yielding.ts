/** Less than this share of what leaves the card is nobody to make room for: answers, names, a terminal. */
const LEAST_SHARE = 0.1;
/** The stream is out of the way for so long before it is looked what became of the others: a TCP flow grows within it. */
export const TRIAL_MS = 2_000;
/** Others who took so much of what was left to them had been held back. */
const TAKEN_SHARE = 0.25;
/** Who takes so much less than at their best has less to send: there is room again. */
const STILL_SHARE = 0.7;
/** Who did not mind is asked again after so long, or when the stream has become so many times faster. */
const AGAIN_MS = 30_000;
const AGAIN_TIMES = 2;

type State =
  | { readonly name: "free"; readonly rate: number; readonly at: number }
  | { readonly name: "trying"; readonly rate: number; readonly others: number; readonly at: number }
  | { readonly name: "yielding"; readonly most: number };

/**
 * Whether a stream is in the way of what else leaves the same network card.
 *
 * Delay does not show it: the server's own TCP keeps its queue as long as it was before the stream came, and sends less.
 * So it is tried out. The stream leaves the card to the others for two seconds. When they then send more, it stays away
 * until they send less by themselves; when they do not, it comes back. Pure: rates (bytes per second) and times
 * (milliseconds) come in.
 */
export class Yielding {
  #state: State = { name: "free", rate: 0, at: Number.NEGATIVE_INFINITY };

  /** The stream keeps out of the way, for a trial or until the others are done. */
  get isAway(): boolean {
    return this.#state.name !== "free";
  }

  /**
   * @param rate what the stream sends, when it is not away
   * @param least what it sends when it is away
   * @param others what everybody else sends through the card: the mean of the last second
   * @returns "back": the others do not mind, so `rateBefore` is right again; "stay": nothing to do
   */
  onOthers(
    { rate, least, others }: { readonly rate: number; readonly least: number; readonly others: number },
    now: number,
  ): { readonly verdict: "stay" } | { readonly verdict: "back"; readonly rateBefore: number } {
    const state = this.#state;
    if (state.name === "free") {
      const isWorthIt = rate > AGAIN_TIMES * least && others >= LEAST_SHARE * (rate + others);
      const isDue = now >= state.at + AGAIN_MS || rate >= AGAIN_TIMES * state.rate;
      if (isWorthIt && isDue) this.#state = { name: "trying", rate, others, at: now };
    } else if (state.name === "trying") {
      if (now < state.at + TRIAL_MS) return { verdict: "stay" };
      const isTaken = others - state.others >= TAKEN_SHARE * (state.rate - least);
      if (!isTaken) {
        this.#state = { name: "free", rate: state.rate, at: now };
        return { verdict: "back", rateBefore: state.rate };
      }
      this.#state = { name: "yielding", most: others };
    } else if (others < STILL_SHARE * state.most) {
      this.#state = { name: "free", rate: 0, at: Number.NEGATIVE_INFINITY };
    } else if (others > state.most) {
      this.#state = { name: "yielding", most: others };
    }
    return { verdict: "stay" };
  }
}
