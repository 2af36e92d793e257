import { setTimeout as sleep } from "node:timers/promises";
import type { FastifyReply } from "fastify";

/** So many times as long as an answer took nobody makes the same one again: a whole room of pages asks for it. */
const REST_TIMES = 2;
/** What takes less rests nobody. */
const LEAST_MS = 10;
const MOST_REST_MS = 500;

type Clock = { now(): number; sleep(ms: number): Promise<unknown> };

const realClock: Clock = {
  now: () => performance.now(),
  sleep: (ms) => sleep(ms, undefined, { ref: false }),
};

/**
 * Makes one answer for all who ask the same at about the same time. None is old: an answer is begun behind every
 * question that it is for. While it is made, and for some time after a long one, questions wait for the next one, so
 * that many pages cost hardly more than one.
 */
export class SharedAnswers {
  readonly #clock: Clock;
  /** Answers that are not begun yet. */
  readonly #next = new Map<string, Promise<Buffer>>();
  /** Until when the same is not begun again. */
  readonly #rests = new Map<string, Promise<void>>();

  constructor(clock: Clock = realClock) {
    this.#clock = clock;
  }

  /** @param key equal when the same is asked */
  of(key: string, make: () => Promise<Buffer>): Promise<Buffer> {
    const known = this.#next.get(key);
    if (known !== undefined) return known;
    const answer = this.#make(key, make);
    this.#next.set(key, answer);
    return answer;
  }

  async #make(key: string, make: () => Promise<Buffer>): Promise<Buffer> {
    await this.#rests.get(key);
    // Whoever asks from here on may ask for what this one does not see.
    this.#next.delete(key);
    const fromMs = this.#clock.now();
    const making = make();
    const rest = making.then(noop, noop).then(() => this.#rest(this.#clock.now() - fromMs));
    this.#rests.set(key, rest);
    void rest.then(() => {
      if (this.#rests.get(key) === rest) this.#rests.delete(key);
    });
    return making;
  }

  async #rest(tookMs: number): Promise<void> {
    if (tookMs >= LEAST_MS) await this.#clock.sleep(Math.min(tookMs * REST_TIMES, MOST_REST_MS));
  }
}

function noop(): void {}

/** As the route's schema has it, ready to be sent to many. */
export function jsonOf(reply: Pick<FastifyReply, "serialize">, body: object): Buffer {
  return Buffer.from(reply.serialize(body) as string);
}

/** The headers of an answer of `jsonOf`. */
export function jsonReply(reply: FastifyReply): FastifyReply {
  return reply.type("application/json; charset=utf-8");
}
