// Everything that needs PostgreSQL, with one start of it: what only PostgreSQL has, moving to and from it, whole servers
// with it, and the tests of the services once more with their tables there.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import fc from "fast-check";
import { connectDatabase, openDatabase } from "../../../server/db/database.ts";
import { useDatabases } from "../databases.ts";
import { PostgresServer, postgresMissing } from "./postgres-server.ts";

/** These open their databases with `testDatabase` and know nothing of their kind. */
const services =
  process.env["ONLY"] !== undefined
    ? process.env["ONLY"].split(",")
    : [
        "./changes.test.ts",
        "../api.test.ts",
        "../boot-trace/store.test.ts",
        "../capture/orders.test.ts",
        "../hosts/host-boot-settings.test.ts",
        "../hosts/host-names.test.ts",
        "../hosts/hosts.test.ts",
        "../http/agent-api.test.ts",
        "../orders/alive.test.ts",
        "../orders/disk-terms.test.ts",
        "../orders/memory.test.ts",
        "../orders/orders.test.ts",
        "../orders/power-cut.test.ts",
        "../orders/resume.test.ts",
        "../orders/scripts.test.ts",
      ];

if (postgresMissing !== false) {
  test("PostgreSQL", { skip: postgresMissing }, () => {});
} else {
  const server = await PostgresServer.start();
  after(() => server.remove());
  const template = await server.create();
  await (await openDatabase(template)).destroy();

  // What is tried a hundred times in memory is tried a few times here: these are the same decisions.
  fc.configureGlobal({ numRuns: 3 });
  const made = new Map<string, Awaited<ReturnType<typeof server.create>>>();
  useDatabases(async (path) => {
    const place = (path === undefined ? undefined : made.get(path)) ?? (await server.create(template.database));
    if (path !== undefined) made.set(path, place);
    return connectDatabase(place);
  });
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
