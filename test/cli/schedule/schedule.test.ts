import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, test } from "node:test";
import { request } from "undici";
import { Exit } from "../../../cli/terminal/output.ts";
import { machine } from "../../server/core.ts";
import { HookServer, isSigned } from "../../server/notify/hook-server.ts";
import { ServerProcess } from "../program.ts";

let server: ServerProcess;
let hook: HookServer;

before(async () => {
  hook = await HookServer.start();
  server = await ServerProcess.start();
  const raw = join(server.dataDir, "golden.raw");
  writeFileSync(raw, Buffer.alloc(1 << 20, "golden "));
  const imported = await server.run("image", "import", raw, "--name", "kiosk");
  assert.equal(imported.code, 0, imported.stderr);
  await request(`${server.address}/agent/v1/hosts`, {
    method: "POST",
    body: JSON.stringify(machine(1)),
    headers: { "content-type": "application/json" },
  }).then(({ body }) => body.dump());
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
  assert.match(asked.stderr, /Each time: lab-01 get what differs from kiosk in its newest version\./);
  assert.match(asked.stderr, /Fri \d{4}-\d\d-\d\d 22:00 +21:50 +00:00/);
  const made = await add("--at", "fri 22:00", "--time-zone", "Europe/Berlin", "--confirm", "kiosks");
  assert.equal(made.code, 0, made.stderr);
  const next = JSON.parse((await server.run("schedule", "next", "--count", "2", "--json")).stdout).next;
  assert.deepEqual([next.length, next[1].dueAtMs > next[0].dueAtMs], [2, true]);
  const list = await server.run("schedule", "list");
  assert.match(list.stdout, /^kiosks +kiosk +0 22 \* \* 5 +Europe\/Berlin +Fri .* 22:00 +-$/m);
  const wrong = await server.run("schedule", "add", "x", "kiosk", "--to", "lab-01", "--cron", "* * * * *", "--plan");
  assert.deepEqual([wrong.code, /more often than every 10 minutes/.test(wrong.stderr)], [1, true], wrong.stderr);
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

test("what was missed while the server was down is told when it is back", async () => {
  await server.stop();
  const database = new DatabaseSync(join(server.dataDir, "bootcast.db"));
  database.exec("update schedules set handled_until_ms = handled_until_ms - 21 * 86400000, missed = 'skip'");
  database.close();
  const told = new Promise<void>((resolve) => {
    hook.answer = (response, { body }) => {
      response.writeHead(200).end();
      if (body.includes("schedule.missed")) resolve();
    };
  });
  server = await ServerProcess.start(server.dataDir);
  await told;
  const titles = hook.calls.slice(2).map(({ body }) => JSON.parse(body).title);
  assert(titles.includes("Schedule kiosks was missed"), titles.join(", "));
  const shown = await server.run("schedule", "show", "kiosks");
  assert.match(shown.stdout, /missed +- +The server was not running/);
});
