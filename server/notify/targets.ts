import type { Selectable } from "kysely";
import { Fault, type FaultText } from "../../fault.ts";
import { nearest } from "../config/nearest.ts";
import type { Database } from "../db/database.ts";
import type { NotifyTargetTable } from "../db/schema.ts";
import type { EventLog } from "../events.ts";
import { isMailAddress, isWebhookAddress } from "./addresses.ts";
import { newSigningSecret } from "./signature.ts";
import { type Topic, topics } from "./topics.ts";

/** Somebody, or a program, that is told what happens. */
export type Target = {
  readonly name: string;
  readonly kind: "webhook" | "mail";
  /** A URL, or mail addresses with commas between. */
  readonly address: string;
  readonly topics: readonly Topic[];
  readonly isPaused: boolean;
  /** In a row, until now. */
  readonly failures: number;
  /** Messages that found no place in its queue since it was told anything last. */
  readonly dropped: number;
  /** When it was told something last. */
  readonly toldAtMs: number | null;
  /** Why it could not be told the last time; null: it could. */
  readonly fault: (FaultText & { readonly code: string }) | null;
  /** Messages that wait. */
  readonly waiting: number;
  readonly madeBy: string;
  readonly createdAtMs: number;
};

export type NewTarget = Pick<Target, "name" | "kind" | "address" | "topics" | "madeBy">;

const MOST_TARGETS = 50;

/** Who is told what happens: webhooks and mail addresses. How they are told is in courier.ts. */
export class Targets {
  readonly #db: Database;
  readonly #events: EventLog;
  readonly #settings: { readonly hasMail: boolean };

  /** @param options.hasMail whether a mail server is set; asked each time */
  constructor(options: { readonly db: Database; readonly events: EventLog; readonly hasMail: boolean }) {
    this.#db = options.db;
    this.#events = options.events;
    this.#settings = options;
  }

  /** By name. */
  async list(): Promise<Target[]> {
    const rows = await this.#db.selectFrom("notify_targets").selectAll().orderBy("name").execute();
    const queued = await this.#db
      .selectFrom("notify_queue")
      .select(({ fn }) => ["target", fn.countAll().as("waiting")])
      .groupBy("target")
      .execute();
    const waiting = new Map(queued.map((row) => [row.target, Number(row.waiting)]));
    return rows.map((row) => targetOf(row, waiting.get(row.name) ?? 0));
  }

  /** @throws {Fault} NOTIFY_TARGET_UNKNOWN */
  async find(name: string): Promise<Target> {
    const all = await this.list();
    const found = all.find((target) => target.name === name);
    if (found !== undefined) return found;
    const suggestion = nearest(
      name,
      all.map((target) => target.name),
    );
    throw new Fault("NOTIFY_TARGET_UNKNOWN", {
      what: `Nobody called "${name}" is told anything.`,
      why: all.length === 0 ? "Nobody was added yet." : "None of those that were added has this name.",
      fix: `${suggestion === undefined ? "" : `Maybe "${suggestion}" was meant. `}"bootcast notify list" shows all.`,
    });
  }

