import assert from "node:assert/strict";
import { test } from "node:test";
import { sql } from "kysely";
import { eventFeed } from "../../../server/api/event-feed.ts";
import { connectDatabase, openDatabase } from "../../../server/db/database.ts";
import { ServerLock } from "../../../server/db/server-lock.ts";
import { EventLog, type StoredEvent } from "../../../server/events.ts";
import { Core, machine } from "../core.ts";
import type { PostgresServer } from "./postgres-server.ts";

/** What is so with PostgreSQL only. */
export function onPostgres(server: PostgresServer): void {
  test("the migrations make the same tables, columns and counters as in SQLite", async () => {
    const shapes = [];
    for (const place of [await server.create(), ":memory:"]) {
      const db = await openDatabase(place);
      const tables = await db.introspection.getTables();
      shapes.push(
        tables
          .filter(({ name }) => !name.startsWith("kysely_"))
          .map(({ name, columns }) => ({
            name,
            columns: columns.map((column) => `${column.name} ${column.isAutoIncrementing ? "counted" : ""}`).toSorted(),
          }))
          .toSorted((one, other) => (one.name < other.name ? -1 : 1)),
      );
      await db.destroy();
    }
    assert(shapes[0]!.length > 10);
    assert.deepEqual(shapes[0], shapes[1]);
  });

  test("opening again changes nothing; a database of a newer bootcast is refused", async () => {
    const place = await server.create();
    for (const _ of [1, 2]) await (await openDatabase(place)).destroy();
    await server.query(
      "insert into kysely_migration values ('9999-from-the-future', '2030-01-01T00:00:00.000Z')",
      place.database,
    );
    await assert.rejects(openDatabase(place), { code: "DATABASE_NEWER" });
  });

  test("whole numbers are exact numbers, text is ordered byte by byte and has room for what strangers send", async () => {
    const core = await Core.open();
    core.nowMs = 2 ** 45 + 1;
    const { hostId } = await core.hosts.register(machine(1, { serial: "a\0b" }));
    const host = await core.hosts.find(hostId);
    assert.deepEqual([host.firstSeenMs, host.serial], [2 ** 45 + 1, "a\ufffdb"]);
    const row = { role: "viewer", password_hash: null, link_hash: null, created_at_ms: 0 };
    for (const name of ["ab", "a.b", "a-c", "b", "a_b"]) {
      await core.db
        .insertInto("users")
        .values({ ...row, name })
        .execute();
    }
    const users = await core.db.selectFrom("users").select("name").orderBy("name").execute();
    assert.deepEqual(
      users.map(({ name }) => name),
      ["a-c", "a.b", "a_b", "ab", "b"],
    );
    const { count } = await core.db
      .selectFrom("users")
      .select((select) => select.fn.countAll().as("count"))
      .executeTakeFirstOrThrow();
    assert.equal(count, 5);
    await assert.rejects(core.sessions.show(Number.MAX_SAFE_INTEGER), { code: "DEPLOY_UNKNOWN" });
    await core.db.destroy();
  });

  test("two programs write at once: whoever reads behind an id misses no event", async () => {
    const place = await server.prepared();
    const dbs = [await openDatabase(place), await openDatabase(place)];
    const [one, other] = dbs.map((db) => new EventLog(db, () => 1)) as [EventLog, EventLog];
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    const first = one.change(async ({ record }) => {
      await record({ kind: "first" });
      begin();
      await gate;
    });
    await begun;
    const second = other.change(({ record }) => record({ kind: "second" }));
    // It waits, so its id cannot be seen before the lower one is.
    const waits = "select 1 from pg_locks where locktype = 'advisory' and not granted";
    while ((await server.query(waits)).length === 0);
    assert.deepEqual(await other.list(), []);
    open();
    await Promise.all([first, second]);
    const all = await other.list();
    assert.deepEqual(
      all.map(({ kind }) => kind),
      ["first", "second"],
    );
    // And in numbers: a reader follows while both write.
    const seen: StoredEvent[] = [];
    let isWriting = true;
    const reading = (async () => {
      for (;;) {
        const wasWriting = isWriting;
        seen.push(...(await one.list({ after: seen.at(-1)?.id ?? all.at(-1)!.id })));
        if (!wasWriting) return;
      }
    })();
    await Promise.all(
      Array.from({ length: 60 }, (_, number) =>
        [one, other][number % 2]!.change(({ record }) => record({ kind: "many", data: { number } })),
      ),
    );
    isWriting = false;
    await reading;
    assert.equal(new Set(seen.map(({ data }) => data["number"])).size, 60);
    assert.equal(seen.length, 60);
    for (const db of dbs) await db.destroy();
  });

  test("a feed has every event once and in order, whoever writes at the same moment", async () => {
    const core = await Core.open();
    const stop = new AbortController();
    const feed = eventFeed(core.events, { after: 0 }, { signal: stop.signal, isLetIn: async () => true });
    const ids: number[] = [];
    const done = (async () => {
      for await (const text of feed) {
        for (const [, id] of text.matchAll(/^id: (\d+)$/gm)) ids.push(Number(id));
        if (ids.length === 80) stop.abort();
      }
    })();
    await Promise.all(
      Array.from({ length: 40 }, async (_, number) => {
        await core.events.change(({ record }) => record({ kind: "one", data: { number } }));
        await core.events.append([{ kind: "two", atMs: 1, data: { number } }]);
      }),
    );
    await done;
    const stored = await core.events.list();
    assert.deepEqual(
      ids,
      stored.map(({ id }) => id),
    );
    await core.db.destroy();
  });

  test("a change that fails at a statement leaves nothing, and the next one works", async () => {
    const core = await Core.open();
    const lease = { address: "10.0.0.9", mac: "52:54:00:00:00:01", state: "bound", until_ms: 1 };
    await assert.rejects(
      core.events.change(async ({ tables, record }) => {
        await record({ kind: "undone" });
        await tables.insertInto("leases").values([lease, lease]).execute();
      }),
      /unique/,
    );
    await core.events.change(({ record }) => record({ kind: "done" }));
    assert.deepEqual(
      (await core.events.list()).map(({ kind }) => kind),
      ["done"],
    );
    await core.db.destroy();
  });

  test("one that cannot be used is refused with what to do", async () => {
    const absent = { code: "DATABASE_UNREACHABLE", what: /absent/, fix: /createdb/ };
    await assert.rejects(openDatabase({ ...server.place("absent"), password: "geheim" }), (error: Error) => {
      assert.doesNotMatch(JSON.stringify({ ...error, message: error.message }), /geheim/);
      assert.throws(() => {
        throw error;
      }, absent);
      return true;
    });
    const nowhere = { ...server.place("lab"), host: `${server.folder}/nowhere` };
    await assert.rejects(openDatabase(nowhere), { code: "DATABASE_UNREACHABLE", fix: /socket/ });
    const latin = await server.create("template0", "encoding 'LATIN1' lc_collate 'C' lc_ctype 'C'");
    await assert.rejects(openDatabase(latin), { code: "DATABASE_UNSUITABLE", why: /LATIN1/ });
  });

  test("opened to be read, nothing is written", async () => {
    const place = await server.prepared();
    await (await openDatabase(place)).destroy();
    const db = await connectDatabase(place, { isReadOnly: true });
    await assert.rejects(db.deleteFrom("events").execute(), /read-only/);
    assert.deepEqual(await db.selectFrom("events").selectAll().execute(), []);
    await db.destroy();
  });

  test("a database has one server; when that is gone, the next one has it", async () => {
    const place = await server.prepared();
    const first = await ServerLock.take(place, 0);
    await assert.rejects(ServerLock.take(place, 0), {
      code: "DATABASE_IN_USE",
      why: new RegExp(`bootcast server ${process.pid} on `),
    });
    // Another database of the same PostgreSQL has nothing to do with it.
    await (await ServerLock.take(await server.prepared(), 0)).release();
    const second = ServerLock.take(place, 30_000);
    await first.release();
    await (await second).release();
  });

  test("servers are together; who wants the database alone waits for all, and they for it", async () => {
    const place = await server.create();
    const first = await ServerLock.enter(place, 0);
    assert(first.isAlone);
    // It brings the tables up to date.
    await assert.rejects(ServerLock.enter(place, 0), { code: "DATABASE_IN_USE" });
    await (await openDatabase(place)).destroy();
    await first.letOthersIn();
    const second = await ServerLock.enter(place, 0);
    assert(!second.isAlone);
    await (await openDatabase(place, { isShared: true })).destroy();
    await server.query("delete from kysely_migration where name = '0001-first'", place.database);
    await assert.rejects(openDatabase(place, { isShared: true }), { code: "DATABASE_OLDER", why: /0001-first/ });
    await assert.rejects(ServerLock.take(place, 0), { code: "DATABASE_IN_USE", why: /alone/ });
    await first.release();
    await assert.rejects(ServerLock.take(place, 0), { code: "DATABASE_IN_USE" });
    await second.release();
    await (await ServerLock.take(place, 30_000)).release();
  });

  test("a server that was cut off takes its place again, or ends when another one has it", async () => {
    const place = await server.prepared();
    const holder = `select pid from pg_locks where locktype = 'advisory' and granted and objid = 2
      and database = (select oid from pg_database where datname = '${place.database}')`;
    const pidOf = async () => (await server.query(holder))[0]?.["pid"];
    const lock = await ServerLock.take(place, 0);
    const before = await pidOf();
    await server.query(`select pg_terminate_backend(${before})`);
    let now = await pidOf();
    while (now === undefined || now === before) now = await pidOf();
    // Somebody waits in line this time.
    const other = await connectDatabase(place);
    const classid = 0x62_6f_6f_74;
    const { promise: end, resolve } = Promise.withResolvers<void>();
    const taken = other.connection().execute(async (db) => {
      await sql`select pg_advisory_lock(${sql.lit(classid)}, 2)`.execute(db);
      await end;
    });
    while ((await server.query(holder.replace("granted", "not granted"))).length === 0);
    await server.query(`select pg_terminate_backend(${now})`);
    assert.equal((await lock.lost).code, "DATABASE_IN_USE");
    resolve();
    await taken;
    await lock.release();
    await other.destroy();
  });

  test("PostgreSQL is killed and comes back: what was done is there, and the server goes on", async () => {
    const core = await Core.open();
    const { name } = await core.hosts.register(machine(1));
    const { deployId } = await core.deploys.create({ image: "lab-debian", to: [name] });
    await server.kill();
    await assert.rejects(core.events.list(), { code: "DATABASE_UNREACHABLE" });
    await assert.rejects(core.deploys.cancel(deployId), { code: "DATABASE_UNREACHABLE" });
    await server.up();
    assert.deepEqual(await core.orders.bootPolicyOf(machine(1).mac), { boot: "agent" });
    await core.deploys.cancel(deployId);
    assert.deepEqual(await core.orders.bootPolicyOf(machine(1).mac), { boot: "disk" });
    assert.deepEqual(
      (await core.events.list()).map(({ kind }) => kind),
      ["host.registered", "deploy.created", "deploy.host-added", "deploy.cancelled"],
    );
    await core.db.destroy();
  });
}
