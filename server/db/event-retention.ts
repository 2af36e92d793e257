import type { Logger } from "pino";
import type { EventLog } from "../events.ts";
import type { Database } from "./database.ts";

const DAY_MS = 86_400_000;
const LOOK_EVERY_MS = DAY_MS / 4;
/** Not before the server has come up. */
const FIRST_LOOK_MS = 60_000;
/** Removed at once: others wait no longer than for these. */
const BATCH_ROWS = 1_000;

type Options = {
  readonly db: Database;
  readonly events: EventLog;
  /** 0: all are kept for ever. */
  readonly keepDays: number;
  readonly now: () => number;
};

/**
 * Removes events that are older than `keepDays`, but none of a session that goes on. The boot trace has its own, shorter
 * time (server/boot-trace/store.ts). What was removed is itself an event.
 *
 * @returns how many
 */
export async function removeOldEvents({ db, events, keepDays, now }: Options): Promise<number> {
  if (keepDays === 0) return 0;
  const beforeMs = now() - keepDays * DAY_MS;
  const active = await db.selectFrom("deploys").select("id").where("state", "=", "active").execute();
  const kept = new Set(active.map(({ id }) => id));
  let removed = 0;
  for (let after = 0; ; ) {
    const rows = await db
      .selectFrom("events")
      .select(["id", "at_ms", "deploy_id"])
      .where("id", ">", after)
      .orderBy("id")
      .limit(BATCH_ROWS)
      .execute();
    const old = rows.filter(({ at_ms, deploy_id }) => at_ms < beforeMs && !(deploy_id !== null && kept.has(deploy_id)));
    if (old.length > 0) {
      const ids = old.map(({ id }) => id);
      await events.change(({ tables }) => tables.deleteFrom("events").where("id", "in", ids).execute());
      removed += old.length;
    }
    const last = rows.at(-1);
    // They come in the order of their time; what a clock was wrong about is removed later.
    if (last === undefined || rows.length < BATCH_ROWS || last.at_ms >= beforeMs) break;
    after = last.id;
  }
  if (removed > 0) {
    await events.change(({ record }) => record({ kind: "events.removed", data: { events: removed, beforeMs } }));
  }
  return removed;
}

/** Does so a few times a day, until the function it answers is called. */
export function keepEvents(options: Options & { readonly log: Logger }): () => void {
  const look = () =>
    void removeOldEvents(options).catch((error) => options.log.warn({ err: error }, "old events could not be removed"));
  const first = setTimeout(look, FIRST_LOOK_MS).unref();
  const timer = setInterval(look, LOOK_EVERY_MS).unref();
  return () => {
    clearTimeout(first);
    clearInterval(timer);
  };
}
