import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, test } from "node:test";
import { type Database, openDatabase } from "../../../server/db/database.ts";
import { databaseLeases } from "../../../server/db/leases.ts";
import { refuseLeft } from "../../../server/db/left.ts";
import { moveDatabase } from "../../../server/db/move.ts";
import { type DatabasePlace, placeText } from "../../../server/db/place.ts";
import { type AnyTables, contentOf, tableShapes } from "../../../server/db/tables.ts";
import { Core, machine, NETWORK } from "../core.ts";
import type { PostgresServer } from "./postgres-server.ts";

const now = () => 7_000_000;

/** Moving a database from one kind to the other, and back. */
export function moves(server: PostgresServer): void {
  const directory = mkdtempSync(join(tmpdir(), "bootcast-move-"));
  after(() => rmSync(directory, { recursive: true }));
  let files = 0;
  const newFile = () => ({ file: join(directory, `${++files}.db`) });

  test("to PostgreSQL and back: every row is there, and numbers go on where they were", async () => {
    const first = newFile();
    const { hostId, lastDeploy } = await filled(first);
    const before = await contents(first);
    const middle = await server.create();
    const told: string[] = [];
    const moved = await moveDatabase(first, middle, { now, onTable: (name, rows) => told.push(`${name} ${rows}`) });
    assert.equal(moved.tables["events"], before.get("events")?.rows);
    assert(told.includes("hosts 2"), told.join());
    const last = newFile();
    await moveDatabase(middle, last, { now });

    const after = await contents(last);
    for (const table of ["hosts", "host_macs", "host_boot", "leases", "scripts", "deploys", "deploy_hosts"]) {
      assert.deepEqual(after.get(table), before.get(table), table);
      assert(before.get(table)!.rows > 0, table);
    }
    const db = await openDatabase(last);
    const core = new Core(db);
    // A bare number again would be another session's, in somebody's report.
    const order = await core.orders.orderFor(hostId, NETWORK);
    assert(order.kind === "deploy" && order.deployId === String(lastDeploy));
    await core.deploys.cancel(lastDeploy);
    const { deployId } = await core.deploys.create({ image: "lab-debian", to: ["lab-01"] });
    assert.equal(deployId, lastDeploy + 1);
    await db.destroy();
  });

  test("the one that was left is refused from then on, by servers and as a source", async () => {
    const from = newFile();
    await filled(from);
    const to = await server.prepared();
    await moveDatabase(from, to, { now });
    const db = await openDatabase(from);
    const url = placeText(to);
    await assert.rejects(refuseLeft(db, "x"), (error: { code: string; fix: string } & Error) => {
      return error.code === "DATABASE_LEFT" && error.fix.includes(url);
    });
    await db.destroy();
    await assert.rejects(moveDatabase(from, newFile(), { now }), { code: "DATABASE_LEFT" });
    const there = await openDatabase(to);
    await refuseLeft(there, url);
    await there.destroy();
  });

  test("one that is not empty, is somebody else's or is the same is refused, and nothing changes", async () => {
    const from = newFile();
    await filled(from);
    const to = await server.prepared();
    const db = await openDatabase(to);
    await db.insertInto("scripts").values(script("mine")).execute();
    const refused = { code: "DATABASE_NOT_EMPTY", fix: /createdb/ };
    const before = [await contents(from), await contents(to)];
    await assert.rejects(moveDatabase(from, to, { now }), refused);
    assert.deepEqual([await contents(from), await contents(to)], before);
    await db.destroy();
    const foreign = await server.create();
    await server.query("create table shop (price int)", foreign.database);
    await assert.rejects(moveDatabase(from, foreign, { now }), { ...refused, why: /shop/ });
    assert.equal((await server.query("select 1 from pg_tables where tablename = 'hosts'", foreign.database)).length, 0);
    await assert.rejects(moveDatabase(from, from, { now }), { code: "DATABASE_SAME" });
    await assert.rejects(moveDatabase(from, { file: join(directory, ".", `${files}.db`) }, { now }), {
      code: "DATABASE_SAME",
    });
  });

  test("what fails in the middle leaves nothing there, and the old one in use", async () => {
    const from = newFile();
    await filled(from);
    const to = await server.prepared();
    await (await openDatabase(to)).destroy();
    await server.query("alter table scripts add constraint never check (most_seconds < 0)", to.database);
    await assert.rejects(moveDatabase(from, to, { now }), /never/);
    for (const [table, { rows }] of await contents(to)) assert.equal(rows, 0, table);
    const db = await openDatabase(from);
    await refuseLeft(db, "x");
    await db.destroy();
    await server.query("alter table scripts drop constraint never", to.database);
    await moveDatabase(from, to, { now });
  });

  test("killed between writing the new one and marking the old one: it is repeated", async () => {
    const from = newFile();
    await filled(from);
    const to = await server.prepared();
    await moveDatabase(from, to, { now });
    // As it was at that moment.
    for (const place of [from, to]) {
      const db = await openDatabase(place);
      await db.deleteFrom("events").where("kind", "like", "database.%").execute();
      await db.destroy();
    }
    const { tables } = await moveDatabase(from, to, { now });
    assert.equal(tables["hosts"], 2);
    const db = await openDatabase(from);
    await assert.rejects(refuseLeft(db, "x"), { code: "DATABASE_LEFT" });
    await db.destroy();
  });

  test("nobody else writes into the old one while it is moved", async () => {
    const from = newFile();
    await filled(from);
    const writer = new DatabaseSync(from.file, { timeout: 0 });
    let tries = 0;
    await moveDatabase(from, await server.prepared(), {
      now,
      onTable: () => {
        tries += 1;
        assert.throws(() => writer.exec("delete from scripts"), /locked/);
      },
    });
    assert(tries > 10);
    writer.close();
  });
}

