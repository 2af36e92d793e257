import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, test } from "node:test";
import { request } from "undici";
import { CONTRACT_VERSION as contract, type Order, type Registration } from "../../../agent/contract.ts";
import { Exit } from "../../../cli/terminal/output.ts";
import { machine } from "../../server/core.ts";
import { HookServer, isSigned } from "../../server/notify/hook-server.ts";
import { ServerProcess } from "../program.ts";

let server: ServerProcess;
let hook: HookServer;
/** The host's own routes, and what it says who it is with. */
let path = "";
let authorization = "";

/** As the agent of the host. */
async function ask<T>(method: "GET" | "POST", url: string, payload?: object): Promise<T> {
  const { body } = await request(`${server.address}${url}`, {
    method,
    headers: { authorization, ...(payload && { "content-type": "application/json" }) },
    ...(payload && { body: JSON.stringify(payload) }),
  });
  return (await body.json()) as T;
}

before(async () => {
  hook = await HookServer.start();
  server = await ServerProcess.start();
  const raw = join(server.dataDir, "golden.raw");
  writeFileSync(raw, Buffer.alloc(1 << 20, "golden "));
  const imported = await server.run("image", "import", raw, "--name", "kiosk");
  assert.equal(imported.code, 0, imported.stderr);
  const { hostId, token } = await ask<Registration>("POST", "/agent/v1/hosts", machine(1, { contract }));
  path = `/agent/v1/hosts/${hostId}`;
  authorization = `Bearer ${token}`;
});
after(async () => {
  await server.stop();
  server.remove();
  hook.stop();
});

const add = (...words: string[]) => server.run("schedule", "add", "kiosks", "kiosk", "--to", "lab-01", ...words);

test("a schedule is shown, made when its name is typed, listed with its next time, and paused", async () => {
  const asked = await add("--at", "fri 22:00", "--time-zone", "Europe/Berlin", "--wake-before", "10m");
  assert.equal(asked.code, Exit.refused, asked.stderr);
  assert.match(asked.stderr, /Each time: lab-01 gets what differs from kiosk in its newest version\./);
  assert.match(asked.stderr, /Fri \d{4}-\d\d-\d\d 22:00 +21:50 +00:00/);
  const made = await add("--at", "fri 22:00", "--time-zone", "Europe/Berlin", "--confirm", "kiosks");
  assert.equal(made.code, 0, made.stderr);
  const next = JSON.parse((await server.run("schedule", "next", "--count", "2", "--json")).stdout).next;
  assert.deepEqual([next.length, next[1].dueAtMs > next[0].dueAtMs], [2, true]);
  const list = await server.run("schedule", "list");
  assert.match(list.stdout, /^kiosks +kiosk +0 22 \* \* 5 +Europe\/Berlin +Fri .* 22:00 +-$/m);
});

test("who is told: added with a secret in a file, and tried", async () => {
  const file = join(server.dataDir, "chat.secret");
  const words = ["--url", `${hook.url}/x7`, "--on", "server", "schedule", "--secret-out", file];
  const added = await server.run("notify", "add", "chat", ...words);
  assert.equal(added.code, 0, added.stderr);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const tried = await server.run("notify", "test", "chat");
  assert.deepEqual([tried.code, tried.stdout], [0, "chat took it.\n"], tried.stderr);
  assert(isSigned(hook.calls[0]!, readFileSync(file, "utf8").trim()));
  const list = await server.run("notify", "list");
  assert.match(list.stdout, /^chat +http:\/\/127\.0\.0\.1:\d+\/… +schedule server +nothing told yet$/m);
  hook.answer = (response) => response.writeHead(410).end("gone");
  const failed = await server.run("notify", "test", "chat");
  assert.deepEqual([failed.code, /answered 410/.test(failed.stderr)], [Exit.failed, true]);
});

test("a server that was down when the time came tells what was missed, runs the last one late, and reports its end", async () => {
  await server.stop();
  const database = new DatabaseSync(join(server.dataDir, "bootcast.db"));
  // An hour ago, and on the two days before.
  const cron = new Date(Date.now() - 3_600_000).toISOString().replace(/^.*T(\d\d):(\d\d).*$/, "$2 $1 * * *");
  database
    .prepare("update schedules set cron = ?, time_zone = 'UTC', handled_until_ms = handled_until_ms - 3 * 86400000")
    .run(cron);
  database.close();
  const titles: string[] = [];
  const ended = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  hook.answer = (response, { body }) => {
    response.writeHead(200).end();
    titles.push(JSON.parse(body).title);
    if (body.includes("schedule.started")) begun.resolve();
    if (body.includes("schedule.ended")) ended.resolve();
  };
  server = await ServerProcess.start(server.dataDir);
  await begun.promise;
  const order = await ask<Order>("GET", `${path}/order?waitSeconds=20`);
  assert(order.kind === "deploy" && order.terms?.erase === "none", JSON.stringify(order));
  for (const state of ["preflight", "done"]) {
    await ask("POST", `${path}/reports`, { state, detail: "", deployId: order.deployId });
  }
  await ended.promise;
  const told = ["Schedule kiosks was missed", "Schedule kiosks begins", "Schedule kiosks: 1 done."];
  assert.deepEqual(
    titles.filter((title) => title.startsWith("Schedule")),
    told,
  );
  assert.equal(titles.filter((title) => title === "The server started").length, 1);
  const shown = await server.run("schedule", "show", "kiosks");
  assert.match(shown.stdout, /done +session 1 +1 done\./);
});
