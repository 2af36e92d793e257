import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { request } from "undici";
import type { Order, Registration } from "../../../agent/contract.ts";
import { placeText } from "../../../server/db/place.ts";
import { machine } from "../../server/core.ts";
import type { PostgresServer } from "../../server/db/postgres-server.ts";
import { bootcast, ServerProcess } from "../program.ts";

/** Whole servers with their tables in PostgreSQL, and the commands about it. */
export function serversOnPostgres(postgres: PostgresServer): void {
  test("a site moves to PostgreSQL; its server is killed, and the next one goes on with the orders that stood", async () => {
    const dataDir = mkdtempSync(join(tmpdir(), "bootcast-cli-"));
    const config = join(dataDir, "room.toml");
    const place = await postgres.create();
    const url = placeText(place);
    const started: ServerProcess[] = [];
    const start = async (...more: Parameters<typeof ServerProcess.start>) => {
      const server = await ServerProcess.start(...more);
      started.push(server);
      return server;
    };
    try {
      const raw = join(dataDir, "golden.raw");
      writeFileSync(raw, Buffer.alloc(1 << 20, "golden "));
      let server = await start(dataDir);
      const imported = await server.run("image", "import", raw, "--name", "lab-debian");
      assert.equal(imported.code, 0, imported.stderr);
      const host = await register(server.address);
      const order = ["deploy", "lab-debian", "--to", host.name, "--confirm", host.name, "--json"];
      const deployed = await server.run(...order);
      assert.equal(deployed.code, 0, deployed.stderr);
      const running = await server.run("db", "move", "--to", url);
      assert.match(running.stderr, /SERVER_RUNNING/);
      const copy = join(dataDir, "copy.db");
      const backup = await server.run("db", "backup", copy, "--json");
      assert.deepEqual(JSON.parse(backup.stdout).stoppedSessions, [1], backup.stderr);
      assert.equal(readFileSync(copy).subarray(0, 15).toString(), "SQLite format 3");
      await server.stop();

      const moved = await bootcast(["db", "move", "--to", url, "--data-dir", dataDir]);
      assert.equal(moved.code, 0, moved.stderr);
      assert(moved.stdout.includes(`[database]\nurl = "${url}"`), moved.stdout);
      assert.match(moved.stderr, /^hosts: 1 rows$/m);
      await assert.rejects(start(dataDir), /DATABASE_LEFT/);

      const notes = await postgres.query("select actor from events where kind = 'database.backed-up'", place.database);
      assert.deepEqual(notes, [{ actor: `${userInfo().username} on this machine` }]);

      server = await start(dataDir, [`database.url=${url}`]);
      writeFileSync(config, `[database]\nurl = "${url}"\n`);
      const here = (...words: string[]) => bootcast([...words, "--data-dir", dataDir, "--config", config]);
      const [used, refused, dumped] = await Promise.all([
        here("db", "move", "--to", `sqlite:${join(dataDir, "back.db")}`),
        here("image", "remove", "lab-debian", "--confirm", "lab-debian"),
        here("db", "backup", join(dataDir, "no.db")),
      ]);
      assert.match(used.stderr, /SERVER_RUNNING/);
      assert.match(refused.stderr, /IMAGE_ORDERED/);
      assert.match(dumped.stderr, /DATABASE_BACKUP[\s\S]*pg_dump --format=custom --file='.*no.db' 'postgres:/);

      const before = await orderOf(server.address, host);
      assert(before.kind === "deploy");
      await server.stop("SIGKILL");
      server = await start(dataDir, [`database.url=${url}`]);
      const again = await orderOf(server.address, host);
      assert(again.kind === "deploy");
      assert.equal(again.deployId, before.deployId);

      // Another one waits for the first, and begins when that is killed.
      const next = start(undefined, [`database.url=${url}`]);
      await server.stop("SIGKILL");
      const other = await next;
      assert.match((await other.run("host", "list", "--json")).stdout, new RegExp(`"${host.name}"`));
      other.remove();
    } finally {
      await Promise.all(started.map((server) => server.stop()));
      rmSync(dataDir, { recursive: true, force: true });
    }
  });
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
