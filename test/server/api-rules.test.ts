import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { eventFeed } from "../../server/api/event-feed.ts";
import { pageOf } from "../../server/api/page.ts";
import { apiRoutes } from "../../server/api/routes.ts";
import { AccessSite, PASSWORD } from "./access-site.ts";
import { machine } from "./core.ts";

let site: AccessSite;
let orders = 0;
/** What the route of the test waits for. */
let gate: Promise<void> = Promise.resolve();

before(async () => {
  site = await AccessSite.open(({ http, core }) => {
    http.post("/api/v1/test-orders", { config: { role: "operator" } }, async (_, reply) => {
      await gate;
      await core.events.change(({ record }) => record({ kind: "test.ordered" }));
      orders += 1;
      return reply.code(201).send({ order: orders });
    });
    http.post("/api/v1/test-failing", { config: { role: "operator" } }, async () => {
      orders += 1;
      throw new Error("broken");
    });
    http.post("/api/v1/test-half", { config: { role: "operator" } }, async () => {
      await core.events.change(({ record }) => record({ kind: "test.half" }));
      throw new Error("broken behind the change");
    });
    const absent = () => Promise.reject(new Error("not in this test"));
    apiRoutes(http, { ...core, listImages: absent, status: absent });
    http.get("/page", { config: { role: "anyone" } }, async () => "a page");
  });
});
after(() => site.close());

const order = (key: string, more: { path?: string; payload?: object; actor?: string } = {}) =>
  site.ask("POST", more.path ?? "/api/v1/test-orders", {
    headers: { "x-test-local": "yes", "x-bootcast-actor": more.actor ?? "root", "idempotency-key": key },
    payload: more.payload ?? { image: "lab" },
  });

test("a change with a key is made once, and every time it is sent it gets the same answer", async () => {
  const before = orders;
  const first = await order("one");
  assert.deepEqual(
    [first.status, first.body, first.headers["idempotency-replayed"]],
    [201, { order: before + 1 }, undefined],
  );
  const again = await order("one");
  assert.deepEqual([again.status, again.body, again.headers["idempotency-replayed"]], [201, first.body, "true"]);
  assert.equal(orders, before + 1);
  assert.equal((await order("one", { payload: { image: "other" } })).body["code"], "IDEMPOTENCY_KEY_TAKEN");
  assert.equal((await order("one", { actor: "other" })).body["order"], before + 2, "a key is its sender's own");
  assert.equal((await order("two words")).status, 400);
  site.core.nowMs += 25 * 3_600_000;
  assert.equal((await order("one")).body["order"], before + 3, "after a day it is a new one");
});

test("of two at once one is done; one whose server was killed is told apart by what it had done", async () => {
  let open = () => {};
  gate = new Promise((resolve) => {
    open = resolve;
  });
  const before = orders;
  const first = order("race");
  const isUnderWay = site.core.db.selectFrom("repeats").select("key").where("key", "=", "race");
  while ((await isUnderWay.execute()).length === 0) await turn();
  const second = await order("race");
  assert.deepEqual([second.status, second.body["code"]], [409, "REQUEST_BUSY"]);
  open();
  assert.equal((await first).status, 201);
  assert.equal(orders, before + 1);
  const killed = (isChanged: number) =>
    site.core.db
      .updateTable("repeats")
      .set({ status: null, body: null, is_changed: isChanged })
      .where("key", "=", "race")
      .execute();
  await killed(0);
  assert.equal((await order("race")).body["code"], "REQUEST_BUSY", "it may still be under way");
  site.core.nowMs += 61_000;
  assert.equal((await order("race")).status, 201, "nothing had been done: now it is");
  await killed(1);
  site.core.nowMs += 61_000;
  assert.equal((await order("race")).body["code"], "ANSWER_ENDED", "it had been done");
  assert.equal(orders, before + 2);
});

test("what was refused may be tried again; what failed behind its change may not; secrets are not kept", async () => {
  const before = orders;
  assert.equal((await order("failing", { path: "/api/v1/test-failing" })).status, 500);
  assert.equal((await order("failing", { path: "/api/v1/test-failing" })).headers["idempotency-replayed"], undefined);
  assert.equal(orders, before + 2);
  const half = await order("half", { path: "/api/v1/test-half" });
  const again = await order("half", { path: "/api/v1/test-half" });
  assert.deepEqual([again.status, again.headers["idempotency-replayed"], again.body], [500, "true", half.body]);
  const payload = { name: "ci", role: "viewer", expiresAtMs: null };
  const token = await order("secret", { path: "/api/v1/tokens", payload });
  assert.equal(token.status, 201);
  assert.equal((await order("secret", { path: "/api/v1/tokens", payload })).body["code"], "ANSWER_ENDED");
  const kept = JSON.stringify(await site.core.db.selectFrom("repeats").selectAll().execute());
  assert(!kept.includes(String(token.body["secret"])));
});

