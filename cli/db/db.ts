import { Command } from "commander";
import { examples } from "../terminal/output.ts";
import { dbBackupCommand } from "./backup.ts";
import { dbMoveCommand } from "./move.ts";

/** `bootcast db …`: where hosts, orders and events are kept. */
export function dbCommand(): Command {
  const command = new Command("db").description(
    "The database with hosts, orders, users and events: a SQLite file in the data directory, or PostgreSQL (database.url).",
  );
  examples(command, [
    "sudo bootcast db backup /mnt/backup/bootcast-2026-11-22.db",
    "sudo bootcast db move --to postgres://bootcast@db.school.example/bootcast --to-password-file /etc/bootcast/db.password",
  ]);
  return command.addCommand(dbBackupCommand()).addCommand(dbMoveCommand());
}
