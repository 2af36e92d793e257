import type { Selectable, Transaction } from "kysely";
import { currentActor } from "./access/actor.ts";
import type { Database } from "./db/database.ts";
import { GroupedChanges } from "./db/grouped-changes.ts";
import type { EventTable, Tables } from "./db/schema.ts";
import { EventFollower } from "./leases/event-follower.ts";

/** Something that happened, as it is told to the log. */
export type NewEvent = {
  /** Noun and verb: "host.registered", "deploy.created". */
  readonly kind: string;
  readonly hostId?: string | undefined;
  readonly deployId?: number | undefined;
  readonly data?: Readonly<Record<string, unknown>>;
};

export type StoredEvent = {
  /** Ascending in the order in which things happened. */
  readonly id: number;
  readonly atMs: number;
  readonly kind: string;
  readonly hostId: string | null;
  readonly deployId: number | null;
  readonly data: Readonly<Record<string, unknown>>;
  /** The person or program that made the change; null: the server itself, or a host. */
  readonly actor: string | null;
};

/** What a change works with: the tables, and the log of what it did. */
export type Change = {
  readonly tables: Transaction<Tables>;
  /** The time of this change: every row and event of it has the same. */
  readonly nowMs: number;
  record(event: NewEvent): Promise<void>;
};

/** @param isOurs false: another server of this database wrote it */
export type Listener = (event: StoredEvent, isOurs: boolean) => void;

export type Recorder = (tables: Transaction<Tables>, event: StoredEvent) => Promise<void>;

export type EventFilter = {
  /** Only events with a higher id. */
  readonly after?: number | undefined;
  readonly limit?: number | undefined;
  /** Only so many, the newest. */
  readonly last?: number | undefined;
  readonly hostId?: string | undefined;
  readonly deployId?: number | undefined;
  /** False leaves out the boot trace ("boot.…"), which is most of what happens. Default true. */
  readonly hasBoots?: boolean | undefined;
  /** False leaves out what `isAboutAccess`. Default true. */
  readonly hasAccess?: boolean | undefined;
};

/** Who comes in and from where, who was not let in, and whom the server tells what happens: for admins. */
const accessKinds = ["access.", "user.", "token.", "notify."] as const;

export function isAboutAccess({ kind }: Pick<StoredEvent, "kind">): boolean {
  return accessKinds.some((beginning) => kind.startsWith(beginning));
}

/**
 * The events table, and the only way to change the others: a change and the
 * events that tell of it are written together or not at all.
 */
export class EventLog {
  readonly #db: Database;
  readonly #now: () => number;
  readonly #listeners = new Set<Listener>();
  readonly #recorders = new Set<Recorder>();
  readonly #changes: GroupedChanges;
  /** Where other servers write events, too. */
  #follower: EventFollower<StoredEvent> | undefined;
  /** Of ours, those that nobody has heard of yet. */
  readonly #own = new Set<number>();

  constructor(db: Database, now: () => number) {
    this.#db = db;
    this.#changes = new GroupedChanges(db);
    this.#now = now;
  }

  /**
   * Runs `work` as one change; listeners hear of its events once it is committed. Changes come one after the other, so
   * listeners hear of all events in the order of their ids.
   */
  async change<T>(work: (change: Change) => Promise<T>): Promise<T> {
    const acting = currentActor();
    const actor = acting?.name ?? null;
    const { result, stored } = await this.#changes.run(async (tables) => {
      const nowMs = this.#now();
      const stored: StoredEvent[] = [];
      const result = await work({
        tables,
        nowMs,
        record: async ({ kind, hostId = null, deployId = null, data = {} }) => {
          const { id } = await tables
            .insertInto("events")
            .values({ at_ms: nowMs, kind, host_id: hostId, deploy_id: deployId, data: JSON.stringify(data), actor })
            .returning("id")
            .executeTakeFirstOrThrow();
          const event = { id, atMs: nowMs, kind, hostId, deployId, data, actor };
          stored.push(event);
          if (this.#follower !== undefined) this.#own.add(id);
          for (const recorder of this.#recorders) await recorder(tables, event);
        },
      });
      await acting?.inChange?.(tables);
      return { result, stored };
    });
    await this.#tell(stored);
    return result;
  }

