import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { AccessSite, cookieOf, PASSWORD } from "./access-site.ts";
import { machine } from "./core.ts";

const HOUR_MS = 3_600_000;
let site: AccessSite;

before(async () => {
  site = await AccessSite.open(({ http, core }) => {
    for (const role of ["anyone", "viewer", "operator", "admin"] as const) {
      http.get(`/api/v1/for-${role}`, { config: { role } }, async ({ caller }) => ({ name: caller?.name ?? "nobody" }));
      http.post(`/api/v1/for-${role}`, { config: { role } }, async () => {
        await core.events.change(({ record }) => record({ kind: `test.${role}` }));
        return {};
      });
    }
    http.post("/api/v1/undeclared", async () => ({}));
  });
});
after(() => site.close());

const kinds = async () => (await site.core.events.list()).map(({ kind }) => kind);
const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` });

test("every role and every way to come in, against every route's least role", async () => {
  const headers: Record<string, Record<string, string>> = { nobody: {}, forged: bearer("bct_made-up") };
  for (const role of ["viewer", "operator", "admin"] as const) {
    const { secret } = await site.tokens.add({ name: `t-${role}`, role, expiresAtMs: null, madeBy: "test" });
    headers[`token ${role}`] = bearer(secret);
    headers[`page ${role}`] = await site.page(`p-${role}`, role);
  }
  const expiresAtMs = site.core.nowMs + 1;
  const old = await site.tokens.add({ name: "old", role: "admin", expiresAtMs, madeBy: "test" });
  site.core.nowMs += 1;
  headers["expired"] = bearer(old.secret);
  headers["host"] = bearer((await site.core.hosts.register(machine(1))).token);

  const routes = ["for-anyone", "for-viewer", "for-operator", "for-admin", "undeclared", "nothing"];
  const got: Record<string, number[]> = {};
  for (const [who, sent] of Object.entries(headers)) {
    got[who] = [];
    for (const route of routes) got[who].push((await site.ask("POST", `/api/v1/${route}`, { headers: sent })).status);
  }
  assert.deepEqual(got, {
    nobody: [200, 401, 401, 401, 401, 401],
    forged: [401, 401, 401, 401, 401, 401],
    expired: [401, 401, 401, 401, 401, 401],
    host: [401, 401, 401, 401, 401, 401],
    "token viewer": [200, 200, 403, 403, 403, 404],
    "page viewer": [200, 200, 403, 403, 403, 404],
    "token operator": [200, 200, 200, 403, 403, 404],
    "page operator": [200, 200, 200, 403, 403, 404],
    "token admin": [200, 200, 200, 200, 200, 404],
    "page admin": [200, 200, 200, 200, 200, 404],
  });
});

test("events say who made them, and what the server or a host does has no name", async () => {
  await site.local("POST", "/api/v1/for-admin");
  const { secret } = await site.tokens.add({ name: "ci", role: "operator", expiresAtMs: null, madeBy: "test" });
  await site.ask("POST", "/api/v1/for-operator", { headers: bearer(secret), payload: { a: "body" } });
  await site.ask("POST", "/api/v1/for-viewer", { headers: await site.page("schmidt", "viewer") });
  const events = (await site.core.events.list()).filter(({ kind }) => /^test\./.test(kind)).slice(-3);
  assert.deepEqual(
    events.map(({ kind, actor }) => [kind, actor]),
    [
      ["test.admin", "root on this machine"],
      ["test.operator", "token ci"],
      ["test.viewer", "schmidt"],
    ],
  );
  const [registered] = (await site.core.events.list()).filter(({ kind }) => kind === "host.registered");
  assert.equal(registered?.actor, null);
});

test("a cookie is for this page only: flags, and no change without the token of the page or from elsewhere", async () => {
  const { cookie, "x-bootcast-csrf": csrf } = await site.page("weber", "admin");
  const answer = await site.ask("POST", "/api/v1/login", { payload: { user: "weber", password: PASSWORD } });
  assert.match(
    String(answer.headers["set-cookie"]),
    /^__Host-bootcast=[\w-]{43}; Max-Age=604800; Path=\/; HttpOnly; Secure; SameSite=Strict$/,
  );
  const post = async (headers: Record<string, string>) =>
    (await site.ask("POST", "/api/v1/for-admin", { headers: { cookie: cookie!, ...headers } })).status;
  assert.equal(await post({ "x-bootcast-csrf": csrf! }), 200);
  assert.equal(
    await post({ "x-bootcast-csrf": csrf!, origin: "https://bootcast:8443", "sec-fetch-site": "same-origin" }),
    200,
  );
  assert.equal(await post({}), 403);
  assert.equal(await post({ "x-bootcast-csrf": "wrong" }), 403);
  assert.equal(await post({ "x-bootcast-csrf": csrf!, origin: "https://evil.example" }), 403);
  assert.equal(await post({ "x-bootcast-csrf": csrf!, origin: "http://bootcast:8443" }), 403);
  assert.equal(await post({ "x-bootcast-csrf": csrf!, "sec-fetch-site": "cross-site" }), 403);
  assert.equal((await site.ask("GET", "/api/v1/for-admin", { headers: { cookie: cookie! } })).status, 200);
  const login = { payload: { user: "weber", password: PASSWORD }, headers: { origin: "https://evil.example" } };
  assert.equal((await site.ask("POST", "/api/v1/login", login)).status, 403, "nobody is logged in by another page");
});

test("the link: good once, a newer one ends it, and it makes the first admin where there is nobody", async () => {
  const fresh = await AccessSite.open();
  try {
    const first = await fresh.local("POST", "/api/v1/users/admin/link");
    assert.equal(first.status, 201);
    const newer = await fresh.local("POST", "/api/v1/users/admin/link");
    const setup = (code: unknown, password = PASSWORD) =>
      fresh.ask("POST", "/api/v1/setup", { payload: { code: String(code), password } });
    assert.match(String(newer.body["links"]), /^https:\/\/10\.77\.0\.1:8443\/setup\?once=[-\w]{14}$/);
    assert.equal((await setup(first.body["code"])).body["code"], "LINK_WRONG");
    assert.equal((await setup(newer.body["code"], "short")).body["code"], "PASSWORD_INVALID", "and it is still good");
    const done = await setup(String(newer.body["code"]).toLowerCase());
    assert.deepEqual([done.status, done.body["name"], done.body["role"]], [200, "admin", "admin"]);
    assert.equal((await setup(newer.body["code"])).status, 401);
    const me = await fresh.ask("GET", "/api/v1/me", { headers: { cookie: cookieOf(done.headers) } });
    assert.deepEqual(me.body, { name: "admin", kind: "user", role: "admin", csrf: done.body["csrf"] });
    assert.equal((await fresh.local("POST", "/api/v1/users/other/link")).status, 404, "only the first is made so");
    const stored = JSON.stringify([
      await fresh.core.db.selectFrom("users").selectAll().execute(),
      await fresh.core.db.selectFrom("logins").selectAll().execute(),
      await fresh.core.events.list(),
    ]);
    for (const secret of [PASSWORD, String(newer.body["code"]), cookieOf(done.headers).split("=")[1]!]) {
      assert(!stored.includes(secret), "no secret is stored");
    }
  } finally {
    await fresh.close();
  }
});

test("wrong passwords wait, whoever's they are; right ones come in", async () => {
  await site.page("fischer", "viewer");
  const login = (user: string, password: string, from: string) =>
    site.ask("POST", "/api/v1/login", { payload: { user, password }, from });
  for (let wrong = 0; wrong < 5; wrong += 1) {
    const { body, status } = await login(wrong % 2 ? "fischer" : "nobody-at-all", "wrong wrong wrong", "10.77.0.66");
    assert.deepEqual([status, body["code"]], [401, "LOGIN_WRONG"]);
  }
  const held = await login("fischer", PASSWORD, "10.77.0.66");
  assert.deepEqual([held.status, held.body["code"], held.headers["retry-after"]], [429, "LOGIN_THROTTLED", "2"]);
  assert.equal((await login("fischer", PASSWORD, "10.77.0.67")).status, 200, "another machine is not held back");
  site.core.nowMs += 2_000;
  assert.equal((await login("FISCHER", PASSWORD, "10.77.0.66")).status, 200);
});

test("a login ends: by itself, by logging out, by a new password, with the user; a role counts at once", async () => {
  const headers = await site.page("klein", "operator");
  const status = async (sent = headers) => (await site.ask("GET", "/api/v1/for-operator", { headers: sent })).status;
  site.core.nowMs += 11 * HOUR_MS;
  assert.equal(await status(), 200);
  site.core.nowMs += 11 * HOUR_MS;
  assert.equal(await status(), 200, "used in between");
  site.core.nowMs += 13 * HOUR_MS;
  assert.equal(await status(), 401, "unused for too long");
  const again = async () => {
    const payload = { user: "klein", password: PASSWORD };
    const { headers, body } = await site.ask("POST", "/api/v1/login", { payload });
    return { cookie: cookieOf(headers), "x-bootcast-csrf": String(body["csrf"]) };
  };
  const one = await again();
  await site.local("PATCH", "/api/v1/users/klein", { role: "viewer" });
  assert.equal(await status(one), 403);
  await site.local("PATCH", "/api/v1/users/klein", { role: "operator" });
  assert.equal(await status(one), 200);
  const out = await site.ask("POST", "/api/v1/logout", { headers: one });
  assert.match(String(out.headers["set-cookie"]), /^__Host-bootcast=; .*Expires=Thu, 01 Jan 1970/);
  assert.equal(await status(one), 401);
  const two = await again();
  const payload = { before: PASSWORD, password: `${PASSWORD} new` };
  const changed = await site.ask("PUT", "/api/v1/me/password", { headers: two, payload });
  assert.equal(changed.status, 200);
  assert.equal(await status(two), 401, "all browsers are logged out");
  const three = { cookie: cookieOf(changed.headers) };
  assert.equal(await status(three as never), 200, "but this one");
  for (let day = 0; day < 8; day += 0.4) {
    site.core.nowMs += 0.4 * 24 * HOUR_MS;
    await status(three as never);
  }
  assert.equal(await status(three as never), 401, "after a week, however much it is used");
  await site.local("DELETE", "/api/v1/users/klein");
  assert.equal((await site.local("GET", "/api/v1/users")).status, 200);
  assert((await kinds()).includes("user.removed"));
});

test("tokens: shown once, listed without what they are, ended at once, and every name is used once", async () => {
  const made = await site.local("POST", "/api/v1/tokens", { name: "grafana", role: "viewer", expiresAtMs: null });
  assert.deepEqual([made.status, made.body["servers"]], [201, ["https://10.77.0.1:8443"]]);
  const secret = String(made.body["secret"]);
  assert.equal(
    (await site.ask("GET", "/api/v1/for-viewer", { headers: bearer(secret) })).body["name"],
    "token grafana",
  );
  const list = await site.local("GET", "/api/v1/tokens");
  assert(!JSON.stringify(list.body).includes(secret) && JSON.stringify(list.body).includes("grafana"));
  assert(!JSON.stringify(await site.core.db.selectFrom("tokens").selectAll().execute()).includes(secret));
  const twice = await site.local("POST", "/api/v1/tokens", { name: "grafana", role: "admin", expiresAtMs: null });
  assert.equal(twice.body["code"], "TOKEN_EXISTS");
  assert.equal((await site.local("DELETE", "/api/v1/tokens/grafana")).status, 200);
  assert.equal((await site.ask("GET", "/api/v1/for-viewer", { headers: bearer(secret) })).status, 401);
  assert.equal((await site.local("DELETE", "/api/v1/tokens/grafana")).status, 404);
});

test("the last admin who has a password stays", async () => {
  const fresh = await AccessSite.open();
  try {
    await fresh.page("one", "admin");
    await fresh.users.add("two", "admin");
    assert.equal((await fresh.local("DELETE", "/api/v1/users/one")).body["code"], "ADMIN_NEEDED");
    assert.equal((await fresh.local("PATCH", "/api/v1/users/one", { role: "viewer" })).status, 409);
    await fresh.users.setPassword("two", PASSWORD);
    assert.equal((await fresh.local("PATCH", "/api/v1/users/one", { role: "viewer" })).status, 200);
    assert.equal((await fresh.local("DELETE", "/api/v1/users/two")).status, 409);
    assert.deepEqual(
      (await fresh.users.list()).map(({ name, role }) => [name, role]),
      [
        ["one", "viewer"],
        ["two", "admin"],
      ],
    );
    assert.equal((await fresh.local("POST", "/api/v1/users", { name: "Bad Name", role: "viewer" })).status, 400);
    assert.equal((await fresh.local("POST", "/api/v1/users", { name: "two", role: "viewer" })).status, 409);
    assert.equal((await fresh.local("POST", "/api/v1/users", { name: "x", role: "king" })).status, 400);
  } finally {
    await fresh.close();
  }
});

test("who is not let in is written down, a few times whatever comes", async () => {
  const count = async () => (await kinds()).filter((kind) => kind === "access.refused").length;
  const before = await count();
  site.core.nowMs += HOUR_MS;
  for (let times = 0; times < 50; times += 1) await site.ask("GET", "/api/v1/for-admin", { from: "10.77.0.99" });
  for (let tries = 0; (await count()) === before && tries < 100; tries += 1) await pause(10);
  assert.equal(await count(), before + 1);
  const last = (await site.core.events.list({ limit: 10_000 })).findLast(({ kind }) => kind === "access.refused");
  assert.deepEqual(last?.data, { from: "10.77.0.99", method: "GET", path: "/api/v1/for-admin", code: "LOGIN_NEEDED" });
  for (let address = 0; address < 1000; address += 1) {
    await site.ask("GET", "/api/v1/for-admin", { from: `10.78.${address >> 8}.${address & 255}` });
  }
  await pause(50);
  assert((await count()) <= before + 200);
});

test("every answer carries the headers that keep browsers safe", async () => {
  for (const url of ["/api/v1/for-anyone", "/api/v1/for-admin", "/nothing"]) {
    const { headers } = await site.ask("GET", url);
    assert.match(
      String(headers["content-security-policy"]),
      /^default-src 'none'; script-src 'self'; .*frame-ancestors 'none'$/,
    );
    assert.doesNotMatch(String(headers["content-security-policy"]), /unsafe/);
    assert.equal(headers["x-frame-options"], "DENY");
    assert.equal(headers["x-content-type-options"], "nosniff");
    assert.equal(headers["referrer-policy"], "no-referrer");
    assert.equal(headers["cross-origin-opener-policy"], "same-origin");
    assert.equal(headers["cross-origin-resource-policy"], "same-origin");
    if (url.startsWith("/api/")) assert.equal(headers["cache-control"], "no-store");
  }
});
