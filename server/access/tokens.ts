import { Fault } from "../../fault.ts";
import type { Database } from "../db/database.ts";
import type { EventLog } from "../events.ts";
import type { Role } from "./roles.ts";
import { hashOfSecret, newToken } from "./secrets.ts";
import { isUseToBeWritten } from "./use.ts";

export type Token = {
  readonly name: string;
  readonly role: Role;
  readonly madeBy: string;
  readonly createdAtMs: number;
  /** Null: never. */
  readonly expiresAtMs: number | null;
  readonly usedAtMs: number | null;
};

/** What programs and other machines log in with. Only hashes are stored. */
export class Tokens {
  readonly #db: Database;
  readonly #events: EventLog;
  readonly #now: () => number;

  constructor(options: { readonly db: Database; readonly events: EventLog; readonly now: () => number }) {
    this.#db = options.db;
    this.#events = options.events;
    this.#now = options.now;
  }

  /** By name. */
  async list(): Promise<Token[]> {
    const rows = await this.#db.selectFrom("tokens").selectAll().orderBy("name").execute();
    return rows.map((row) => ({
      name: row.name,
      role: row.role as Role,
      madeBy: row.made_by,
      createdAtMs: row.created_at_ms,
      expiresAtMs: row.expires_at_ms,
      usedAtMs: row.used_at_ms,
    }));
  }

  /**
   * @returns the token itself, for the only time
   * @throws {Fault} TOKEN_NAME, TOKEN_EXISTS
   */
  async add(wanted: {
    readonly name: string;
    readonly role: Role;
    readonly expiresAtMs: number | null;
    readonly madeBy: string;
  }): Promise<{ readonly token: Token; readonly secret: string }> {
    const { name, role, expiresAtMs, madeBy } = wanted;
    checkName(name);
    const secret = newToken();
    const token = await this.#events.change(async ({ tables, nowMs, record }) => {
      const { numInsertedOrUpdatedRows } = await tables
        .insertInto("tokens")
        .values({
          name,
          hash: hashOfSecret(secret),
          role,
          made_by: madeBy,
          created_at_ms: nowMs,
          expires_at_ms: expiresAtMs,
          used_at_ms: null,
        })
        .onConflict((conflict) => conflict.column("name").doNothing())
        .executeTakeFirst();
      if (numInsertedOrUpdatedRows === 0n) throw exists(name);
      await record({ kind: "token.added", data: { token: name, role, expiresAtMs } });
      return { name, role, madeBy, createdAtMs: nowMs, expiresAtMs, usedAtMs: null };
    });
    return { token, secret };
  }

  /** @throws {Fault} ACCESS_TOKEN_UNKNOWN */
  async remove(name: string): Promise<void> {
    await this.#events.change(async ({ tables, record }) => {
      const { numDeletedRows } = await tables.deleteFrom("tokens").where("name", "=", name).executeTakeFirst();
      if (numDeletedRows === 0n) {
        throw new Fault("ACCESS_TOKEN_UNKNOWN", {
          what: `There is no token ${name}.`,
          why: "It was never made, or it was removed already.",
          fix: '"bootcast token list" shows all.',
        });
      }
      await record({ kind: "token.removed", data: { token: name } });
    });
  }

  /** Whose token this is; "expired" when it was good once. */
  async of(secret: string): Promise<{ readonly name: string; readonly role: Role } | "expired" | undefined> {
    const nowMs = this.#now();
    const hash = hashOfSecret(secret);
    const row = await this.#db.selectFrom("tokens").selectAll().where("hash", "=", hash).executeTakeFirst();
    if (row === undefined) return undefined;
    if (row.expires_at_ms !== null && row.expires_at_ms <= nowMs) return "expired";
    if (isUseToBeWritten(row.used_at_ms, nowMs)) {
      await this.#db.updateTable("tokens").set({ used_at_ms: nowMs }).where("hash", "=", hash).execute();
    }
    return { name: row.name, role: row.role as Role };
  }
}

function checkName(name: string): void {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)) return;
  throw new Fault("TOKEN_NAME", {
    what: `${JSON.stringify(name.slice(0, 70))} cannot be the name of a token.`,
    why: "A name has up to 64 letters, digits, dots, hyphens and underscores.",
    fix: 'Name it for what uses it, like "ci" or "grafana".',
  });
}

function exists(name: string): Fault {
  return new Fault("TOKEN_EXISTS", {
    what: `There is a token ${name} already.`,
    why: "Names are used once, so that the audit log is clear.",
    fix: `Take another name, or remove that one: "bootcast token remove ${name}".`,
  });
}
