import { Command, InvalidArgumentError } from "commander";
import { databaseUrl } from "../../server/config/values.ts";
import { moveDatabase } from "../../server/db/move.ts";
import { databasePlace, type PostgresPlace } from "../../server/db/place.ts";
import { controlSocketOf } from "../serve/control-socket.ts";
import { freeControlSocket } from "../serve/data-directory.ts";
import { ownOptions } from "../settings/configuration.ts";
import { configOf } from "../settings/read-configuration.ts";
import { examples, globalOptions, printResult, say } from "../terminal/output.ts";
import { placeOfConfig } from "./place.ts";

type MoveFlags = { readonly to: string; readonly toPasswordFile?: string };

/** `bootcast db move --to URL`: everything into another database. */
export function dbMoveCommand(): Command {
  const command = new Command("move")
    .description(
      "Copies everything into an empty database, compares every row, and marks the old one as left. All or nothing. The server must not run.",
    )
    .requiredOption("--to <url>", "postgres://user@host/database, or sqlite:/whole/path", readUrl)
    .option("--to-password-file <file>", "its first line is the password of the PostgreSQL user");
  examples(command, [
    "sudo bootcast db move --to postgres://bootcast@db.school.example/bootcast --to-password-file /etc/bootcast/db.password",
    'sudo bootcast db move --to "postgres:///bootcast?host=/run/postgresql&user=bootcast"',
    "sudo bootcast db move --to sqlite:/var/lib/bootcast/new.db",
  ]);
  return ownOptions(globalOptions(command)).action(async (flags: MoveFlags) => {
    const config = configOf(command);
    const from = placeOfConfig(config);
    const to = databasePlace(config.dataDir, { url: flags.to, passwordFile: flags.toPasswordFile });
    await freeControlSocket(controlSocketOf(config.dataDir));
    // PostgreSQL may be used from elsewhere.
    await using locks = new AsyncDisposableStack();
    for (const place of [from, to]) if (!("file" in place)) locks.defer(await onlyOurs(place));
    const moved = await moveDatabase(from, to, {
      now: () => Date.now(),
      onTable: (name, rows) => say(`${name}: ${rows} rows`),
    });
    printResult(moved, ({ tables, to: url }) => {
      const rows = Object.values(tables).reduce((sum, count) => sum + count, 0);
      const password = flags.toPasswordFile === undefined ? "" : `\npassword_file = "${flags.toPasswordFile}"`;
      return `${rows} rows of ${Object.keys(tables).length} tables are there, and every one is equal. Now tell the server, in /etc/bootcast.toml:\n\n[database]\nurl = "${url}"${password}`;
    });
  });
}

async function onlyOurs(place: PostgresPlace): Promise<() => Promise<void>> {
  const { ServerLock } = await import("../../server/db/server-lock.ts");
  const lock = await ServerLock.take(place, 0);
  return () => lock.release();
}

function readUrl(text: string): string {
  if (databaseUrl.read(text) === undefined) throw new InvalidArgumentError(`Allowed is ${databaseUrl.allowed}.`);
  return text;
}
