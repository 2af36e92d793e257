import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { runAgent } from "../../agent/run.ts";
import { ApiClient } from "../../cli/client.ts";
import type { EventBody } from "../../server/api/schemas.ts";
import { placeText } from "../../server/db/place.ts";
import { readSitePublicKey } from "../../server/store/keys.ts";
import { ServerProcess } from "../cli/program.ts";
import { PostgresServer, postgresMissing } from "../server/db/postgres-server.ts";
import { realAgent } from "./real-agent.ts";

const HOSTS = 4;
const DISK_BYTES = 4 << 20;
/** Slow enough that everybody is in the middle of it when the first server is killed; then fast enough to see its end. */
const [SLOW, FAST] = ["multicast.rate=20kB/s", "multicast.rate=5MB/s"];

test("two servers on one PostgreSQL: one is killed in the middle of a stream, and every host finishes at the other", {
  timeout: 3 * 60_000,
  skip: postgresMissing,
}, async (t) => {
  await using parts = new AsyncDisposableStack();
  const postgres = await PostgresServer.start();
  parts.defer(() => postgres.remove());
  const place = await postgres.create();
  const url = `database.url=${placeText(place)}`;
  const first = await ServerProcess.start(undefined, [url, SLOW]);
  parts.defer(() => first.remove());
  parts.defer(async () => void (await first.stop("SIGKILL")));
  const golden = randomBytes(DISK_BYTES);
  writeFileSync(join(first.dataDir, "golden.raw"), golden);
  const imported = await first.run("image", "import", join(first.dataDir, "golden.raw"), "--name", "lab-debian");
  assert.equal(imported.code, 0, imported.stderr);

  // The second one has the site's keys, and a copy of the store.
  const dataDir = mkdtempSync(join(tmpdir(), "bootcast-second-"));
  parts.defer(() => rmSync(dataDir, { recursive: true, force: true }));
  await t.test("a server with another site key is refused", async () => {
    const stranger = ServerProcess.start(mkdtempSync(join(dataDir, "stranger-")), [url]);
    await assert.rejects(stranger, /SITE_KEY_DIFFERS/);
  });
  for (const folder of ["keys", "store"]) {
    cpSync(join(first.dataDir, folder), join(dataDir, folder), { recursive: true, preserveTimestamps: true });
  }
  const second = await ServerProcess.start(dataDir, [url, FAST]);
  parts.defer(async () => void (await second.stop()));

  const { publicKey: trusted } = await readSitePublicKey(first.dataDir);
  const about = { server: new URL(first.address), trusted, diskBytes: DISK_BYTES };
  const agents = Array.from({ length: HOSTS }, (_, at) => realAgent(at + 1, about));
  const moved = agents.map(({ signs }) => once(signs, "moved"));
  const outcomes = Promise.all(agents.map(({ ports }) => runAgent(ports)));
  // At the other server: the first one hears of it.
  const ordered = await second.run("deploy", "lab-debian", "--to", "any", "--confirm", "any");
  assert.equal(ordered.code, 0, ordered.stderr);
  await Promise.all(moved);
  await first.stop("SIGKILL");
  const killedAt = performance.now();
  assert.deepEqual(await outcomes, Array(HOSTS).fill("done"));
  t.diagnostic(`every host was done ${Math.round((performance.now() - killedAt) / 100) / 10} s after the kill`);
  assert.deepEqual(
    agents.flatMap(({ failures }) => failures),
    [],
  );
  for (const { disk, mac } of agents) assert(golden.equals(disk.bytes), `${mac} has other bytes`);

  const api = ApiClient.local(join(dataDir, "control.sock"));
  parts.defer(() => api.close());
  const { events } = await api.get<{ events: EventBody[] }>("/api/v1/events");
  const of = (kind: string) => events.filter((event) => event.kind === kind);
  assert.equal(of("deploy.host-done").length, HOSTS);
  assert.equal(new Set(of("deploy.host-done").map(({ hostId }) => hostId)).size, HOSTS);
  assert.equal(of("deploy.host-failed").length, 0);
  assert.equal(of("host.registered").length, HOSTS);
  assert.deepEqual(
    ["deploy.created", "server.gone", "stream.taken-over", "stream.not-taken"].map((kind) => of(kind).length),
    [1, 1, 1, 0],
  );
  // A host's states follow each other across the servers: none is told again.
  const states = new Map<string, string>();
  for (const { hostId, data } of of("host.state")) {
    const { from, state } = data as { from: string; state: string };
    if (states.has(hostId!)) assert.equal(from, states.get(hostId!));
    assert.notEqual(from, state);
    states.set(hostId!, state);
  }
});
