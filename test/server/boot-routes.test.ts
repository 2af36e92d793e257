import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Client } from "undici";
import { bootTraceRoutes, traceFeed } from "../../server/api/boot-routes.ts";
import type { BootBody, TraceBody, TraceEntryBody } from "../../server/api/boot-schemas.ts";
import type { BootTraceEntry } from "../../server/boot-trace/boot-trace.ts";
import { BootTraceService } from "../../server/boot-trace/service.ts";
import { BootClients } from "../../server/dhcp/boot-clients.ts";
import { createHttp, type HttpServer } from "../../server/http/http.ts";
import { Core, machine } from "./core.ts";

let core: Core;
let http: HttpServer;
let trace: BootTraceService;
let name: string;
const [known, stranger] = [machine(1).mac, machine(2).mac];

before(async () => {
  core = await Core.open();
  const now = () => core.nowMs;
  trace = await BootTraceService.start({
    db: core.db,
    events: core.events,
    log: core.log,
    now,
    clients: new BootClients(now),
  });
  http = createHttp(core.log);
  bootTraceRoutes(http, {
    trace,
    hosts: core.hosts,
    counters: () => ({ dhcp: { answered: { OFFER: 2 }, dropped: { "boots its own disk": 1 } }, tftp: { served: 3 } }),
  });
  await http.ready();
  note(0, { mac: known, service: "pxe", asked: "DISCOVER", answered: "OFFER old", detail: { is: "pxe" } });
  note(2_000, { mac: known, service: "tftp", asked: "old", answered: "sent" });
  note(60_000, { mac: known, service: "pxe", asked: "DISCOVER", answered: "OFFER new", detail: { is: "pxe" } });
  note(0, { mac: stranger, service: "pxe", asked: "DISCOVER", reason: "no loader", isRefusal: true });
  note(3_000, { mac: known, service: "tftp", asked: "new", answered: "sent", detail: { bytes: 5, ms: 1 } });
  ({ name } = await core.hosts.register(machine(1)));
});
after(async () => {
  await http.close();
  await trace.stop();
  await core.db.destroy();
});

function note(ms: number, entry: BootTraceEntry): void {
  core.nowMs += ms;
  trace.log.note(entry);
}

async function listed(query: string): Promise<TraceEntryBody[]> {
  const response = await http.inject(`/api/v1/boot/trace${query}`);
  assert.equal(response.statusCode, 200, response.body);
  return (response.json() as TraceBody).entries;
}

const told = (entries: readonly TraceEntryBody[]) => entries.map(({ asked, answered = "-" }) => `${asked} ${answered}`);

test("everything, with the names that are known now", async () => {
  const entries = await listed("");
  assert.equal(entries.length, 6);
  assert.deepEqual(
    entries.map(({ host }) => host),
    [name, name, name, undefined, name, name],
    "also for packets from before it had a name",
  );
  assert.deepEqual(entries[4]?.detail, { bytes: 5, ms: 1 });
});

test("one machine: by name, id or address; its last boot alone", async () => {
  const agent = `the agent registers is ${name}`;
  const all = ["DISCOVER OFFER old", "old sent", "DISCOVER OFFER new", "new sent", agent];
  const { id } = await core.hosts.find(name);
  for (const word of [name, name.toUpperCase(), id, known, known.toUpperCase().replaceAll(":", "-")]) {
    assert.deepEqual(told(await listed(`?host=${word}`)), all, word);
  }
  assert.deepEqual(told(await listed(`?host=${name}&boot=last`)), all.slice(2));
  assert.deepEqual(told(await listed(`?host=${stranger}`)), ["DISCOVER -"]);
  assert.deepEqual(await listed("?host=02:00:00:00:00:99&boot=last"), []);
  const unknown = await http.inject("/api/v1/boot/trace?host=lab-99");
  assert.deepEqual([unknown.statusCode, unknown.json().code], [404, "HOST_UNKNOWN"]);
});

test("since a time, after an entry, the newest so many; nothing else is understood", async () => {
  const all = await listed("");
  assert.deepEqual(await listed(`?since=${all[2]!.atMs}`), all.slice(2));
  assert.deepEqual(await listed(`?after=${all[2]!.id}`), all.slice(3));
  assert.deepEqual(await listed("?limit=2"), all.slice(-2));
  for (const query of ["?since=yesterday", "?limit=0", "?boot=first"]) {
    assert.equal((await http.inject(`/api/v1/boot/trace${query}`)).statusCode, 400, query);
  }
});

test("counters, and who tried lately with the reason of those refused", async () => {
  const body = (await http.inject("/api/v1/boot")).json() as BootBody;
  assert.deepEqual(body.recent.refused, [{ mac: stranger, atMs: body.recent.refused[0]!.atMs, reason: "no loader" }]);
  assert.equal(body.recent.tried, 2);
  assert.deepEqual(body.dhcp?.answered, { OFFER: 2 });
  assert.deepEqual([body.tftp["served"], body.trace.notStored], [3, 0]);
});

test("the feed: what was missed, then what comes, each once, of the machine that was asked for", async () => {
  const directory = mkdtempSync(join(tmpdir(), "bootcast-boot-"));
  const socketPath = join(directory, "s");
  await http.listen({ path: socketPath });
  const client = new Client("http://bootcast", { socketPath });
  try {
    const all = await listed(`?host=${known}`);
    const headers = { accept: "text/event-stream", "last-event-id": String(all.at(-3)!.id) };
    const path = `/api/v1/boot/trace?host=${known}`;
    const { body, headers: answered } = await client.request({ method: "GET", path, headers });
    assert.match(String(answered["content-type"]), /^text\/event-stream/);
    let received = "";
    let isNoted = false;
    for await (const chunk of body) {
      received += String(chunk);
      if (!isNoted && received.includes(`id: ${all.at(-1)!.id}\n`)) {
        isNoted = true;
        note(1_000, { mac: stranger, service: "pxe", asked: "DISCOVER", answered: "OFFER" });
        note(0, { mac: known, service: "tftp", asked: "live", answered: "sent" });
      }
      if (received.includes('"live"')) break;
    }
    const ids = [...received.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));
    const now = await listed(`?host=${known}`);
    assert.deepEqual(
      ids,
      now.slice(-3).map(({ id }) => id),
    );
  } finally {
    await client.destroy();
    rmSync(directory, { recursive: true });
  }
});

test("a host that is renamed or forgotten is so in the trace at once", async () => {
  const { hostId, name: first } = await core.hosts.register(machine(3));
  await core.hosts.rename(first, "teacher");
  assert.deepEqual([trace.hosts.of(machine(3).mac)?.name, trace.hosts.macsOf(hostId)], ["teacher", [machine(3).mac]]);
  await core.hosts.forget("teacher");
  assert.equal(trace.hosts.of(machine(3).mac), undefined);
});

test("a feed ends when its reader is not let in any more", async () => {
  let asked = 0;
  const feed = traceFeed(trace, { limit: 10 }, async () => ++asked < 3, 5);
  feed.resume();
  await once(feed, "close");
  assert.equal(asked, 3);
});
