// Everything that needs PostgreSQL, with one start of it: what only PostgreSQL has, moving to and from it, whole servers
// with it, and the tests of the services once more with their tables there.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import fc from "fast-check";
import { connectDatabase, type Database } from "../../../server/db/database.ts";
import type { PostgresPlace } from "../../../server/db/place.ts";
import { useDatabases } from "../databases.ts";
import { PostgresServer, postgresMissing } from "./postgres-server.ts";

/**
 * These open their databases with `testDatabase` and know nothing of their kind. Others do, too, and pass here; they are
 * left out because what they ask of the tables is asked by these.
 */
const services = [
  "./changes.test.ts",
  "../boot-trace/store.test.ts",
  "../capture/orders.test.ts",
  "../hosts/host-boot-settings.test.ts",
  "../hosts/host-desk.test.ts",
  "../hosts/host-import.test.ts",
  "../hosts/hosts.test.ts",
  "../hosts/inventory-changes.test.ts",
  "../hosts/selection.test.ts",
  "../leases/event-follower.test.ts",
  "../leases/stream-owners.test.ts",
  "../orders/conductor.test.ts",
  "../orders/deploy-skips.test.ts",
  "../orders/hindrance.test.ts",
  "../orders/memory.test.ts",
  "../orders/orders.test.ts",
  "../orders/scripts.test.ts",
  "../orders/session-list.test.ts",
  "../schedules/presence.test.ts",
  "../schedules/scheduler.test.ts",
];

/** What is tried a hundred times in memory is tried a few times here: these are the same decisions. */
const MOST_RUNS = 3;

if (postgresMissing !== false) {
  test("PostgreSQL", { skip: postgresMissing }, () => {});
} else {
  const server = await PostgresServer.start();
  after(() => server.remove());
  const named = new Map<string, PostgresPlace>();
  const free: PostgresPlace[] = [];
  fc.configureGlobal({ numRuns: MOST_RUNS });
  useDatabases(async (path) => {
    if (path !== undefined) {
      const place = named.get(path) ?? (await server.prepared());
      named.set(path, place);
      return connectDatabase(place);
    }
    const place = free.pop() ?? (await server.prepared());
    return whenDestroyed(await connectDatabase(place), async () => {
      await server.empty(place);
      free.push(place);
    });
  }, MOST_RUNS);

  test("the databases of these tests are PostgreSQL's", async () => {
    assert.match(String((await server.query("select version()"))[0]?.["version"]), /^PostgreSQL/);
  });
  (await import("./on-postgres.ts")).onPostgres(server);
  (await import("./moves.ts")).moves(server);
  (await import("../../cli/db/on-postgres.ts")).serversOnPostgres(server);
  for (const file of services) {
    describe(file, async () => {
      await import(file);
    });
  }
}

function whenDestroyed(db: Database, then: () => Promise<void>): Database {
  const destroy = db.destroy.bind(db);
  let ended: Promise<void> | undefined;
  return Object.assign(db, {
    destroy: () => {
      ended ??= destroy().then(then);
      return ended;
    },
  });
}
