import type { Room } from "./room.ts";
import type { ReceiverState } from "./roster.ts";
import type { SenderOptions } from "./sender-words.ts";
import { reasonToStart } from "./start-decision.ts";
import { wordsBeforeStart } from "./waiting-words.ts";

/** Who is there before a stream starts, and whether that is enough. Times are the caller's milliseconds. */
export class StartWatch {
  readonly #room: Room;
  readonly #options: SenderOptions;
  #firstReadyAt: number | undefined;
  #waitFor: number;

  constructor(room: Room, options: SenderOptions) {
    this.#room = room;
    this.#options = options;
    this.#waitFor = options.waitFor;
  }

  /** No more hosts than these can come any more: nobody waits for others. */
  expectAtMost(hosts: number): void {
    this.#waitFor = Math.max(1, Math.min(this.#waitFor, hosts));
  }

  onReport(state: ReceiverState, now: number): void {
    if (state === "ready" || state === "receiving" || state === "done") this.#firstReadyAt ??= now;
  }

  /** "1 of 2 hosts ready"; empty when enough are. */
  get waitingFor(): string {
    return wordsBeforeStart(this.#ready, this.#waitFor);
  }

  /**
   * Why the stream is to start now, for people; undefined: it waits on.
   *
   * @param hasStreamed it has started before, and was left by all
   */
  reason(hasStreamed: boolean, now: number): string | undefined {
    const { maxWaitMs } = this.#options;
    const waitFor = this.#waitFor;
    // All of them left: whoever comes next is the first one again.
    if (this.#ready === 0) this.#firstReadyAt = undefined;
    const receiving = this.#room.count("receiving");
    const before = { ready: this.#ready, receiving, firstReadyAt: this.#firstReadyAt, hasStreamed, waitFor, maxWaitMs };
    return reasonToStart(before, now);
  }

  // Before its only pass a receiver is done at once when the image has nothing to send: it does not wait for the others.
  get #ready(): number {
    return this.#options.once ? this.#room.count("ready", "receiving", "done") : this.#room.count("ready", "receiving");
  }
}