  /** Adds events that change nothing else, in one transaction; `atMs` is when each happened. */
  async append(events: readonly (NewEvent & { readonly atMs: number })[]): Promise<void> {
    if (events.length === 0) return;
    const rows = await this.#changes.run(async (tables) => {
      const rows = await tables
        .insertInto("events")
        .values(
          events.map(({ atMs, kind, hostId = null, deployId = null, data = {} }) => ({
            at_ms: atMs,
            kind,
            host_id: hostId,
            deploy_id: deployId,
            data: JSON.stringify(data),
          })),
        )
        .returning("id")
        .execute();
      if (this.#follower !== undefined) for (const { id } of rows) this.#own.add(id);
      return rows;
    });
    // SQLite promises no order of what it returns; the numbers are given in that of the rows.
    const ids = rows.map(({ id }) => id).toSorted((one, other) => one - other);
    await this.#tell(
      events.map(({ atMs, kind, hostId = null, deployId = null, data = {} }, at) => {
        return { id: ids[at]!, atMs, kind, hostId, deployId, data, actor: null };
      }),
    );
  }

  /**
   * From now on listeners hear of what other servers of this database write as well, all in the order of the ids.
   *
   * @returns looks for it once, and tells of it
   */
  async followOthers(): Promise<() => Promise<void>> {
    const newest = await this.list({ last: 1 });
    const follower = new EventFollower<StoredEvent>({
      afterId: newest[0]?.id ?? 0,
      read: (after, limit) => this.list({ after, limit }),
      tell: (event) => {
        const isOurs = this.#own.delete(event.id);
        // Ids are given in their order: what is behind one that was told of was taken back.
        for (const id of this.#own) if (id < event.id) this.#own.delete(id);
        for (const listener of this.#listeners) listener(event, isOurs);
      },
    });
    this.#follower = follower;
    return () => follower.catchUp();
  }

  /** Events in their order; `limit` defaults to 1000. */
  async list(filter: EventFilter = {}): Promise<StoredEvent[]> {
    let query = this.#db
      .selectFrom("events")
      .selectAll()
      .orderBy("id", filter.last === undefined ? "asc" : "desc")
      .limit(filter.last ?? filter.limit ?? 1000);
    if (filter.after !== undefined) query = query.where("id", ">", filter.after);
    if (filter.hostId !== undefined) query = query.where("host_id", "=", filter.hostId);
    if (filter.deployId !== undefined) query = query.where("deploy_id", "=", filter.deployId);
    if (filter.hasBoots === false) query = query.where("kind", "not like", "boot.%");
    if (filter.hasAccess === false) {
      for (const beginning of accessKinds) query = query.where("kind", "not like", `${beginning}%`);
    }
    const rows = await query.execute();
    return (filter.last === undefined ? rows : rows.toReversed()).map(storedEvent);
  }

  /** What people and programs changed, who came in and who was not let in, the newest first. */
  async audit(filter: {
    readonly before?: number | undefined;
    readonly actor?: string | undefined;
    readonly limit: number;
  }): Promise<StoredEvent[]> {
    let query = this.#db.selectFrom("events").selectAll().orderBy("id", "desc").limit(filter.limit);
    if (filter.before !== undefined) query = query.where("id", "<", filter.before);
    if (filter.actor !== undefined) query = query.where("actor", "=", filter.actor);
    else query = query.where((or) => or.or([or("actor", "is not", null), or("kind", "in", [...withoutActor])]));
    return (await query.execute()).map(storedEvent);
  }

  /** Calls `recorder` in the transaction of each change, for every event of it: what it writes is written with it. */
  onRecord(recorder: Recorder): void {
    this.#recorders.add(recorder);
  }

  /** Calls `listener` for every event from now on, until the function it answers is called. */
  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves when everybody has heard of what was written; with other servers' in its order. */
  async #tell(stored: readonly StoredEvent[]): Promise<void> {
    if (this.#follower === undefined) {
      for (const event of stored) for (const listener of this.#listeners) listener(event, true);
      return;
    }
    // What is written stays written; it is told of later.
    if (stored.length > 0) await this.#follower.catchUp().catch(() => {});
  }
}

/** What somebody did who was not, or not yet, let in. */
const withoutActor = ["access.refused", "user.logged-in", "user.password-set"] as const;

function storedEvent(row: Selectable<EventTable>): StoredEvent {
  return {
    id: row.id,
    atMs: row.at_ms,
    kind: row.kind,
    hostId: row.host_id,
    deployId: row.deploy_id,
    data: JSON.parse(row.data) as Record<string, unknown>,
    actor: row.actor,
  };
}
