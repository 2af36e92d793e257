import type { Logger } from "pino";
import type { EventLog } from "../events.ts";

/** The same refusal of the same address is written down once in this time. */
const ONCE_IN_MS = 60_000;
/** Of all addresses in this time: who knocks from many cannot fill the database. */
const MOST_AT_ONCE = 200;

export type Refusal = {
  readonly from: string;
  readonly method: string;
  readonly path: string;
  /** The Fault's. */
  readonly code: string;
  /** Who they said they were. */
  readonly user?: string | undefined;
};

/** Writes down who was not let in, few times a minute whatever comes. */
export class RefusalLog {
  readonly #events: EventLog;
  readonly #now: () => number;
  readonly #log: Logger;
  /** When each was written down. */
  readonly #written = new Map<string, number>();

  constructor(options: { readonly events: EventLog; readonly now: () => number; readonly log: Logger }) {
    this.#events = options.events;
    this.#now = options.now;
    this.#log = options.log;
  }

  add(refusal: Refusal): void {
    const nowMs = this.#now();
    for (const [key, atMs] of this.#written) if (nowMs - atMs >= ONCE_IN_MS) this.#written.delete(key);
    const key = `${refusal.from} ${refusal.code}`;
    if (this.#written.has(key) || this.#written.size >= MOST_AT_ONCE) return;
    this.#written.set(key, nowMs);
    this.#events
      .change(({ record }) => record({ kind: "access.refused", data: { ...refusal } }))
      .catch((error) => this.#log.error({ err: error }, "a refusal could not be written down"));
  }
}