test("of a password nothing is kept, not even a digest, whatever key it is sent with", async () => {
  await site.users.add("keyed", "viewer");
  for (let time = 0; time < 2; time += 1) {
    const { status } = await site.ask("PUT", "/api/v1/users/keyed/password", {
      headers: { "x-test-local": "yes", "idempotency-key": "password" },
      payload: { password: PASSWORD },
    });
    assert.equal(status, 200);
  }
  const keys = await site.core.db.selectFrom("repeats").select("key").execute();
  assert(!keys.some(({ key }) => key === "password"));
});

test("errors are problem+json, with the Fault's own words beside", async () => {
  for (const [method, url, status, code] of [
    ["GET", "/api/v1/nothing", 401, "LOGIN_NEEDED"],
    ["GET", "/api/v1/users/x/y", 401, "LOGIN_NEEDED"],
    ["POST", "/api/v1/login", 400, "REQUEST_INVALID"],
  ] as const) {
    const answer = await site.ask(method, url, method === "POST" ? { payload: {} } : {});
    assert.equal(answer.status, status);
    assert.equal(answer.headers["content-type"], "application/problem+json; charset=utf-8");
    const { type, title, detail, what, why, fix } = answer.body;
    assert.equal(type, `urn:bootcast:fault:${code}`);
    assert.deepEqual(
      [answer.body["status"], answer.body["code"], title, detail],
      [status, code, what, `${why} ${fix}`],
    );
  }
  assert.equal((await site.local("GET", "/api/v1/nothing")).body["code"], "ROUTE_UNKNOWN");
});

test("the OpenAPI document names every route, who may use it and how errors look; pages are not in it", async () => {
  const { body } = await site.local("GET", "/api/v1/openapi.json");
  const paths = body["paths"] as Record<string, Record<string, Record<string, unknown>>>;
  assert.equal(body["openapi"], "3.1.0");
  assert.deepEqual(paths["/page"], undefined);
  const users = paths["/api/v1/users/{user}"]!;
  assert.deepEqual(Object.keys(users).sort(), ["delete", "patch"]);
  assert.equal(users["patch"]!["x-least-role"], "admin");
  assert.match(JSON.stringify(users["patch"]!["requestBody"]), /"enum":\["viewer","operator","admin"\]/);
  const ids = new Set<unknown>();
  for (const [path, methods] of Object.entries(paths)) {
    for (const [method, { operationId, responses, security }] of Object.entries(methods)) {
      assert(!ids.has(operationId), `${method} ${path}: ${operationId} is there twice`);
      ids.add(operationId);
      assert.match(JSON.stringify(responses), /problem\+json/);
      assert(Array.isArray(security));
    }
  }
});

test("pages of a list: each item once, whatever is added and removed in between", () => {
  const list = ["d", "a", "c", "e"];
  const options = { keyOf: (item: string) => item };
  assert.deepEqual(pageOf(list, {}, options), { items: ["a", "c", "d", "e"] });
  const first = pageOf(list, { limit: 2 }, options);
  assert.deepEqual(first.items, ["a", "c"]);
  const changed = ["a", "b", "d", "e", "f"];
  const second = pageOf(changed, { limit: 2, cursor: first.next! }, options);
  assert.deepEqual(second.items, ["d", "e"]);
  assert.deepEqual(pageOf(changed, { limit: 2, cursor: second.next! }, options), { items: ["f"] });
  const down = { keyOf: (item: number) => item, isDescending: true };
  const newest = pageOf([9, 10, 11], { limit: 2 }, down);
  assert.deepEqual(newest.items, [11, 10]);
  assert.deepEqual(pageOf([9, 10, 11, 12], { limit: 2, cursor: newest.next! }, down), { items: [9] });
  for (const cursor of ["!", "bnVsbA", "e30", ""]) {
    assert.throws(() => pageOf(list, { cursor }, options), { code: "CURSOR_INVALID" });
  }
});

