import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { request } from "undici";
import type { Order, Registration } from "../../../agent/contract.ts";
import { ApiClient } from "../../../cli/client.ts";
import { dbCommand } from "../../../cli/db/db.ts";
import { openDatabase } from "../../../server/db/database.ts";
import { placeText } from "../../../server/db/place.ts";
import { standingOrders } from "../../../server/store/image-orders.ts";
import { Core, machine } from "../../server/core.ts";
import type { PostgresServer } from "../../server/db/postgres-server.ts";
import { bootcast, ServerProcess } from "../program.ts";

/** Whole servers with their tables in PostgreSQL, and the commands about it. */
export function serversOnPostgres(postgres: PostgresServer): void {
  const directory = mkdtempSync(join(tmpdir(), "bootcast-cli-"));
  const started: ServerProcess[] = [];
  after(async () => {
    await Promise.all(started.map((server) => server.stop()));
    rmSync(directory, { recursive: true, force: true });
  });
  const start = async (...more: readonly string[]) => {
    const server = await ServerProcess.start(directory, more);
    started.push(server);
    return server;
  };

  test("a site moves to PostgreSQL; its server is killed, and the next one goes on with the orders that stood", async () => {
    const place = await postgres.create();
    const url = placeText(place);
    const before = await start();
    const raw = join(directory, "golden.raw");
    writeFileSync(raw, Buffer.alloc(1 << 20, "golden "));
    const imported = await before.run("image", "import", raw, "--name", "lab-debian");
    assert.equal(imported.code, 0, imported.stderr);
    const host = await register(before.address);
    const api = ApiClient.local(join(directory, "control.sock"));
    await api.post("/api/v1/deploys", { image: "lab-debian", to: [host.name] });
    await api.close();
    const move = ["move", "--to", url, "--data-dir", directory];
    await assert.rejects(inThisProcess(move), { code: "SERVER_RUNNING" });
    const copy = join(directory, "copy.db");
    const backup = await before.run("db", "backup", copy, "--json");
    assert.deepEqual(JSON.parse(backup.stdout).stoppedSessions, [1], backup.stderr);
    assert.equal(readFileSync(copy).subarray(0, 15).toString(), "SQLite format 3");
    await before.stop();

    const moved = await bootcast(["db", ...move]);
    assert.equal(moved.code, 0, moved.stderr);
    assert(moved.stdout.includes(`[database]\nurl = "${url}"`), moved.stdout);
    assert.match(moved.stderr, /^hosts: 1 rows$/m);
    await assert.rejects(start(), /DATABASE_LEFT/);
    const notes = await postgres.query("select actor from events where kind = 'database.backed-up'", place.database);
    assert.deepEqual(notes, [{ actor: `${userInfo().username} on this machine` }]);

    const set = `database.url=${url}`;
    const first = await start(set);
    const order = await orderOf(first.address, host);
    assert(order.kind === "deploy");
    await first.stop("SIGKILL");
    const again = await orderOf((await start(set)).address, host);
    assert(again.kind === "deploy" && again.deployId === order.deployId);
  });

  test("an image that is ordered is known to be, and backups are left to PostgreSQL", async () => {
    const place = await postgres.create();
    const core = new Core(await openDatabase(place));
    const { name } = await core.hosts.register(machine(1));
    const { deployId } = await core.deploys.create({ image: "lab-debian", to: [name] });
    assert.deepEqual(await standingOrders(place), [{ deployId, name: "lab-debian", version: 1 }]);
    await core.deploys.cancel(deployId);
    assert.deepEqual(await standingOrders(place), []);
    await core.db.destroy();
    const config = join(directory, "room.toml");
    writeFileSync(config, `[database]\nurl = "${placeText(place)}"\n`);
    await assert.rejects(inThisProcess(["backup", join(directory, "no.db"), "--config", config]), {
      code: "DATABASE_BACKUP",
      fix: `pg_dump --format=custom --file='${join(directory, "no.db")}' '${placeText(place)}'`,
    });
    await assert.rejects(inThisProcess(["move", "--to", "postgres://a:secret@b/c"]), {
      code: "commander.invalidArgument",
    });
  });
}

/** `bootcast db WORDS`, where it fails before it prints. */
async function inThisProcess(words: readonly string[]): Promise<void> {
  const command = dbCommand().exitOverride();
  for (const child of command.commands) child.exitOverride().configureOutput({ outputError: () => {} });
  await command.parseAsync([...words], { from: "user" });
}

async function register(address: string): Promise<Registration> {
  const body = JSON.stringify(machine(1));
  const headers = { "content-type": "application/json" };
  const response = await request(`${address}/agent/v1/hosts`, { method: "POST", body, headers });
  return (await response.body.json()) as Registration;
}

async function orderOf(address: string, { hostId, token }: Registration): Promise<Order> {
  const headers = { authorization: `Bearer ${token}` };
  const { body } = await request(`${address}/agent/v1/hosts/${hostId}/order`, { headers });
  return (await body.json()) as Order;
}
