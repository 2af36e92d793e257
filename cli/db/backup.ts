import { userInfo } from "node:os";
import { resolve } from "node:path";
import { Command } from "commander";
import { formatSize } from "../../agent/disk/sizes.ts";
import { Fault } from "../../fault.ts";
import { actingAs } from "../../server/access/actor.ts";
import { BACKED_UP, type Backup, backupDatabase } from "../../server/db/backup.ts";
import { connectDatabase } from "../../server/db/database.ts";
import { type PostgresPlace, placeText, type SqlitePlace } from "../../server/db/place.ts";
import { EventLog } from "../../server/events.ts";
import { ownOptions } from "../settings/configuration.ts";
import { examples, globalOptions, printResult, say } from "../terminal/output.ts";
import { placeOf } from "./place.ts";

/** `bootcast db backup FILE`: a copy of the SQLite database, while the server runs. */
export function dbBackupCommand(): Command {
  const command = new Command("backup")
    .description(
      "Copies the database into a file, while the server runs. Orders that stand are stopped in the copy: put back later, they would erase machines a second time.",
    )
    .argument("<file>", "the backup; it must not be there yet");
  examples(command, [
    "sudo bootcast db backup /mnt/backup/bootcast-2026-11-22.db",
    "# to put it back: stop the server, then copy the file to <data directory>/bootcast.db and remove bootcast.db-wal",
  ]);
  return ownOptions(globalOptions(command)).action(async (file: string) => {
    const place = placeOf(command);
    if (!("file" in place)) throw usePgDump(place, file);
    const made = await backupDatabase(place.file, resolve(file), () => Date.now());
    await noted(place, made).catch((error: Error) => say(`The log does not tell of it: ${error.message}`));
    printResult(made, ({ file: path, sizeBytes, stoppedSessions }) => {
      const done = `${path}: ${formatSize(sizeBytes)}.`;
      if (stoppedSessions.length === 0) return done;
      return `${done} In it these sessions are stopped, which stand now: ${stoppedSessions.join(", ")}.`;
    });
  });
}

/** When the last one was made is looked at by the checks. */
async function noted(place: SqlitePlace, { file, sizeBytes }: Backup): Promise<void> {
  const db = await connectDatabase(place);
  const events = new EventLog(db, () => Date.now());
  const name = `${userInfo().username} on this machine`;
  try {
    await actingAs({ name }, () =>
      events.change(({ record }) => record({ kind: BACKED_UP, data: { file, sizeBytes } })),
    );
  } finally {
    await db.destroy();
  }
}

function usePgDump(place: PostgresPlace, file: string): Fault {
  const url = placeText(place);
  return new Fault("DATABASE_BACKUP", {
    what: "bootcast makes no backup of a PostgreSQL database.",
    why: `The database is ${url}, and PostgreSQL has tools of its own for it.`,
    fix: `pg_dump --format=custom --file='${file}' '${url}'`,
  });
}
