import { AsyncLocalStorage } from "node:async_hooks";
import { setImmediate as nextTurn } from "node:timers/promises";
import { sql, type Transaction } from "kysely";
import type { Database } from "./database.ts";
import type { Tables } from "./schema.ts";

/** More in one transaction would keep the first of them waiting. */
const MOST_TOGETHER = 64;

type Waiting = {
  readonly work: (tables: Transaction<Tables>) => Promise<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
};
type Outcome = { readonly value: unknown } | { readonly error: unknown };

/**
 * Carries out changes one after the other. Those that wait at the same time are written in one transaction, because the
 * disk takes as long to keep one as to keep many. Each is still there as a whole or not at all: one that fails takes back
 * only what it did itself, and none has succeeded before all of them are kept.
 */
export class GroupedChanges {
  readonly #db: Database;
  #waiting: Waiting[] = [];
  #isWriting = false;

  constructor(db: Database) {
    this.#db = db;
  }

  /** @returns what `work` answers, once it is kept */
  run<T>(work: (tables: Transaction<Tables>) => Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    // What belongs to the caller, as who it is, goes with its work.
    const inContext = AsyncLocalStorage.snapshot();
    this.#waiting.push({ work: (tables) => inContext(work, tables), resolve, reject });
    if (!this.#isWriting) void this.#writeAll();
    return promise as Promise<T>;
  }

  async #writeAll(): Promise<void> {
    this.#isWriting = true;
    while (this.#waiting.length > 0) {
      // All requests that came in together are heard first.
      await nextTurn();
      const group = this.#waiting.splice(0, MOST_TOGETHER);
      await this.#write(group).then(
        (outcomes) => {
          for (const [at, outcome] of outcomes.entries()) {
            if ("error" in outcome) group[at]!.reject(outcome.error);
            else group[at]!.resolve(outcome.value);
          }
        },
        (error: unknown) => {
          for (const { reject } of group) reject(error);
        },
      );
    }
    this.#isWriting = false;
  }

  async #write(group: readonly Waiting[]): Promise<readonly Outcome[]> {
    return this.#db.transaction().execute(async (tables) => {
      if (group.length === 1) return [{ value: await group[0]!.work(tables) }];
      const outcomes: Outcome[] = [];
      for (const { work } of group) {
        await sql`savepoint one_change`.execute(tables);
        try {
          outcomes.push({ value: await work(tables) });
        } catch (error) {
          await sql`rollback to savepoint one_change`.execute(tables);
          outcomes.push({ error });
        }
        await sql`release savepoint one_change`.execute(tables);
      }
      return outcomes;
    });
  }
}
