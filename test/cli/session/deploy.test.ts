import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { CONTRACT_VERSION } from "../../../agent/contract.ts";
import { apiRoutes } from "../../../server/api/routes.ts";
import { createHttp, type HttpServer } from "../../../server/http/http.ts";
import { Core, machine, NETWORK } from "../../server/core.ts";
import { bootcast } from "../program.ts";

// The commands as people type them, against the server's own decisions behind its socket.

const dataDir = mkdtempSync(join(tmpdir(), "bootcast-deploy-"));
let core: Core;
let http: HttpServer;

before(async () => {
  core = await Core.open();
  core.nowMs = Date.now();
  http = createHttp(core.log);
  const { hosts, deploys, conductor, sessions, streams, events } = core;
  const absent = () => Promise.reject(new Error("not asked for here"));
  apiRoutes(http, { hosts, deploys, conductor, sessions, streams, events, listImages: absent, status: absent });
  await http.listen({ path: join(dataDir, "control.sock") });
  for (let number = 1; number <= 4; number += 1) {
    await hosts.register(machine(number, { contract: CONTRACT_VERSION }));
  }
  await core.desk.setGroup(["lab-01", "lab-02", "lab-03", "lab-04"], "room-b");
  await core.desk.lock(["lab-04"], { reason: "exam machine", untilMs: null });
});
after(async () => {
  await http.close();
  await core.db.destroy();
  rmSync(dataDir, { recursive: true });
});

const run = (...words: string[]) => bootcast([...words, "--data-dir", dataDir]);

test("a room at a time, behind a canary: the plan says all of it, and the group's name or its number of hosts is typed", async () => {
  const order = ["deploy", "lab-debian", "--to", "room-b", "--canary", "lab-02", "--batch", "1", "--at", "+2h"];
  const zone = ["--time-zone", "Europe/Berlin"];
  const wrong = await run(...order, ...zone, "--confirm", "lab-01");
  assert.equal(wrong.code, 5, wrong.stderr);
  for (const line of [
    /3 hosts will be ERASED/,
    /Left alone: lab-04: locked by .*exam machine/,
    /First: lab-02\. The others begin when that is up again under its name/,
    /Then 1 at a time, 2 times; nobody else begins when more than 1 fail/,
    /It begins \w{3} \d{4}-\d\d-\d\d \d\d:\d\d Europe\/Berlin/,
    /About \d+ min \d+ s \(by its size\)/,
  ]) {
    assert.match(wrong.stderr, line);
  }
  assert.deepEqual(await core.sessions.list(), [], "nothing was ordered");
  const miscounted = await run(...order, ...zone, "--confirm", "4 hosts");
  assert.match(miscounted.stderr, /CONFIRM_WRONG[\s\S]*--confirm room-b/);
  const given = await run(...order, ...zone, "--confirm", "3 hosts");
  assert.equal(given.code, 0, given.stderr);
  const [session] = await core.sessions.list();
  assert.deepEqual([session?.target, session?.counts.all, session?.mostFailed], ["room-b", 3, 1]);
  const { hosts } = await core.sessions.show(session?.id ?? 0);
  assert.equal(hosts.find(({ wave }) => wave === 0)?.name, "lab-02");
});

test("session: shown while it waits, started before its time, stopped by a canary, gone on with, and repeated", async () => {
  const [{ id } = { id: 0 }] = await core.sessions.list();
  const number = String(id);
  const waiting = await run("session", "show", number);
  assert.match(waiting.stdout, /lab-debian version 1 to room-b, active/);
  assert.match(waiting.stdout, /Begins \w{3} /);
  const started = await run("session", "start", number);
  assert.equal(started.code, 0, started.stderr);
  const canary = (await core.hosts.find("lab-02")).id;
  assert.equal((await core.orders.orderFor(canary, NETWORK)).kind, "deploy");
  await core.report(canary, "failed", id, { fault: { code: "X", what: "It broke.", why: "y", fix: "z" } });
  await core.conductor.look();
  const stopped = await run("session", "show", number);
  assert.match(stopped.stdout, /STOPPED: lab-02 went first to try the image, and failed\. .*bootcast session start/);
  const retry = await run("session", "retry", number, "--plan");
  assert.match(retry.stdout, /1 host will be ERASED[\s\S]*lab-02/);
  const only = await run("session", "stop", number, "--hosts", "lab-03", "--json");
  assert.equal(only.code, 0, only.stderr);
  const orders = JSON.parse(only.stdout).hosts.map(({ name, order }: { name: string; order: string }) => [name, order]);
  assert.deepEqual(orders, [
    ["lab-01", "pending"],
    ["lab-02", "failed"],
    ["lab-03", "cancelled"],
  ]);
});

test("any, limited: the plan says which hosts that is; what cannot be is refused as typed", async () => {
  const limits = ["--model", "iMac*", "--network", "10.1.0.0/16", "--most", "20", "--until", "+1h"];
  const plan = await run("deploy", "lab-debian", "--to", "any", ...limits, "--plan");
  assert.equal(plan.code, 0, plan.stderr);
  assert.match(plan.stdout, /EVERY host of the model iMac\* in the network 10\.1\.0\.0\/16 that boots/);
  assert.match(plan.stdout, /until \w{3} .*, at most 20 of them/);
  const late = await run("deploy", "lab-debian", "--to", "lab-01", "--at", "noon", "--plan");
  assert.equal(late.code, 2, late.stderr);
  assert.match(late.stderr, /"noon" is not a time/);
  const locked = await run("deploy", "lab-debian", "--to", "lab-04", "--confirm", "lab-04");
  assert.equal(locked.code, 5, locked.stderr);
  assert.match(locked.stderr, /lab-04 is left alone/);
});
