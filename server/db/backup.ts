import { copyFileSync, existsSync, rmSync, statSync } from "node:fs";
import { open, rename } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { backup, DatabaseSync } from "node:sqlite";
import { Fault } from "../../fault.ts";
import { connectDatabase, type Database } from "./database.ts";

export type Backup = {
  readonly file: string;
  readonly sizeBytes: number;
  /** Deploys and captures that stood; in the backup they are stopped. */
  readonly stoppedSessions: readonly number[];
};

/** The event of a backup that was made. */
export const BACKED_UP = "database.backed-up";

/** In one step, so that no writer makes it begin again. */
const ALL_PAGES = 2 ** 31 - 1;

/**
 * Copies a SQLite database while its server runs. Orders that stand are stopped in the copy: when it is put back they
 * may be done long since, and would erase machines a second time. Messages that wait to be sent are not in it. The copy
 * is checked, synced, and then gets its name.
 *
 * @throws {Fault} DATABASE_ABSENT, FILE_EXISTS, DATABASE_UNREADABLE
 */
export async function backupDatabase(from: string, to: string, now: () => number): Promise<Backup> {
  if (!existsSync(from)) {
    throw new Fault("DATABASE_ABSENT", {
      what: `There is no database ${from}.`,
      why: "No server has made one there yet, or --data-dir or database.url is another one.",
      fix: '"bootcast status" shows the data directory of the server that runs.',
    });
  }
  refuseExisting(to);
  // Beside the database: that disk is local, and the other one may not be.
  const copy = join(dirname(from), `.${basename(from)}.backup-${process.pid}`);
  const part = join(dirname(to), `.${basename(to)}.bootcast-${process.pid}.part`);
  try {
    const source = new DatabaseSync(from, { readOnly: true, timeout: 5_000 });
    try {
      await backup(source, copy, { rate: ALL_PAGES });
    } finally {
      source.close();
    }
    const stoppedSessions = await stopStanding(copy, now());
    copyFileSync(copy, part);
    await synced(part);
    refuseExisting(to);
    await rename(part, to);
    await synced(dirname(to));
    return { file: to, sizeBytes: statSync(to).size, stoppedSessions };
  } finally {
    for (const path of [copy, `${copy}-wal`, `${copy}-shm`, part]) rmSync(path, { force: true });
  }
}

/** Opening it is a check, too. */
async function stopStanding(path: string, nowMs: number): Promise<number[]> {
  const db: Database = await connectDatabase({ file: path });
  try {
    return await db.transaction().execute(async (tables) => {
      // What waits to be told will have been told.
      await tables.deleteFrom("notify_queue").execute();
      // An order that was about to be given would be given again.
      await tables
        .updateTable("schedule_runs")
        .set({ state: "failed", why: "A backup of the database was put back.", ended_at_ms: nowMs })
        .where("state", "=", "opening")
        .execute();
      const standing = await tables
        .selectFrom("deploys")
        .select("id")
        .where("state", "not in", ["done", "cancelled"])
        .execute();
      const ids = standing.map(({ id }) => id);
      if (ids.length === 0) return ids;
      await tables
        .updateTable("deploys")
        .set({ state: "cancelled", ended_at_ms: nowMs })
        .where("id", "in", ids)
        .execute();
      await tables
        .updateTable("deploy_hosts")
        .set({ state: "cancelled", ended_at_ms: nowMs })
        .where("deploy_id", "in", ids)
        .where("state", "not in", ["done", "failed", "cancelled"])
        .execute();
      const data = JSON.stringify({ why: "backup" });
      await tables
        .insertInto("events")
        .values(ids.map((id) => ({ at_ms: nowMs, kind: "deploy.cancelled", host_id: null, deploy_id: id, data })))
        .execute();
      return ids;
    });
  } finally {
    await db.destroy();
  }
}

function refuseExisting(path: string): void {
  if (!existsSync(path)) return;
  throw new Fault("FILE_EXISTS", {
    what: `${path} is there already.`,
    why: "It may be an earlier backup, and it would be lost.",
    fix: "Give another name, for example with the date in it.",
  });
}

async function synced(path: string): Promise<void> {
  const file = await open(path);
  await file.sync().finally(() => file.close());
}
