import type { Database } from "../db/database.ts";
import type { EventLog } from "../events.ts";
import type { Role } from "./roles.ts";
import { hashOfSecret, newSecret } from "./secrets.ts";
import { isUseToBeWritten } from "./use.ts";

/** A login ends when its page was not used for so long, */
const IDLE_MS = 12 * 3_600_000;
/** and anyway after a week. */
export const LONGEST_LOGIN_MS = 7 * 86_400_000;

export type LoggedIn = { readonly name: string; readonly role: Role };

/** Who is logged in with a browser. Only hashes of the cookies are stored. */
export class Logins {
  readonly #db: Database;
  readonly #events: EventLog;
  readonly #now: () => number;

  constructor(options: { readonly db: Database; readonly events: EventLog; readonly now: () => number }) {
    this.#db = options.db;
    this.#events = options.events;
    this.#now = options.now;
  }

  /** @returns the cookie's value */
  async begin(user: string, from: string): Promise<string> {
    const cookie = newSecret();
    await this.#events.change(async ({ tables, nowMs, record }) => {
      // Whoever logs in sweeps.
      await tables
        .deleteFrom("logins")
        .where((or) =>
          or.or([or("used_at_ms", "<", nowMs - IDLE_MS), or("created_at_ms", "<", nowMs - LONGEST_LOGIN_MS)]),
        )
        .execute();
      await tables
        .insertInto("logins")
        .values({ hash: hashOfSecret(cookie), user_name: user, created_at_ms: nowMs, used_at_ms: nowMs })
        .execute();
      await record({ kind: "user.logged-in", data: { user, from } });
    });
    return cookie;
  }

  /** Who has this cookie; undefined: nobody, or not any more. */
  async of(cookie: string): Promise<LoggedIn | undefined> {
    const nowMs = this.#now();
    const hash = hashOfSecret(cookie);
    const row = await this.#db
      .selectFrom("logins")
      .innerJoin("users", "users.name", "logins.user_name")
      .select(["users.name", "users.role", "logins.used_at_ms"])
      .where("hash", "=", hash)
      .where("used_at_ms", ">=", nowMs - IDLE_MS)
      .where("logins.created_at_ms", ">=", nowMs - LONGEST_LOGIN_MS)
      .executeTakeFirst();
    if (row === undefined) return undefined;
    if (isUseToBeWritten(row.used_at_ms, nowMs)) {
      await this.#db.updateTable("logins").set({ used_at_ms: nowMs }).where("hash", "=", hash).execute();
    }
    return { name: row.name, role: row.role as Role };
  }

  async end(cookie: string, user: string): Promise<void> {
    await this.#events.change(async ({ tables, record }) => {
      await tables.deleteFrom("logins").where("hash", "=", hashOfSecret(cookie)).execute();
      await record({ kind: "user.logged-out", data: { user } });
    });
  }
}
