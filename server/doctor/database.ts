import { BACKED_UP } from "../db/backup.ts";
import type { Database } from "../db/database.ts";
import { refuseNetworkDisk } from "../db/network-disk.ts";
import type { DatabasePlace } from "../db/place.ts";
import type { Finding } from "./finding.ts";

const DAY_MS = 24 * 3_600_000;
/** A site that has just begun has little to lose. */
const NEW_FOR_DAYS = 7;
const BACKUP_GOOD_FOR_DAYS = 30;

/** Where the database lies. @throws {Fault} DATABASE_ON_NETWORK_DISK */
export function lookAtDatabase(place: DatabasePlace): Finding {
  const probe = "database";
  if (!("file" in place)) return { probe, status: "ok", detail: `PostgreSQL, ${place.database} on ${place.host}.` };
  refuseNetworkDisk(place.file);
  return { probe, status: "ok", detail: "SQLite, on a disk of this machine." };
}

/** When the first thing happened here, and when the last backup was made. */
export type BackupTimes = { readonly firstMs: number | undefined; readonly lastMs: number | undefined };

export async function backupTimes(db: Database): Promise<BackupTimes> {
  const first = await db.selectFrom("events").select("at_ms").orderBy("id").limit(1).executeTakeFirst();
  const last = await db
    .selectFrom("events")
    .select("at_ms")
    .where("kind", "=", BACKED_UP)
    .orderBy("id", "desc")
    .limit(1)
    .executeTakeFirst();
  return { firstMs: first?.at_ms, lastMs: last?.at_ms };
}

/** How old the last backup is. Of PostgreSQL others make them. */
export function backupFindings(place: DatabasePlace, { firstMs, lastMs }: BackupTimes, nowMs: number): Finding[] {
  const probe = "backup";
  if (!("file" in place)) return [];
  const fix = "sudo bootcast db backup /mnt/backup/bootcast.db, and have a timer do it";
  if (lastMs === undefined) {
    const isNew = firstMs === undefined || nowMs - firstMs < NEW_FOR_DAYS * DAY_MS;
    if (isNew) return [{ probe, status: "skip", detail: "None yet; there is little to lose." }];
    return [{ probe, status: "warn", detail: "Hosts, groups and schedules were never backed up.", fix }];
  }
  const days = Math.floor((nowMs - lastMs) / DAY_MS);
  if (days > BACKUP_GOOD_FOR_DAYS) {
    return [{ probe, status: "warn", detail: `The last backup of the database is ${days} days old.`, fix }];
  }
  return [
    { probe, status: "ok", detail: days === 0 ? "Made today." : `Made ${days} ${days === 1 ? "day" : "days"} ago.` },
  ];
}
