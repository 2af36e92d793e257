import type { Logger } from "pino";
import type { Database } from "../db/database.ts";
import type { EventLog } from "../events.ts";
import type { BootTraceEntry, TracedEntry } from "./boot-trace.ts";
import type { TracedHost } from "./hosts.ts";

/** Which entries are wanted. The newest are kept when there are more than `limit`. */
export type TraceFilter = {
  /** Only of these hardware addresses, lower case with colons. */
  readonly macs?: readonly string[] | undefined;
  readonly sinceMs?: number | undefined;
  /** Only with a higher id. */
  readonly afterId?: number | undefined;
  readonly limit: number;
};

/** As the events table names them: every service of a `BootTraceEntry`. */
const kinds = ["boot.dhcp", "boot.bsdp", "boot.pxe", "boot.tftp", "boot.http"];
const KEEP_MS = 7 * 86_400_000;
const KEEP_ROWS = 100_000;
/** Rows that are written at once. */
const BATCH_ROWS = 500;
/** So many entries are stored at once at most; a room of 500 machines makes about 6000. */
const MOST_AT_ONCE = 10_000;
/** And so many go on being stored in a second, however many forged packets there are. */
const REFILL_PER_SECOND = 50;

/**
 * The boot trace in the events table, "boot.pxe" and the like. Entries wait in memory and are written together: a room
 * that is switched on costs a few transactions. Kept for 7 days, 100 000 at most.
 */
export class BootTraceStore {
  /** Entries that were not stored, because there were too many or the database refused. */
  notStored = 0;
  readonly #db: Database;
  readonly #events: EventLog;
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #hostOf: (mac: string) => TracedHost | undefined;
  readonly #keepRows: number;
  #pending: TracedEntry[] = [];
  #writing: Promise<void> | undefined;
  #room = MOST_AT_ONCE;
  #filledAtMs: number;

  constructor(options: {
    db: Database;
    events: EventLog;
    log: Logger;
    now: () => number;
    hostOf: (mac: string) => TracedHost | undefined;
    /** Default 100 000. */
    keepRows?: number;
  }) {
    this.#db = options.db;
    this.#events = options.events;
    this.#log = options.log;
    this.#now = options.now;
    this.#hostOf = options.hostOf;
    this.#keepRows = options.keepRows ?? KEEP_ROWS;
    this.#filledAtMs = options.now();
  }

  /** Takes an entry, to be written with others. */
  add(entry: TracedEntry): void {
    this.#refill();
    if (this.#room < 1) {
      this.notStored += 1;
      return;
    }
    this.#room -= 1;
    this.#pending.push(entry);
  }

  /** Writes what is waiting. Never throws: a trace that cannot be stored must not stop anybody from booting. */
  flush(): Promise<void> {
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
    return this.#writing;
  }

  /** Stored entries, oldest first. */
  async list({ macs, sinceMs, afterId, limit }: TraceFilter): Promise<TracedEntry[]> {
    await this.flush();
    let query = this.#db
      .selectFrom("events")
      .select(["at_ms", "data"])
      .where("kind", "in", kinds)
      // The number of an entry begins with its time.
      .where("at_ms", ">=", Math.max(sinceMs ?? 0, Math.floor((afterId ?? 0) / 1000)))
      .orderBy("at_ms", "desc")
      .orderBy("id", "desc")
      .limit(limit);
    if (macs !== undefined) {
      query = query.where(({ eb, or }) => or(macs.map((mac) => eb("data", "like", `%"mac":"${mac}"%`))));
    }
    const rows = await query.execute();
    return rows
      .toReversed()
      .map(({ at_ms, data }): TracedEntry => ({ ...(JSON.parse(data) as StoredTrace), atMs: at_ms }))
      .filter(({ id }) => afterId === undefined || id > afterId);
  }

  /** Removes what is too old or too much. @returns how many */
  async prune(): Promise<number> {
    const oldest = await this.#db
      .selectFrom("events")
      .select("at_ms")
      .where("kind", "in", kinds)
      .orderBy("at_ms", "desc")
      .offset(this.#keepRows)
      .limit(1)
      .executeTakeFirst();
    const { numDeletedRows } = await this.#db
      .deleteFrom("events")
      .where("kind", "in", kinds)
      .where("at_ms", "<=", Math.max(oldest?.at_ms ?? 0, this.#now() - KEEP_MS))
      .executeTakeFirst();
    return Number(numDeletedRows);
  }

  async #write(): Promise<void> {
    while (this.#pending.length > 0) {
      const batch = this.#pending.splice(0, BATCH_ROWS);
      try {
        await this.#events.append(
          batch.map(({ atMs, ...entry }) => ({
            atMs,
            kind: `boot.${entry.service}`,
            hostId: entry.mac === undefined ? undefined : this.#hostOf(entry.mac)?.id,
            data: entry satisfies StoredTrace,
          })),
        );
      } catch (error) {
        this.notStored += batch.length;
        this.#log.error({ err: error, entries: batch.length }, "the boot trace could not be stored");
      }
    }
  }

  #refill(): void {
    const nowMs = this.#now();
    const more = ((nowMs - this.#filledAtMs) * REFILL_PER_SECOND) / 1000;
    if (more < 1) return;
    this.#room = Math.min(MOST_AT_ONCE, this.#room + more);
    this.#filledAtMs = nowMs;
  }
}

/** An entry as it is in the events table's `data`. */
type StoredTrace = BootTraceEntry & Omit<TracedEntry, "atMs">;
