import assert from "node:assert/strict";
import { sign, verify } from "node:crypto";
import { test } from "node:test";
import { checkPermit, newChallenge } from "../../../agent/client/permit.ts";
import { CONTRACT_VERSION, permitText, scriptsDigest, scriptsText } from "../../../agent/contract.ts";
import { scriptRoutes } from "../../../server/api/script-routes.ts";
import { createHttp } from "../../../server/http/http.ts";
import { Orders } from "../../../server/orders/orders.ts";
import { Scripts } from "../../../server/orders/scripts.ts";
import { Core, machine } from "../core.ts";

const script = { name: "licence.sh", text: "echo hello\n", mostSeconds: 60 };
const image = { kind: "image", name: "lab-debian" } as const;
const group = { kind: "group", name: "room-5" } as const;

async function place() {
  const core = await Core.open();
  const scripts = new Scripts({
    db: core.db,
    events: core.events,
    sign: (text) => sign(null, Buffer.from(text), core.siteKey.privateKey).toString("base64"),
  });
  const { db, events, hosts, streams, reports } = core;
  const orders = new Orders({
    ...{ db, events, hosts, streams, reports, scripts },
    isRegistering: true,
    waitMs: 60_000,
    now: () => core.nowMs,
  });
  const deployed = async (contract: number) => {
    const { hostId, name } = await hosts.register({ ...machine(7), contract });
    const { deployId } = await core.deploys.create({ image: "lab-debian", to: [name] });
    return { hostId, name, deployId };
  };
  return { core, scripts, orders, deployed };
}

test("an order carries the scripts of its image and of the host's group, signed for this machine and this order", async () => {
  const { core, scripts, orders, deployed } = await place();
  await scripts.set(group, { ...script, name: "printers.sh" });
  await scripts.set({ kind: "group", name: "room-6" }, { ...script, name: "other.sh" });
  await scripts.set({ kind: "image", name: "another" }, { ...script, name: "other.sh" });
  await scripts.set(image, { ...script, text: "old" });
  await scripts.set(image, script);
  const { hostId, name, deployId } = await deployed(3);
  await core.desk.setGroup([name], "room-5");
  const order = await orders.orderFor(hostId, "10.77.0.1");
  assert(order.kind === "deploy" && order.scripts !== undefined);
  const { list, permit } = order.scripts;
  assert.deepEqual(list, [script, { ...script, name: "printers.sh" }]);
  const text = scriptsText({ mac: machine(7).mac, deployId: String(deployId), list });
  assert(verify(null, Buffer.from(text), core.siteKey.publicKey, Buffer.from(permit, "base64")));
});

test("which scripts a host was told is signed with its disk's terms, whatever became of them since", async () => {
  const { core, scripts, orders, deployed } = await place();
  await scripts.set(image, script);
  const { hostId, deployId } = await deployed(CONTRACT_VERSION);
  const order = await orders.orderFor(hostId, "10.77.0.1");
  assert(order.kind === "deploy" && order.scripts !== undefined && order.terms !== undefined);
  const { mac } = machine(7);
  const list = [script];
  assert.equal(order.terms.scripts, scriptsDigest({ mac, deployId: String(deployId), list }));
  assert.equal(order.terms.alive, undefined);
  await scripts.set(image, { ...script, text: "another" });
  const challenge = newChallenge();
  const { permit } = await core.report(hostId, "erasing", deployId, { challenge });
  const about = { challenge, mac, deployId: String(deployId), image: "lab-debian", imageVersion: 1 };
  const keys = [core.siteKey.publicKey];
  checkPermit(permitText({ ...about, terms: order.terms }), permit, keys);
  // Who takes them out of order and terms has no permit.
  const { scripts: _, ...stripped } = order.terms;
  assert.throws(() => checkPermit(permitText({ ...about, terms: stripped }), permit, keys), {
    code: "ERASE_NOT_PERMITTED",
  });
  await scripts.remove(image, script.name);
  const later = await orders.orderFor(hostId, "10.77.0.1");
  assert(later.kind === "deploy" && later.scripts === undefined);
  assert.equal(later.terms?.scripts, undefined);
});

test("without scripts the order is as before; an agent that would not run them is refused", async () => {
  const plain = await place();
  const host = await plain.deployed(2);
  const order = await plain.orders.orderFor(host.hostId, "10.77.0.1");
  assert(order.kind === "deploy" && !("scripts" in order));
  const old = await place();
  await old.scripts.set(image, script);
  const refused = await old.deployed(2);
  const answer = await old.orders.orderFor(refused.hostId, "10.77.0.1");
  assert.equal(answer.kind, "boot-disk");
  assert.match(answer.reason, /cannot run scripts/);
});

test("how a script ended is in the host's events, with what it said", async () => {
  const { core, deployed } = await place();
  const { hostId, deployId } = await deployed(3);
  const result = { name: "licence.sh", ended: "exited", code: 0, seconds: 2, output: "hello" } as const;
  await core.report(hostId, "naming", deployId, { script: result });
  const event = await core.db
    .selectFrom("events")
    .selectAll()
    .where("kind", "=", "host.script")
    .executeTakeFirstOrThrow();
  assert.deepEqual([event.host_id, event.deploy_id, JSON.parse(event.data)], [hostId, deployId, result]);
});

test("scripts over the API: set, listed, removed; what is not allowed is refused with its reason", async (t) => {
  const { core, scripts, deployed } = await place();
  const http = createHttp(core.log);
  t.after(() => http.close());
  scriptRoutes(http, { scripts });
  const ask = async (method: "GET" | "PUT" | "DELETE", url: string, payload?: object) => {
    const answer = await http.inject({ method, url, ...(payload === undefined ? {} : { payload }) });
    return { status: answer.statusCode, body: answer.json() };
  };
  const { text, mostSeconds } = script;
  const at = "/api/v1/scripts/image/lab-debian/licence.sh";
  assert.equal((await ask("PUT", at, { text, mostSeconds })).status, 200);
  assert.deepEqual((await ask("GET", "/api/v1/scripts")).body, {
    scripts: [{ kind: "image", name: "lab-debian", script }],
  });
  for (const [url, payload, code] of [
    ["/api/v1/scripts/host/lab-07/x", { text, mostSeconds }, undefined],
    [at, { text, mostSeconds: 0 }, undefined],
    [at, { text: "a\0b", mostSeconds }, "SCRIPT_INVALID"],
    [at, { text: "x".repeat(32 * 1024 + 1), mostSeconds }, "SCRIPT_INVALID"],
  ] as const) {
    await deployed(3).catch(() => undefined);
    const { status, body } = await ask("PUT", url, payload);
    assert(status >= 400 && (code === undefined || body.code === code), `${url} ${status} ${JSON.stringify(body)}`);
  }
  assert.equal((await ask("DELETE", at)).status, 200);
  const { body } = await ask("DELETE", at);
  assert.equal(body.code, "SCRIPT_UNKNOWN");
});
