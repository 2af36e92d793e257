import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { type TestContext, test } from "node:test";
import { HookServer, isSigned } from "./hook-server.ts";
import { MOST_WAITING, noticeSite } from "./site.ts";

const MINUTE_MS = 60_000;

async function hooked(t: TestContext) {
  const hook = await HookServer.start();
  t.after(() => hook.stop());
  const site = await noticeSite(t);
  const { secret } = await site.add({ address: `${hook.url}/hook?room=b` });
  return { hook, secret: secret ?? "", ...site };
}

test("what happens is told in its order, signed, once, and with the words that people read", async (t) => {
  const { hook, secret, core, targets, start, happen } = await hooked(t);
  const courier = start();
  await happen(1);
  await happen(2);
  await happen(1);
  await core.deploys.create({ image: "lab-debian", to: ["lab-01"] });
  await courier.look();
  await courier.look();
  assert.deepEqual(
    hook.calls.map(({ body }) => JSON.parse(body).title),
    ["A new host appeared: lab-01", "A new host appeared: lab-02", "Session 1 is ordered (lab-debian version 1)"],
  );
  for (const call of hook.calls) {
    assert.equal(call.path, "/hook?room=b");
    assert(isSigned(call, secret));
    const { id, event, server, topic, dropped } = JSON.parse(call.body);
    assert.deepEqual([call.headers["webhook-id"], id], [`chat-${event.id}`, `chat-${event.id}`]);
    assert.deepEqual([server, dropped, typeof topic], ["lab-server", undefined, "string"]);
    assert.equal(call.headers["content-type"], "application/json");
  }
  const { waiting, toldAtMs, fault, failures } = await targets.find("chat");
  assert.deepEqual([waiting, toldAtMs, fault, failures], [0, core.nowMs, null, 0]);
});

test("only what somebody chose, and nothing while they are paused", async (t) => {
  const { hook, core, targets, start, happen } = await hooked(t);
  await targets.change("chat", { topics: ["host-failed"] });
  await happen(1);
  const { hostId } = await happen(2);
  await core.deploys.create({ image: "lab-debian", to: ["lab-02"] });
  const fault = { code: "X", what: "The disk is broken.", why: "w", fix: "Put in another." };
  await core.report(hostId, "failed", 1, { fault });
  await targets.change("chat", { isPaused: true, topics: ["host-new"] });
  const courier = start();
  await courier.look();
  assert.deepEqual(hook.calls, []);
  await happen(3);
  await targets.change("chat", { isPaused: false });
  await courier.look();
  const bodies = hook.calls.map(({ body }) => JSON.parse(body));
  assert.deepEqual(
    bodies.map(({ title, text }) => [title, text]),
    [["lab-02 failed in session 1 (lab-debian version 1)", "lab-02: The disk is broken. Put in another."]],
  );
});

test("what was undone is told to nobody, and what was killed on the way is told later with the same id", async (t) => {
  const { hook, core, start, happen } = await hooked(t);
  await assert.rejects(
    core.events.change(async ({ record }) => {
      await record({ kind: "deploy.ended", data: {} });
      throw new Error("undone");
    }),
  );
  await happen(1);
  // Killed when the message was there and nothing was written down of it.
  const first = start();
  const change = core.events.change.bind(core.events);
  core.events.change = () => Promise.reject(new Error("killed"));
  await first.look();
  core.events.change = change;
  assert.equal(hook.calls.length, 1);
  const second = start();
  await second.look();
  assert.equal(hook.calls.length, 1, "somebody else may still be telling it");
  core.nowMs += MINUTE_MS;
  await second.look();
  await second.look();
  const ids = hook.calls.map(({ headers }) => headers["webhook-id"]);
  assert.deepEqual([ids.length, new Set(ids).size], [2, 1]);
});

test("two servers tell a message once", async (t) => {
  const { hook, start, happen } = await hooked(t);
  for (const number of [1, 2, 3]) await happen(number);
  const servers = [start(), start()];
  await Promise.all(servers.map((server) => server.look()));
  await Promise.all(servers.map((server) => server.look()));
  const ids = hook.calls.map(({ headers }) => headers["webhook-id"]);
  assert.deepEqual([ids.length, new Set(ids).size], [3, 3]);
});