  /**
   * @returns with the secret of a webhook's signatures, for the only time; null for mail
   * @throws {Fault} NOTIFY_TARGET_EXISTS, NOTIFY_TARGET_INVALID
   */
  async add(wanted: NewTarget): Promise<{ readonly target: Target; readonly secret: string | null }> {
    const { name, kind, madeBy } = wanted;
    const address = this.#check(wanted);
    const secret = kind === "webhook" ? newSigningSecret() : null;
    const target = await this.#events.change(async ({ tables, nowMs, record }) => {
      const names = (await tables.selectFrom("notify_targets").select("name").execute()).map((row) => row.name);
      if (names.includes(name)) throw exists(name);
      if (names.length >= MOST_TARGETS) throw invalid(`There are ${MOST_TARGETS} already.`, "Remove some first.");
      const row = {
        name,
        kind,
        address,
        secret: secret ?? "",
        topics: JSON.stringify(topics.filter((topic) => wanted.topics.includes(topic))),
        is_paused: 0,
        failures: 0,
        next_try_ms: 0,
        dropped: 0,
        told_at_ms: null,
        fault: null,
        made_by: madeBy,
        created_at_ms: nowMs,
      };
      await tables.deleteFrom("notify_queue").where("target", "=", name).execute();
      await tables.insertInto("notify_targets").values(row).execute();
      const added = targetOf(row, 0);
      await record({
        kind: "notify.added",
        data: { target: name, to: shownAddress(added), topics: [...added.topics] },
      });
      return added;
    });
    return { target, secret };
  }

  /** What waits for one that is paused is not sent, and nothing is added. @throws {Fault} NOTIFY_TARGET_UNKNOWN */
  async change(
    name: string,
    {
      isPaused,
      topics: wanted,
    }: { readonly isPaused?: boolean | undefined; readonly topics?: readonly Topic[] | undefined },
  ): Promise<Target> {
    await this.find(name);
    if (wanted?.length === 0) throw invalid("It would be told of nothing.", "Pause or remove it instead.");
    await this.#events.change(async ({ tables, record }) => {
      await tables
        .updateTable("notify_targets")
        .set({
          ...(isPaused === undefined ? {} : { is_paused: isPaused ? 1 : 0, failures: 0, next_try_ms: 0 }),
          ...(wanted === undefined ? {} : { topics: JSON.stringify(topics.filter((topic) => wanted.includes(topic))) }),
        })
        .where("name", "=", name)
        .execute();
      await record({ kind: "notify.changed", data: { target: name, ...(isPaused !== undefined && { isPaused }) } });
    });
    return this.find(name);
  }

  /** With what waits for it. @throws {Fault} NOTIFY_TARGET_UNKNOWN */
  async remove(name: string): Promise<void> {
    await this.find(name);
    await this.#events.change(async ({ tables, record }) => {
      await tables.deleteFrom("notify_targets").where("name", "=", name).execute();
      await tables.deleteFrom("notify_queue").where("target", "=", name).execute();
      await record({ kind: "notify.removed", data: { target: name } });
    });
  }

  /** @returns the address as it is kept */
  #check({ name, kind, address, topics: wanted }: NewTarget): string {
    if (!/^[a-z0-9][a-z0-9_-]{0,62}$/i.test(name)) {
      throw invalid(
        `"${name.slice(0, 70)}" cannot be its name.`,
        "A name has letters, digits, hyphens and underscores.",
      );
    }
    if (wanted.length === 0) throw invalid("It would be told of nothing.", `Choose among: ${topics.join(", ")}.`);
    if (kind === "webhook") {
      if (!isWebhookAddress(address)) {
        throw invalid(
          `"${address.slice(0, 100)}" is not a URL that can be called.`,
          'Give one like "https://chat.example/hook".',
        );
      }
      return address;
    }
    const all = address.split(",").map((each) => each.trim());
    const wrong = all.find((each) => !isMailAddress(each));
    if (wrong !== undefined || all.length > 20) {
      throw invalid(
        `"${(wrong ?? address).slice(0, 100)}" is not a mail address.`,
        'Give up to 20 like "lab@school.example".',
      );
    }
    if (!this.#settings.hasMail) {
      throw invalid(
        "No mail server is set.",
        "Set mail.server and mail.from in bootcast.toml, and: sudo systemctl reload bootcast",
      );
    }
    return all.join(", ");
  }
}

/** For lists and logs: the path of a webhook is often all that protects it. */
export function shownAddress({ kind, address }: Pick<Target, "kind" | "address">): string {
  return kind === "mail" ? address : `${new URL(address).origin}/…`;
}

function targetOf(row: Selectable<NotifyTargetTable>, waiting: number): Target {
  return {
    name: row.name,
    kind: row.kind as Target["kind"],
    address: row.address,
    topics: JSON.parse(row.topics) as Topic[],
    isPaused: row.is_paused === 1,
    failures: row.failures,
    dropped: row.dropped,
    toldAtMs: row.told_at_ms,
    fault: row.fault === null ? null : (JSON.parse(row.fault) as FaultText & { code: string }),
    waiting,
    madeBy: row.made_by,
    createdAtMs: row.created_at_ms,
  };
}

function exists(name: string): Fault {
  return new Fault("NOTIFY_TARGET_EXISTS", {
    what: `"${name}" is told already.`,
    why: "Each has a name of its own.",
    fix: `Take another name, or remove that one first: bootcast notify remove ${name}`,
  });
}

function invalid(why: string, fix: string): Fault {
  return new Fault("NOTIFY_TARGET_INVALID", { what: "This cannot be told anything.", why, fix });
}
