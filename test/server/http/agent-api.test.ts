import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { request } from "undici";
import type { Order, Registration, ReportAnswer } from "../../../agent/contract.ts";
import { type HttpServer, listenTcp } from "../../../server/http/http.ts";
import { LOST_AFTER_MS } from "../../../server/orders/deploy-rules.ts";
import { Core, machine } from "../core.ts";
import { agentHttp } from "./agent-http.ts";

let core: Core;
let http: HttpServer;
let port: number;

before(async () => {
  core = await Core.open();
  http = agentHttp(core);
  port = await listenTcp(http, "127.0.0.1", 0);
});
after(async () => {
  await http.close();
  await core.db.destroy();
});

async function register(number: number): Promise<Registration> {
  const response = await http.inject({ method: "POST", url: "/agent/v1/hosts", payload: machine(number) });
  assert.equal(response.statusCode, 200);
  return response.json();
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

test("a machine registers, asks, reports", async () => {
  const { hostId, name, token } = await register(1);
  assert.equal(name, "lab-01");
  const asked = await http.inject({ url: `/agent/v1/hosts/${hostId}/order`, headers: bearer(token) });
  assert.equal(asked.json<Order>().kind, "wait");
  const reported = await http.inject({
    method: "POST",
    url: `/agent/v1/hosts/${hostId}/reports`,
    headers: bearer(token),
    payload: { state: "waiting", detail: "for an order" },
  });
  assert.deepEqual(reported.json<ReportAnswer>(), { proceed: true, reason: "" });
  const host = await core.hosts.find("lab-01");
  assert.deepEqual([host.state, host.detail], ["waiting", "for an order"]);
});

test("the permit to erase goes over the wire; a challenge of another form does not", async () => {
  const { hostId, name, token } = await register(11);
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: [name] });
  const ask = (challenge: string) =>
    http.inject({
      method: "POST",
      url: `/agent/v1/hosts/${hostId}/reports`,
      headers: bearer(token),
      payload: { state: "erasing", detail: "", deployId: String(deployId), challenge },
    });
  assert.match((await ask("0a".repeat(32))).json<ReportAnswer>().permit ?? "", /^[A-Za-z0-9+/]{86}==$/);
  assert.equal((await ask("0A".repeat(32))).statusCode, 400);
  await core.deploys.cancel(deployId);
});

test("a host that comes back after half a day, by whatever way, is not given its old order", async () => {
  for (const [number, way] of [
    [21, "register"],
    [22, "ask"],
  ] as const) {
    let host = await register(number);
    const { deployId } = await core.deploys.create({ image: "lab-debian", to: [host.name] });
    await core.report(host.hostId, "receiving", deployId);
    core.nowMs += LOST_AFTER_MS + 1;
    if (way === "register") host = await register(number);
    const asked = await http.inject({ url: `/agent/v1/hosts/${host.hostId}/order`, headers: bearer(host.token) });
    assert.notEqual(asked.json<Order>().kind, "deploy", way);
  }
});

test("without its own token a host gets nothing and changes nothing", async () => {
  const mine = await register(2);
  const other = await register(3);
  for (const headers of [{}, bearer("x"), bearer(other.token), { authorization: mine.token }]) {
    for (const [method, url] of [
      ["GET", `/agent/v1/hosts/${mine.hostId}/order`],
      ["POST", `/agent/v1/hosts/${mine.hostId}/reports`],
    ] as const) {
      const payload = method === "POST" ? { payload: { state: "failed", detail: "" } } : {};
      const response = await http.inject({ method, url, headers, ...payload });
      assert.equal(response.statusCode, 401);
      assert.equal(response.json().code, "TOKEN_WRONG");
    }
  }
  assert.equal((await core.hosts.find(mine.hostId)).state, "registering");
});