test("the audit log: what people did, the newest first, page by page; nothing that the server or a host did", async () => {
  await site.core.hosts.register(machine(7));
  await site.local("POST", "/api/v1/users", { name: "auditor", role: "admin" });
  await order("audited", { actor: "weber" });
  const { body } = await site.local("GET", "/api/v1/audit?limit=2");
  const entries = body["entries"] as { kind: string; actor: string; id: number }[];
  assert.deepEqual(
    entries.map(({ kind, actor }) => [kind, actor]),
    [
      ["test.ordered", "weber on this machine"],
      ["user.added", "root on this machine"],
    ],
  );
  const all: number[] = [];
  for (let next: unknown = ""; next !== undefined; ) {
    const page = await site.local("GET", `/api/v1/audit?limit=3${next === "" ? "" : `&cursor=${next}`}`);
    for (const { id, kind } of page.body["entries"] as { id: number; kind: string }[]) {
      assert.notEqual(kind, "host.registered");
      all.push(id);
    }
    next = page.body["next"];
  }
  assert.deepEqual(
    all,
    [...new Set(all)].sort((one, other) => other - one),
  );
  const hers = await site.local("GET", "/api/v1/audit?actor=weber%20on%20this%20machine");
  assert.equal((hers.body["entries"] as unknown[]).length, 1);
});

test("a feed: what was and what comes, each once and in order, also when more comes than it keeps", async () => {
  const { events } = site.core;
  const record = (kind: string) => events.change(({ record }) => record({ kind }));
  await record("feed.first");
  const after = (await events.list({ limit: 10_000 })).at(-1)!.id;
  for (let number = 0; number < 700; number += 1) await events.append([{ kind: "feed.more", atMs: number }]);
  const ended = new AbortController();
  const feed = eventFeed(events, { after }, { signal: ended.signal, isLetIn: async () => true });
  const ids: number[] = [];
  let live = 0;
  for await (const text of feed) {
    for (const [, id] of text.matchAll(/^id: (\d+)$/gm)) ids.push(Number(id));
    // The reader stands still while more than it keeps is written.
    if (ids.length === 500 && live === 0) {
      live = 1500;
      await events.append(Array.from({ length: live }, () => ({ kind: "feed.live", atMs: 0 })));
    }
    if (ids.length === 700 + live) break;
  }
  assert.deepEqual(
    ids,
    Array.from({ length: 2200 }, (_, index) => after + 1 + index),
  );
  assert.equal((await feed.next()).done, true);
});

test("a feed in which something always happens ends as well when its reader is not let in any more", async () => {
  const { events } = site.core;
  const after = (await events.list({ last: 1 }))[0]!.id;
  // More than a page: it is never quiet while it is read.
  await events.append(Array.from({ length: 1500 }, () => ({ kind: "feed.busy", atMs: 0 })));
  const { signal } = new AbortController();
  const feed = eventFeed(events, { after }, { signal, isLetIn: async () => false, heartbeatMs: 0 });
  let told = 0;
  for await (const text of feed) told += [...text.matchAll(/^id: /gm)].length;
  assert(told < 1500, `${told} events`);
});

test("who came in, and whom the server tells what happens, is in the events of admins only", async () => {
  const { events } = site.core;
  const after = (await events.list({ last: 1 }))[0]!.id;
  for (const kind of ["user.logged-in", "host.renamed", "access.refused", "notify.added", "token.added"]) {
    await events.change(({ record }) => record({ kind }));
  }
  const kindsFor = async (headers: Record<string, string>) => {
    const { body } = await site.ask("GET", `/api/v1/events?after=${after}`, { headers });
    return (body["events"] as { kind: string }[]).map(({ kind }) => kind);
  };
  assert.equal((await kindsFor({ "x-test-local": "yes" })).length, 5);
  for (const role of ["viewer", "operator"] as const) {
    const { secret } = await site.tokens.add({ name: `events-${role}`, role, expiresAtMs: null, madeBy: "root" });
    assert.deepEqual(await kindsFor({ authorization: `Bearer ${secret}` }), ["host.renamed"], role);
  }
  const ended = new AbortController();
  const feed = eventFeed(events, { after, hasAccess: false }, { signal: ended.signal, isLetIn: async () => true });
  const texts: string[] = [];
  for await (const text of feed) {
    texts.push(text);
    if (!text.startsWith("id: ") && texts.length > 1) break;
    if (text.includes("host.renamed")) {
      await events.change(({ record }) => record({ kind: "user.logged-out" }));
      await events.change(({ record }) => record({ kind: "host.note" }));
    }
    if (text.includes("host.note")) break;
  }
  assert.deepEqual(
    texts.map((text) => /^event: (.*)$/m.exec(text)?.[1]),
    [undefined, "host.renamed", "host.note"],
  );
});

test("a feed says when nothing is new, and ends when its reader is not let in any more", async () => {
  let isIn = true;
  const { signal } = new AbortController();
  const feed = eventFeed(site.core.events, { after: 1e9 }, { signal, isLetIn: async () => isIn, heartbeatMs: 20 });
  const texts: string[] = [];
  for await (const text of feed) {
    texts.push(text);
    if (texts.length === 3) isIn = false;
  }
  assert.deepEqual(texts, [": bootcast events\n\n", ": nothing new\n\n", ": nothing new\n\n"]);
});