test("a target that fails is tried later and later, and gets everything in its order when it is back", async (t) => {
  const { hook, core, targets, start, happen } = await hooked(t);
  const courier = start();
  hook.answer = (response) => response.writeHead(503, { "retry-after": "120" }).end("down\nfor repair");
  await happen(1);
  await happen(2);
  await courier.look();
  const { fault, failures, waiting } = await targets.find("chat");
  assert.deepEqual([fault?.code, failures, waiting], ["WEBHOOK_REFUSED", 1, 2]);
  assert.match(fault?.why ?? "", /down for repair/);
  core.nowMs += 119_000;
  await courier.look();
  assert.equal(hook.calls.length, 1, "it asked for two minutes");
  core.nowMs += 1_000;
  hook.answer = (response) => response.writeHead(503).end();
  await courier.look();
  core.nowMs += 29_000;
  await courier.look();
  assert.equal(hook.calls.length, 2);
  core.nowMs += 1_000;
  hook.answer = (response) => response.writeHead(200).end("ok");
  await courier.look();
  const titles = hook.calls.map(({ body }) => JSON.parse(body).title as string);
  assert.deepEqual(
    titles.map((title) => title.slice(-6)),
    ["lab-01", "lab-01", "lab-01", "lab-02"],
  );
  assert.equal((await targets.find("chat")).fault, null);
});

test("a message that is not wanted is given up after five times, one that nobody takes after a day; both are told", async (t) => {
  const { hook, core, targets, start, happen, add } = await hooked(t);
  const other = await HookServer.start();
  t.after(() => other.stop());
  await add({ name: "other", address: other.url, topics: ["problem"] });
  const courier = start();
  hook.answer = (response, { body }) => response.writeHead(body.includes("lab-01") ? 400 : 200).end();
  await happen(1);
  await happen(2);
  for (let round = 0; round < 5; round += 1) {
    await courier.look();
    core.nowMs += 60 * MINUTE_MS;
  }
  await courier.look();
  assert.deepEqual((await targets.find("chat")).waiting, 0);
  assert.equal(hook.calls.length, 6);
  assert.deepEqual(
    other.calls.map(({ body }) => JSON.parse(body).title),
    ["chat could not be told"],
  );
  hook.answer = (response) => response.writeHead(500).end();
  await happen(3);
  for (let hour = 0; hour < 27; hour += 1) {
    await courier.look();
    core.nowMs += 60 * MINUTE_MS;
  }
  assert.deepEqual((await targets.find("chat")).waiting, 0);
  assert.equal(other.calls.length, 2);
  const given = (await core.events.list()).filter(({ kind }) => kind === "notify.given-up");
  assert.deepEqual(
    given.map(({ data }) => [data["target"], data["count"]]),
    [
      ["chat", 1],
      ["chat", 1],
    ],
  );
});

test("a queue is bounded, and who is back is told how much they missed", async (t) => {
  const { hook, core, targets, start } = await hooked(t);
  await core.events.change(async ({ record }) => {
    for (let number = 0; number < MOST_WAITING + 7; number += 1) await record({ kind: "server.started", data: {} });
  });
  const before = await targets.find("chat");
  assert.deepEqual([before.waiting, before.dropped], [MOST_WAITING, 7]);
  await start().look();
  assert.equal(hook.calls.length, MOST_WAITING);
  assert.equal(JSON.parse(hook.calls[0]!.body).dropped, 7);
  assert.equal(JSON.parse(hook.calls[1]!.body).dropped, undefined);
  assert.equal((await targets.find("chat")).dropped, 0);
});

test("a redirect is not followed, wherever it goes", async (t) => {
  const { hook, targets, start, happen } = await hooked(t);
  const inside = await HookServer.start();
  t.after(() => inside.stop());
  for (const status of [301, 302, 303, 307, 308]) {
    hook.answer = (response) => response.writeHead(status, { location: `${inside.url}/admin` }).end();
    const told = await start().test(await targets.find("chat"));
    assert(!told.isTold && told.isRefused);
    assert.equal(told.fault.code, "WEBHOOK_REDIRECTED");
    // The new address is mostly the old path with https before it.
    assert.match(told.fault.why, /127\.0\.0\.1:\d+ now/);
    assert.doesNotMatch(told.fault.why, /admin/);
  }
  await happen(1);
  await start().look();
  assert.deepEqual(inside.calls, []);
});

test("an answer that repeats the path of the webhook does not show it to those who may not see it", async (t) => {
  const { hook, targets, start } = await hooked(t);
  hook.answer = (response, { path }) => response.writeHead(404).end(`Cannot POST ${path} here`);
  const told = await start().test(await targets.find("chat"));
  assert(!told.isTold);
  assert.equal(told.fault.why, "It said: Cannot POST … here");
});