function script(name: string) {
  return { owner_kind: "group", owner: "g", name, text: "echo\0", most_seconds: 5 };
}

/** A database with something in its tables, also a number that was used and is not there any more. */
async function filled(place: DatabasePlace): Promise<{ hostId: string; lastDeploy: number }> {
  const db = await openDatabase(place);
  const core = new Core(db);
  const { hostId } = await core.hosts.register(machine(1));
  await core.hosts.register(machine(2, { vendor: "Müller\0 & Söhne 𝄞" }));
  await core.db.insertInto("scripts").values(script("first")).execute();
  await core.db
    .insertInto("host_boot")
    .values({
      ...{ host_id: hostId, secure_boot: 1, loader: null, net_boot_image: null, net_boot_until_ms: null },
      ...{ address: "10.0.0.4", tftp_block_bytes: null, tftp_window_blocks: null, tftp_wraps_to: null },
    })
    .execute();
  await databaseLeases(db).save({ address: "10.0.0.9", mac: "52:54:00:00:00:01", state: "bound", untilMs: 2 ** 41 });
  const old = await core.deploys.create({ image: "lab-debian", to: ["lab-01"] });
  await core.deploys.cancel(old.deployId);
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: ["lab-01"] });
  await core.report(hostId, "preflight", deployId, { percent: 33.3 });
  const events = Array.from({ length: 1200 }, (_, number) => ({ kind: "boot.dhcp", atMs: number, data: { number } }));
  await core.events.append(events);
  await db.deleteFrom("events").where("id", ">", 1000).where("id", "<", 1100).execute();
  await db.destroy();
  return { hostId, lastDeploy: deployId };
}

async function contents(place: DatabasePlace): Promise<Map<string, { rows: number; digest: string }>> {
  const db: Database = await openDatabase(place);
  try {
    const found = new Map<string, { rows: number; digest: string }>();
    const tables = db as unknown as AnyTables;
    for (const shape of await tableShapes(tables)) found.set(shape.name, await contentOf(tables, shape));
    return found;
  } finally {
    await db.destroy();
  }
}
