import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Client } from "undici";
import { roles } from "../../server/access/roles.ts";
import type { MadeTokenBody } from "../../server/api/access-schemas.ts";
import { machine } from "../server/core.ts";
import { ServerProcess } from "./program.ts";

/** What is open to everybody over the network; everything else asks who it is. */
const forAnyone = ["GET /api/v1/authority.pem", "POST /api/v1/login", "POST /api/v1/setup"];
/** Changes that a viewer may make: only of what is their own. */
const ownChanges = ["POST /api/v1/logout", "PUT /api/v1/me/password"];

type Route = { readonly method: string; readonly path: string; readonly least: string };

let server: ServerProcess;
let local: Client;
let network: Client;
let plain: Client;
let all: Route[];

async function json(client: Client, method: string, path: string, body?: object, token?: string) {
  const headers = {
    ...(body && { "content-type": "application/json" }),
    ...(token && { authorization: `Bearer ${token}` }),
  };
  const response = await client.request({
    method: method as "GET",
    path,
    headers,
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await response.body.text();
  return { status: response.statusCode, body: text.startsWith("{") ? JSON.parse(text) : text };
}

before(async () => {
  server = await ServerProcess.start();
  local = new Client("http://bootcast", { socketPath: `${server.dataDir}/control.sock` });
  plain = new Client(server.address);
  const { body } = await json(local, "GET", "/api/v1/status");
  network = new Client(body.https.servers[0], { connect: { rejectUnauthorized: false } });
  const { paths } = (await json(local, "GET", "/api/v1/openapi.json")).body;
  all = Object.entries<Record<string, { "x-least-role": string }>>(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, route]) => ({
      method: method.toUpperCase(),
      path,
      least: route["x-least-role"],
    })),
  );
});
after(async () => {
  for (const client of [local, network, plain]) await client.destroy();
  await server.stop();
  server.remove();
});

test("what routes ask for: nothing is open but the door, and who only looks changes nothing", () => {
  assert(all.length > 40, `${all.length} routes`);
  for (const { method, path, least } of all) {
    const route = `${method} ${path}`;
    assert.equal(least === "anyone", forAnyone.includes(route), `${route} is for ${least}`);
    if (method !== "GET" && least !== "anyone" && !ownChanges.includes(route)) assert.notEqual(least, "viewer", route);
    if (/\/(users|tokens|audit|enrolment)/.test(path)) assert.equal(least, "admin", route);
    // They may hold secrets.
    if (path.startsWith("/api/v1/scripts")) assert.equal(least, method === "GET" ? "operator" : "admin", route);
  }
});

test("every route × every role × nobody × expired × removed × a host's own key × another host's", async () => {
  const keys: Record<string, string | undefined> = { nobody: undefined };
  const token = async (name: string, role: string, expiresAtMs: number | null) => {
    const made = await json(local, "POST", "/api/v1/tokens", { name, role, expiresAtMs });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    return (made.body as MadeTokenBody).secret;
  };
  for (const role of roles) keys[role] = await token(role, role, null);
  keys["expired"] = await token("expired", "admin", 1);
  keys["removed"] = await token("removed", "admin", null);
  await json(local, "DELETE", "/api/v1/tokens/removed");
  const host = await json(plain, "POST", "/agent/v1/hosts", machine(1));
  const other = await json(plain, "POST", "/agent/v1/hosts", machine(2));
  keys["host"] = host.body.token;

  for (const { method, path, least } of all) {
    // Names that do not exist: what is let in finds nothing, or nothing that it understands.
    const filled = path.replaceAll(/\{(\w+)\}/g, (_, name) => (name === "session" ? "999999" : "no-such-thing"));
    for (const [who, key] of Object.entries(keys)) {
      const { status, body } = await json(network, method, filled, method === "GET" ? undefined : {}, key);
      const about = `${method} ${path} (${least}) as ${who}: ${status} ${JSON.stringify(body).slice(0, 200)}`;
      const rank = ["anyone", ...roles].indexOf(least);
      const has = ["nobody", ...roles].indexOf(who);
      if (has < 0 || (has === 0 && rank > 0)) assert.equal(status, 401, about);
      else if (has < rank) assert.equal(status, 403, about);
      else assert(status !== 403 && status < 500 && (status !== 401 || forAnyone.includes(`${method} ${path}`)), about);
    }
  }

  const { hostId } = host.body;
  for (const [method, path] of [
    ["GET", `/agent/v1/hosts/${hostId}/order`],
    ["POST", `/agent/v1/hosts/${hostId}/reports`],
    ["POST", `/agent/v1/hosts/${hostId}/permit`],
  ] as const) {
    const body = method === "GET" ? undefined : {};
    for (const key of [undefined, other.body.token, keys["admin"]]) {
      const answer = await json(plain, method, path, body, key);
      assert([400, 401, 404].includes(answer.status), `${method} ${path}: ${answer.status}`);
      assert.notEqual(answer.status, 200);
    }
  }
  const wrong = await json(plain, "GET", `/agent/v1/hosts/${hostId}/order`, undefined, other.body.token);
  assert.deepEqual([wrong.status, wrong.body.code], [401, "TOKEN_WRONG"], "another host's key");
  const right = await json(plain, "GET", `/agent/v1/hosts/${hostId}/order`, undefined, host.body.token);
  assert.equal(right.status, 200, "its own");
});

test("a user's password cannot be reached without an admin, and a login is heard over TLS only", async () => {
  for (const path of ["/api/v1/login", "/api/v1/users/admin/link"]) {
    assert.equal((await json(plain, "POST", path, {})).status, 404, path);
  }
});
