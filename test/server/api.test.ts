import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Client } from "undici";
import { CONTRACT_VERSION } from "../../agent/contract.ts";
import { hostRoutes } from "../../server/api/host-routes.ts";
import { apiRoutes } from "../../server/api/routes.ts";
import type { EventBody, SessionBody } from "../../server/api/schemas.ts";
import { createHttp, type HttpServer } from "../../server/http/http.ts";
import { Core, machine, NETWORK } from "./core.ts";

let core: Core;
let http: HttpServer;

before(async () => {
  core = await Core.open();
  http = createHttp(core.log);
  const { hosts, deploys, conductor, sessions, streams, events } = core;
  apiRoutes(http, {
    hosts,
    deploys,
    conductor,
    sessions,
    streams,
    events,
    listImages: async () => [],
    status: async () => assert.fail("not asked for here"),
  });
  hostRoutes(http, core.hostParts());
  await http.ready();
});
after(async () => {
  await http.close();
  await core.db.destroy();
});

test("hosts are listed without anything secret, renamed and forgotten", async () => {
  await core.hosts.register(machine(1));
  const { hosts } = (await http.inject("/api/v1/hosts")).json();
  assert.equal(hosts.length, 1);
  assert.equal(hosts[0].name, "lab-01");
  assert.equal(hosts[0].disks[0].path, "/dev/vda");
  assert.doesNotMatch(JSON.stringify(hosts), /token/i);
  const renamed = await http.inject({ method: "PATCH", url: "/api/v1/hosts/lab-01", payload: { name: "teacher" } });
  assert.equal(renamed.json().name, "teacher");
  assert.equal((await http.inject("/api/v1/hosts/lab-01")).statusCode, 404);
  assert.equal((await http.inject({ method: "DELETE", url: "/api/v1/hosts/teacher" })).statusCode, 200);
  assert.deepEqual((await http.inject("/api/v1/hosts")).json(), { hosts: [] });
});

test("plan changes nothing, an order does, stop ends it", async () => {
  const { name, hostId } = await core.hosts.register(machine(2));
  const payload = { image: "lab-debian", to: [name] };
  const plan = await http.inject({ method: "POST", url: "/api/v1/deploys/plan", payload });
  assert.equal(plan.json().hosts[0].name, name);
  assert.equal(plan.json().hosts[0].warning, "");
  assert.deepEqual((await http.inject("/api/v1/sessions")).json(), { sessions: [] });
  const ordered = await http.inject({ method: "POST", url: "/api/v1/deploys", payload });
  assert.equal(ordered.statusCode, 201);
  const { deployId } = ordered.json();
  await core.orders.orderFor(hostId, NETWORK);
  await core.report(hostId, "receiving", deployId, { percent: 12.5, detail: "5 MB/s" });
  const session: SessionBody = (await http.inject(`/api/v1/sessions/${deployId}`)).json();
  assert.deepEqual([session.state, session.hosts[0]?.state, session.hosts[0]?.percent], ["active", "receiving", 12.5]);
  assert.equal(session.streams.length, 1);
  const stopped = await http.inject({ method: "POST", url: `/api/v1/sessions/${deployId}/stop` });
  assert.deepEqual([stopped.json().state, stopped.json().streams], ["cancelled", []]);
  const again = await http.inject({ method: "POST", url: `/api/v1/sessions/${deployId}/stop` });
  assert.deepEqual([again.statusCode, again.json().code], [409, "DEPLOY_ENDED"]);
});

test("an order in waves: planned, given, stopped for one host, gone on with, and its failed hosts asked for again", async () => {
  const names: string[] = [];
  const ids: string[] = [];
  for (const number of [41, 42, 43, 44]) {
    const { hostId, name } = await core.hosts.register(machine(number, { contract: CONTRACT_VERSION }));
    names.push(name);
    ids.push(hostId);
  }
  const ask = async (method: "GET" | "POST", url: string, payload?: object) => {
    const response = await http.inject({ method, url, ...(payload && { payload }) });
    return { status: response.statusCode, body: response.json() };
  };
  const startAtMs = core.nowMs + 3_600_000;
  const waves = { canary: [names[1]!], batch: 2 };
  const request = { image: "lab-debian", to: names, waves, startAtMs };
  const { body: plan } = await ask("POST", "/api/v1/deploys/plan", request);
  assert.deepEqual(plan.waves, { canary: [names[1]], batches: 2, batch: 2, mostFailed: 1 });
  assert.deepEqual(
    plan.hosts.map(({ wave }: { wave: number }) => wave),
    [1, 0, 1, 2],
  );
  assert.deepEqual([plan.startAtMs, plan.confirmation, plan.estimate.basis], [startAtMs, "4-hosts", "rate"]);
  const session = (await ask("POST", "/api/v1/deploys", request)).body.deployId;
  const url = `/api/v1/sessions/${session}`;
  assert.equal((await ask("GET", url)).body.hosts[0].heldBy, "the session has not begun");
  const stopped = await ask("POST", `${url}/stop`, { hosts: [names[3]!] });
  assert.equal(stopped.body.hosts[3].order, "cancelled");
  assert.deepEqual((await ask("POST", `${url}/stop`, { hosts: [names[3]!] })).body.code, "HOST_NOT_ORDERED");
  const started = await ask("POST", `${url}/start`);
  assert.deepEqual([started.status, started.body.startedAtMs], [200, core.nowMs]);
  await core.orders.orderFor(ids[1]!, NETWORK);
  const fault = { code: "X", what: "It broke.", why: "y", fix: "z" };
  await core.report(ids[1]!, "failed", session, { fault });
  await core.conductor.look();
  const { halted } = (await ask("GET", url)).body;
  assert.deepEqual([halted.code, halted.atMs], ["CANARY_FAILED", core.nowMs]);
  assert.equal((await ask("POST", `${url}/start`)).body.halted, null);
  const again = await ask("GET", `${url}/retry`);
  assert.deepEqual([again.body.to, again.body.retryOf], [[ids[1]], session]);
  const retried = await ask("POST", "/api/v1/deploys/plan", again.body);
  assert.deepEqual([retried.status, retried.body.confirmation], [200, names[1]]);
  await ask("POST", `${url}/stop`);
  assert.deepEqual((await ask("POST", `${url}/start`)).body.code, "DEPLOY_ENDED");
});

