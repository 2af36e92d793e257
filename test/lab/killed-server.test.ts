import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Client } from "undici";
import { runAgent } from "../../agent/run.ts";
import type { EventBody } from "../../server/api/schemas.ts";
import { readSitePublicKey } from "../../server/store/keys.ts";
import { ServerProcess } from "../cli/program.ts";
import { randomOf } from "../multicast/streams.ts";
import { realAgent } from "./real-agent.ts";

const SEED = Number(process.env["SEED"] ?? 1);
const KILLS = 20;
const HOSTS = 6;
const DISK_BYTES = 6 << 20;
/** Slow enough that the session is still going on at the last kill, on any machine; then fast enough to see its end. */
const [SLOW, FAST] = ["multicast.rate=20kB/s", "multicast.rate=5MB/s"];

/** A port that is free now: the server comes back to the same one, as a server does. */
async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, "close");
  return port;
}

/** Hears all events, each once, whatever happens to the server: it says which was the last. */
class Listener {
  readonly ids: number[] = [];
  readonly events: EventBody[] = [];
  readonly #client: Client;
  readonly #over = new AbortController();
  readonly #ended: Promise<void>;

  constructor(socketPath: string) {
    this.#client = new Client("http://bootcast", { socketPath, bodyTimeout: 0 });
    this.#ended = this.#hear();
  }

  async #hear(): Promise<void> {
    const signal = this.#over.signal;
    while (!signal.aborted) {
      const headers = { accept: "text/event-stream", "last-event-id": String(this.ids.at(-1) ?? 0) };
      try {
        const { body } = await this.#client.request({ method: "GET", path: "/api/v1/events", headers, signal });
        let text = "";
        for await (const chunk of body) {
          text += String(chunk);
          for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
            const [, id] = /^id: (\d+)$/m.exec(text.slice(0, end)) ?? [];
            const [, data] = /^data: (.*)$/m.exec(text.slice(0, end)) ?? [];
            if (id !== undefined) this.ids.push(Number(id));
            if (data !== undefined) this.events.push(JSON.parse(data) as EventBody);
            text = text.slice(end + 2);
          }
        }
      } catch {
        // It is being killed, or started again.
        await delay(20);
      }
    }
  }

  async close(): Promise<void> {
    this.#over.abort();
    await this.#ended;
    await this.#client.destroy();
  }
}

test(`a server that is killed ${KILLS} times during a session: every host finishes, nothing is told twice, nothing is lost`, {
  timeout: 6 * 60_000,
}, async (t) => {
  t.diagnostic(`SEED=${SEED}`);
  const random = randomOf(SEED);
  const port = `http.port=${await freePort()}`;
  let server = await ServerProcess.start(undefined, [port, SLOW]);
  const { dataDir } = server;
  const socketPath = join(dataDir, "control.sock");
  const golden = randomBytes(DISK_BYTES);
  writeFileSync(join(dataDir, "golden.raw"), golden);
  const imported = await server.run("image", "import", join(dataDir, "golden.raw"), "--name", "lab-debian");
  assert.equal(imported.code, 0, imported.stderr);
  const listener = new Listener(socketPath);
  const { publicKey: trusted } = await readSitePublicKey(dataDir);
  const about = { server: new URL(server.address), trusted, diskBytes: DISK_BYTES };
  const agents = Array.from({ length: HOSTS }, (_, at) => realAgent(at + 1, about));
  const outcomes = agents.map(({ ports }) => runAgent(ports));
  let areDone = false;
  const all = Promise.all(outcomes).finally(() => {
    areDone = true;
  });
  try {
    const ordered = await server.run("deploy", "lab-debian", "--to", "any", "--confirm", "any");
    assert.equal(ordered.code, 0, ordered.stderr);
    let kills = 0;
    for (; kills < KILLS && !areDone; kills += 1) {
      // However slow the machine is: a server that never lives long enough to send helps nobody.
      if (kills > KILLS / 4) await Promise.race([all, ...agents.map(({ signs }) => once(signs, "moved"))]);
      await delay(random() * 1_000);
      await server.stop("SIGKILL");
      server = await ServerProcess.start(dataDir, [port, kills < KILLS - 1 ? SLOW : FAST]);
    }
    await all;
    assert.deepEqual(
      agents.flatMap(({ failures }) => failures),
      [],
    );
    assert.deepEqual(await all, Array(HOSTS).fill("done"));
    assert.equal(kills, KILLS, "the session was over before the last kill");
    for (const { disk, mac } of agents) assert(golden.equals(disk.bytes), `${mac} has other bytes`);

    // What was heard, across all deaths, is what is written: each once, in its order.
    const client = new Client("http://bootcast", { socketPath });
    const written: number[] = [];
    for (let after = 0; ; after = written.at(-1)!) {
      const { body } = await client.request({ method: "GET", path: `/api/v1/events?after=${after}` });
      const { events } = (await body.json()) as { events: EventBody[] };
      written.push(...events.map(({ id }) => id));
      if (events.length === 0) break;
    }
    await client.close();
    while (listener.ids.at(-1) !== written.at(-1)) await delay(20, undefined, { signal: t.signal });
    assert.deepEqual(listener.ids, written);
    const of = (kind: string) => listener.events.filter((event) => event.kind === kind);
    assert.equal(of("deploy.host-done").length, HOSTS);
    assert.equal(new Set(of("deploy.host-done").map(({ hostId }) => hostId)).size, HOSTS);
    assert.equal(of("deploy.created").length, 1);
    assert.equal(of("deploy.host-failed").length, 0);
    // A host's states follow each other: none is told again, and none follows another than the one before.
    const states = new Map<string, string>();
    for (const { hostId, data } of of("host.state")) {
      const { from, state } = data as { from: string; state: string };
      if (states.has(hostId!)) assert.equal(from, states.get(hostId!));
      assert.notEqual(from, state);
      states.set(hostId!, state);
    }
  } finally {
    await listener.close();
    await server.stop();
    server.remove();
  }
});