test("requests that make no sense are refused as Faults", async () => {
  const { hostId, token } = await register(4);
  const headers = bearer(token);
  const reports = `/agent/v1/hosts/${hostId}/reports`;
  const wrong = [
    { method: "POST", url: "/agent/v1/hosts", payload: { ...machine(5), mac: "52-54-00-00-00-05" } },
    { method: "POST", url: "/agent/v1/hosts", payload: {} },
    { method: "POST", url: "/agent/v1/hosts", payload: "{", headers: { "content-type": "application/json" } },
    { method: "POST", url: reports, payload: { state: "dancing", detail: "" }, headers },
    { method: "POST", url: reports, payload: { state: "erasing", detail: "", percent: 101 }, headers },
    { method: "GET", url: `/agent/v1/hosts/${hostId}/order?waitSeconds=600`, headers },
  ] as const;
  for (const one of wrong) {
    const response = await http.inject({ ...one });
    assert.equal(response.statusCode, 400, JSON.stringify(one));
    assert.equal(response.json().code, "REQUEST_INVALID");
  }
  const huge = await http.inject({ method: "POST", url: "/agent/v1/hosts", payload: { junk: "x".repeat(300_000) } });
  assert.equal(huge.json().code, "REQUEST_INVALID");
  const absent = await http.inject({ url: "/agent/v1/nothing" });
  assert.deepEqual([absent.statusCode, absent.json().code], [404, "ROUTE_UNKNOWN"]);
});

test("orders are not given over the network: the API is not on this port", async () => {
  const response = await http.inject({
    method: "POST",
    url: "/api/v1/deploys",
    payload: { image: "lab-debian", to: "any" },
  });
  assert.equal(response.statusCode, 404);
});

test("a long poll is answered as soon as there is an order", async () => {
  const { hostId, name, token } = await register(6);
  const url = `http://127.0.0.1:${port}/agent/v1/hosts/${hostId}/order?waitSeconds=20`;
  const polling = request(url, { headers: bearer(token) }).then(({ body }) => body.json() as Promise<Order>);
  // The poll is waiting once the server has noted that the host asked.
  core.nowMs += 7_777;
  while ((await core.hosts.find(name)).lastSeenMs !== core.nowMs) await new Promise(setImmediate);
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: [name] });
  const order = await polling;
  assert(order.kind === "deploy" && order.deployId === String(deployId));
});

test("a long poll ends by itself with the reason to wait", async () => {
  const { hostId, token } = await register(7);
  const url = `http://127.0.0.1:${port}/agent/v1/hosts/${hostId}/order?waitSeconds=0.05`;
  const { body } = await request(url, { headers: bearer(token) });
  const order = (await body.json()) as Order;
  assert(order.kind === "wait" && order.reason.length > 0);
});

test("closing the server ends long polls, and a port that is taken is named", async () => {
  const { hostId, name, token } = await register(8);
  const second = agentHttp(core);
  await assert.rejects(listenTcp(second, "127.0.0.1", port), (error: Error & { code: string }) => {
    return error.code === "PORT_TAKEN" && error.message.includes(String(port));
  });
  const own = await listenTcp(second, "127.0.0.1", 0);
  const polling = request(`http://127.0.0.1:${own}/agent/v1/hosts/${hostId}/order?waitSeconds=20`, {
    headers: bearer(token),
  }).then(
    ({ body }) => body.dump(),
    () => undefined,
  );
  core.nowMs += 8_888;
  while ((await core.hosts.find(name)).lastSeenMs !== core.nowMs) await new Promise(setImmediate);
  const startedAt = performance.now();
  await second.close();
  await polling;
  assert(performance.now() - startedAt < 2_000);
});

test("bytes that are no HTTP are answered or cut off, and the server goes on", async () => {
  const socket = connect(port, "127.0.0.1");
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.on("error", () => undefined);
  socket.on("data", () => undefined);
  socket.end(Buffer.from([0, 255, 3, 7, 10, 13, 10, 13, 10]));
  await closed;
  assert.equal((await register(1)).name, "lab-01");
});
