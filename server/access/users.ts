import { Fault } from "../../fault.ts";
import type { Database } from "../db/database.ts";
import type { EventLog } from "../events.ts";
import { lastAdmin, linkWrong, userUnknown } from "./access-faults.ts";
import { checkPassword, type Passwords } from "./password.ts";
import type { Role } from "./roles.ts";
import { hashOfSecret, newCode, tidyCode } from "./secrets.ts";

export type User = {
  readonly name: string;
  readonly role: Role;
  /** False until the link was used. */
  readonly hasPassword: boolean;
  /** There is a link that was not used. */
  readonly hasLink: boolean;
  readonly createdAtMs: number;
};

/** Whoever makes the first link without a name gets this one. */
export const FIRST_ADMIN = "admin";

/** The people who may log in. */
export class Users {
  readonly #db: Database;
  readonly #events: EventLog;
  readonly #passwords: Passwords;

  constructor(options: { readonly db: Database; readonly events: EventLog; readonly passwords: Passwords }) {
    this.#db = options.db;
    this.#events = options.events;
    this.#passwords = options.passwords;
  }

  /** By name. */
  async list(): Promise<User[]> {
    const rows = await this.#db.selectFrom("users").selectAll().orderBy("name").execute();
    return rows.map((row) => ({
      name: row.name,
      role: row.role as Role,
      hasPassword: row.password_hash !== null,
      hasLink: row.link_hash !== null,
      createdAtMs: row.created_at_ms,
    }));
  }

  /** @throws {Fault} USER_UNKNOWN */
  async find(name: string): Promise<User> {
    const user = (await this.list()).find((one) => one.name === name.toLowerCase());
    if (user === undefined) throw userUnknown(name);
    return user;
  }

  /** @throws {Fault} USER_NAME, USER_EXISTS */
  async add(given: string, role: Role): Promise<User> {
    const name = given.toLowerCase();
    checkName(name);
    await this.#events.change(async ({ tables, nowMs, record }) => {
      const { numInsertedOrUpdatedRows } = await tables
        .insertInto("users")
        .values({ name, role, password_hash: null, link_hash: null, created_at_ms: nowMs })
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirst();
      if (numInsertedOrUpdatedRows === 0n) throw exists(name);
      await record({ kind: "user.added", data: { user: name, role } });
    });
    return this.find(name);
  }

  /** @throws {Fault} USER_UNKNOWN, ADMIN_NEEDED */
  async setRole(name: string, role: Role): Promise<User> {
    const user = await this.find(name);
    await this.#events.change(async ({ tables, record }) => {
      await tables.updateTable("users").set({ role }).where("name", "=", user.name).execute();
      if (role !== "admin") await this.#keepAnAdmin(tables, user);
      await record({ kind: "user.role-changed", data: { user: user.name, role, before: user.role } });
    });
    return this.find(name);
  }

  /** Ends their logins, too. Their tokens stay. @throws {Fault} USER_UNKNOWN, ADMIN_NEEDED */
  async remove(name: string): Promise<User> {
    const user = await this.find(name);
    await this.#events.change(async ({ tables, record }) => {
      await tables.deleteFrom("users").where("name", "=", user.name).execute();
      await this.#keepAnAdmin(tables, user);
      await record({ kind: "user.removed", data: { user: user.name, role: user.role } });
    });
    return user;
  }

  /**
   * A code with which they choose a password, once; the one before is good no longer. Where there is no user at all,
   * the one that is named becomes the first admin.
   *
   * @throws {Fault} USER_UNKNOWN, USER_NAME
   */
  async makeLink(name: string): Promise<{ readonly user: User; readonly code: string }> {
    if ((await this.list()).length === 0) await this.add(name, "admin");
    const { name: user } = await this.find(name);
    const code = newCode();
    await this.#events.change(async ({ tables, record }) => {
      await tables
        .updateTable("users")
        .set({ link_hash: hashOfSecret(code) })
        .where("name", "=", user)
        .execute();
      await record({ kind: "user.link-made", data: { user } });
    });
    return { user: await this.find(user), code };
  }

  /** Who a code is for. @throws {Fault} LINK_WRONG */
  async ofLink(typed: string): Promise<User> {
    const row = await this.#db
      .selectFrom("users")
      .select("name")
      .where("link_hash", "=", hashOfSecret(tidyCode(typed)))
      .executeTakeFirst();
    if (row === undefined) throw linkWrong();
    return this.find(row.name);
  }

  /** The password is set, and the code is used up. @throws {Fault} LINK_WRONG, PASSWORD_INVALID */
  async useLink(typed: string, password: string): Promise<User> {
    const { name } = await this.ofLink(typed);
    checkPassword(password, name);
    await this.#setHash(name, await this.#passwords.hash(password), hashOfSecret(tidyCode(typed)));
    return this.find(name);
  }

  /** Ends all their logins. @throws {Fault} USER_UNKNOWN, PASSWORD_INVALID */
  async setPassword(given: string, password: string): Promise<User> {
    const { name } = await this.find(given);
    checkPassword(password, name);
    await this.#setHash(name, await this.#passwords.hash(password));
    return this.find(name);
  }

  /** The user with this name and this password; takes as long when there is none. */
  async ofPassword(given: string, password: string): Promise<User | undefined> {
    const name = given.toLowerCase();
    const row = await this.#db.selectFrom("users").selectAll().where("name", "=", name).executeTakeFirst();
    const isRight = await this.#passwords.isRight(password, row?.password_hash ?? null);
    return isRight && row !== undefined ? this.find(name) : undefined;
  }

  /** @param linkHash it must still be theirs: of two who use a link at once, one is refused */
  async #setHash(name: string, hash: string, linkHash?: string): Promise<void> {
    await this.#events.change(async ({ tables, record }) => {
      const all = tables.updateTable("users").set({ password_hash: hash, link_hash: null }).where("name", "=", name);
      const one = linkHash === undefined ? all : all.where("link_hash", "=", linkHash);
      const { numUpdatedRows } = await one.executeTakeFirst();
      if (numUpdatedRows === 0n) throw linkWrong();
      await tables.deleteFrom("logins").where("user_name", "=", name).execute();
      await record({ kind: "user.password-set", data: { user: name, by: linkHash === undefined ? "name" : "link" } });
    });
  }

  /** Undoes the change that took the last admin who can log in. */
  async #keepAnAdmin(tables: Pick<Database, "selectFrom">, before: User): Promise<void> {
    if (before.role !== "admin" || !before.hasPassword) return;
    const other = await tables
      .selectFrom("users")
      .select("name")
      .where("role", "=", "admin")
      .where("password_hash", "is not", null)
      .executeTakeFirst();
    if (other === undefined) throw lastAdmin(before.name);
  }
}

function checkName(name: string): void {
  if (/^[a-z][a-z0-9._-]{0,31}$/.test(name)) return;
  throw new Fault("USER_NAME", {
    what: `${JSON.stringify(name.slice(0, 40))} cannot be the name of a user.`,
    why: "A name begins with a letter and has up to 32 letters a to z, digits, dots, hyphens and underscores.",
    fix: 'Take one like "mueller" or "k.mueller".',
  });
}

function exists(name: string): Fault {
  return new Fault("USER_EXISTS", {
    what: `There is a user ${name} already.`,
    why: "Names are used once.",
    fix: `"bootcast user link ${name}" makes a link for a new password, "bootcast user role" changes the role.`,
  });
}