test("an answer that never comes, never ends, or is no HTTP is a failure in its time, and no memory", async (t) => {
  const { hook, core } = await hooked(t);
  const { sendWebhook } = await import("../../../server/notify/webhook.ts");
  const { testMessage } = await import("../../../server/notify/message.ts");
  const sender = { server: "s", version: "1", now: () => core.nowMs };
  const send = (address: string, signal = new AbortController().signal) =>
    sendWebhook({ address, secret: "whsec_AAAA", dropped: 0 }, testMessage("m-1"), sender, { signal, withinMs: 150 });
  hook.answer = () => undefined;
  const silent = await send(hook.url);
  assert(!silent.isTold && !silent.isRefused && silent.fault.code === "WEBHOOK_UNREACHABLE", JSON.stringify(silent));
  hook.answer = (response) => {
    response.writeHead(500);
    response.write("x".repeat(100_000));
  };
  const endless = await send(hook.url);
  assert(!endless.isTold && endless.fault.why.length < 300);
  const rubbish = createServer((socket) => socket.on("error", () => undefined).end("220 I am a mail server\r\n"));
  rubbish.listen(0, "127.0.0.1");
  await once(rubbish, "listening");
  t.after(() => rubbish.close());
  const { port } = rubbish.address() as { port: number };
  const wrong = await send(`http://127.0.0.1:${port}/`);
  assert(!wrong.isTold && wrong.fault.code === "WEBHOOK_UNREACHABLE");
  const secure = await send(`https://127.0.0.1:${port}/`);
  assert(!secure.isTold && secure.fault.code === "WEBHOOK_UNREACHABLE");
  const stopped = await send(hook.url, AbortSignal.abort());
  assert.equal(stopped.isTold, false);
});

test("a target that takes long holds up nobody else, and a stop does not wait for it", async (t) => {
  const { hook, core, start, happen, add } = await hooked(t);
  const quick = await HookServer.start();
  t.after(() => quick.stop());
  await add({ name: "quick", address: quick.url });
  const asked = Promise.withResolvers<void>();
  const told = Promise.withResolvers<void>();
  hook.answer = () => asked.resolve();
  quick.answer = (response) => {
    response.writeHead(200).end();
    told.resolve();
  };
  const stop = start().watch();
  await happen(1);
  await Promise.all([asked.promise, told.promise]);
  await stop();
  const queue = await core.db.selectFrom("notify_queue").select("target").execute();
  assert.deepEqual(queue.filter(({ target }) => target === "chat").length, 1, "it is told after the next start");
});

test("a test is sent at once, past what waits, and mends what had failed", async (t) => {
  const { hook, core, secret, targets, start, happen } = await hooked(t);
  const courier = start();
  hook.answer = (response) => response.writeHead(500).end();
  await happen(1);
  await courier.look();
  const failed = await courier.test(await targets.find("chat"));
  assert(!failed.isTold);
  hook.answer = (response) => response.writeHead(200).end();
  assert.deepEqual(await courier.test(await targets.find("chat")), { isTold: true });
  const call = hook.calls.at(-1)!;
  assert(isSigned(call, secret));
  assert.deepEqual([JSON.parse(call.body).topic, JSON.parse(call.body).event], ["test", null]);
  await courier.look();
  assert.match(hook.calls.at(-1)!.body, /A new host appeared/, "without waiting for its pause");
  const tests = (await core.events.list()).filter(({ kind }) => kind === "notify.tested");
  assert.deepEqual(
    tests.map(({ data }) => data),
    [
      { tested: "chat", isTold: false },
      { tested: "chat", isTold: true },
    ],
  );
});

test("names, addresses and topics that cannot be meant are refused; one that is removed takes its queue along", async (t) => {
  const { core, targets, add, happen } = await hooked(t);
  for (const [more, code] of [
    [{ address: "http://a/" }, "NOTIFY_TARGET_EXISTS"],
    [{ name: "a b", address: "http://a/" }, "NOTIFY_TARGET_INVALID"],
    [{ name: "b", address: "file:///etc/passwd" }, "NOTIFY_TARGET_INVALID"],
    [{ name: "b", address: "http://a/", topics: [] }, "NOTIFY_TARGET_INVALID"],
    [{ name: "b", kind: "mail", address: "a@b" }, "NOTIFY_TARGET_INVALID"],
    [{ name: "b", kind: "mail", address: "a@b\nBcc: c@d" }, "NOTIFY_TARGET_INVALID"],
  ] as const) {
    await assert.rejects(add(more), { code }, JSON.stringify(more));
  }
  await happen(1);
  await targets.remove("chat");
  assert.deepEqual(await core.db.selectFrom("notify_queue").selectAll().execute(), []);
  await assert.rejects(targets.find("cat"), { code: "NOTIFY_TARGET_UNKNOWN" });
});