test("lists come in pages", async () => {
  const names = [];
  for (const number of [51, 52, 53]) names.push((await core.hosts.register(machine(number))).name);
  const all = (await http.inject("/api/v1/hosts")).json().hosts.map(({ name }: { name: string }) => name);
  const paged: string[] = [];
  for (let next = ""; next !== undefined; ) {
    const page = (await http.inject(`/api/v1/hosts?limit=2${next === "" ? "" : `&cursor=${next}`}`)).json();
    assert(page.hosts.length <= 2);
    paged.push(...page.hosts.map(({ name }: { name: string }) => name));
    next = page.next;
  }
  assert.deepEqual(paged, all);
  for (const name of names.slice(0, 2)) {
    await http.inject({ method: "POST", url: "/api/v1/deploys", payload: { image: "lab-debian", to: [name] } });
  }
  const newest = (await http.inject("/api/v1/sessions?limit=1")).json();
  const older = (await http.inject(`/api/v1/sessions?limit=1&cursor=${newest.next}`)).json();
  assert.deepEqual([newest.sessions.length, older.sessions[0].id], [1, newest.sessions[0].id - 1]);
  assert.equal((await http.inject("/api/v1/hosts?cursor=rubbish")).statusCode, 400);
  assert.equal((await http.inject(`/api/v1/sessions/${2 ** 40}`)).statusCode, 404);
  for (const huge of [
    "sessions/1e21",
    "sessions/9007199254740993000",
    "sessions?cursor=1e300",
    "events?session=1e21",
  ]) {
    assert.equal((await http.inject(`/api/v1/${huge}`)).statusCode, 400, huge);
  }
});

test("an order must say exactly what it means", async () => {
  for (const payload of [
    { image: "lab-debian" },
    { image: "lab-debian", to: [] },
    { image: "lab-debian", to: "all" },
    { image: "lab-debian", to: "any", erase: true },
    { image: "", to: "any" },
    { image: "lab-debian", to: "any", waitFor: 0 },
  ]) {
    const response = await http.inject({ method: "POST", url: "/api/v1/deploys", payload });
    assert.equal(response.statusCode, 400, JSON.stringify(payload));
  }
});

test("a disk that will not do is said in the plan", async () => {
  const [disk] = machine(0).disks;
  const small = await core.hosts.register(machine(3, { disks: [{ ...disk!, sizeBytes: 1e9 }] }));
  const two = await core.hosts.register(machine(4, { disks: [disk!, { ...disk!, path: "/dev/vdb" }] }));
  const usb = await core.hosts.register(machine(5, { disks: [{ ...disk!, transport: "usb" }] }));
  const payload = { image: "lab-debian", to: [small.name, two.name, usb.name] };
  const { hosts } = (await http.inject({ method: "POST", url: "/api/v1/deploys/plan", payload })).json();
  assert.match(hosts[0].warning, /too small/);
  assert.match(hosts[1].warning, /it fits.*it fits/);
  assert.match(hosts[2].warning, /connected by USB/);
});

test("events: by number, by session, and as a feed that goes on", async () => {
  const all: EventBody[] = (await http.inject("/api/v1/events")).json().events;
  assert(all.length > 3);
  const rest: EventBody[] = (await http.inject(`/api/v1/events?after=${all[1]!.id}&limit=2`)).json().events;
  assert.deepEqual(
    rest.map(({ id }) => id),
    [all[2]!.id, all[3]!.id],
  );
  const directory = mkdtempSync(join(tmpdir(), "bootcast-api-"));
  const socketPath = join(directory, "s");
  await http.listen({ path: socketPath });
  const client = new Client("http://bootcast", { socketPath });
  try {
    const last = all.at(-1)!.id;
    const headers = { accept: "text/event-stream", "last-event-id": String(last - 1) };
    const { body, headers: answered } = await client.request({ method: "GET", path: "/api/v1/events", headers });
    assert.match(String(answered["content-type"]), /^text\/event-stream/);
    let received = "";
    let hasOrdered = false;
    for await (const chunk of body) {
      received += String(chunk);
      if (!hasOrdered && received.includes(`id: ${last}\n`)) {
        hasOrdered = true;
        await core.hosts.register(machine(9));
      }
      if (received.includes("event: host.registered\n") && received.includes(machine(9).mac)) break;
    }
    const ids = [...received.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));
    assert.deepEqual(ids, [last, last + 1], "what was missed, then what is new, each once");
  } finally {
    await client.destroy();
    rmSync(directory, { recursive: true });
  }
});
