import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { notifyRoutes } from "../../../server/api/notify-routes.ts";
import { scheduleRoutes } from "../../../server/api/schedule-routes.ts";
import { Courier } from "../../../server/notify/courier.ts";
import { Targets } from "../../../server/notify/targets.ts";
import type { DeployRequest } from "../../../server/orders/deploy-plan.ts";
import { Scheduler } from "../../../server/schedules/scheduler.ts";
import { Schedules } from "../../../server/schedules/schedules.ts";
import { AccessSite } from "../access-site.ts";
import { machine } from "../core.ts";
import { HookServer, isSigned } from "../notify/hook-server.ts";

const deploy = { image: "lab-debian", to: ["lab-01"] };
const wanted = { name: "kiosks", cron: "0 3 * * *", timeZone: "Europe/Berlin", deploy };

async function open(t: TestContext) {
  let scheduler: Scheduler | undefined;
  const site = await AccessSite.open(({ core, http }) => {
    const { db, events, deploys, log } = core;
    const now = () => core.nowMs;
    const closeIdle = (deployId: number) => core.streams.closeIdle(deployId);
    const schedules = new Schedules({ db, events, plan: (request) => deploys.plan(request), closeIdle, now });
    scheduleRoutes(http, { schedules });
    const targets = new Targets({ db, events, hasMail: false });
    const sender = { server: "s", version: "1", now };
    notifyRoutes(http, {
      targets,
      courier: new Courier({ db, events, mail: undefined, sender, log, chance: () => 0 }),
    });
    const order = (request: DeployRequest) => deploys.create(request);
    const select = (words: readonly string[]) => core.hosts.select(words);
    const inUse = async () => new Set<string>();
    scheduler = new Scheduler({ db, events, order, select, inUse, closeIdle, log, now });
  });
  t.after(() => site.close());
  site.core.nowMs = Date.UTC(2026, 10, 23);
  await site.core.hosts.register(machine(1));
  return { site, core: site.core, scheduler: scheduler! };
}

test("schedules over the API: planned, made, listed, paused, run, removed, by whom it is written down", async (t) => {
  const { site, core, scheduler } = await open(t);
  const plan = await site.local("POST", "/api/v1/schedules/plan", wanted);
  assert.equal(plan.status, 200, JSON.stringify(plan.body));
  const [next] = plan.body["next"] as { dueAtMs: number; endsAtMs: number }[];
  assert.equal(next?.dueAtMs, Date.UTC(2026, 10, 23, 2));
  assert.equal(next.endsAtMs - next.dueAtMs, 2 * 3_600_000);
  assert.deepEqual((await site.local("GET", "/api/v1/schedules")).body["schedules"], []);

  const headers = await site.page("mueller", "operator");
  const made = await site.ask("POST", "/api/v1/schedules", { payload: wanted, headers });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  assert.deepEqual(made.body["deploy"], { ...deploy, erase: "none" });
  assert.deepEqual([made.body["madeBy"], made.body["missed"], made.body["isWaking"]], ["mueller", "run", true]);
  assert.equal((await site.ask("POST", "/api/v1/schedules", { payload: wanted, headers })).status, 409);
  const paused = await site.ask("PATCH", "/api/v1/schedules/kiosks", { payload: { isPaused: true }, headers });
  assert.deepEqual([paused.body["isPaused"], paused.body["next"]], [true, []]);
  await site.ask("PATCH", "/api/v1/schedules/kiosks", { payload: { isPaused: false }, headers });

  core.nowMs = next.dueAtMs;
  await scheduler.look();
  const shown = await site.local("GET", "/api/v1/schedules/kiosks");
  const [run] = shown.body["runs"] as { state: string; deployId: number }[];
  assert.deepEqual([run?.state, run?.deployId], ["running", 1]);
  const coming = await site.local("GET", "/api/v1/schedules/kiosks/next?count=3");
  assert.equal((coming.body["next"] as unknown[]).length, 3);
  const removed = await site.ask("DELETE", "/api/v1/schedules/kiosks", { headers });
  assert.equal(removed.status, 200);
  assert.equal((await site.local("GET", "/api/v1/schedules/kiosks")).body["code"], "SCHEDULE_UNKNOWN");
  const entries = (await site.local("GET", "/api/v1/audit?actor=mueller")).body["entries"] as { kind: string }[];
  const kinds = entries.map(({ kind }) => kind).filter((kind) => kind.startsWith("schedule."));
  assert.deepEqual(kinds, [
    "schedule.removed",
    "schedule.window-over",
    "schedule.resumed",
    "schedule.paused",
    "schedule.added",
  ]);
});

test("lists come in pages, and a change with a key is made once", async (t) => {
  const { site, core, scheduler } = await open(t);
  const key = { "x-test-local": "yes", "idempotency-key": "one" };
  for (const _ of [1, 2]) {
    const { status } = await site.ask("POST", "/api/v1/schedules", { payload: wanted, headers: key });
    assert.equal(status, 201);
  }
  await site.local("POST", "/api/v1/schedules", { ...wanted, name: "other" });
  const first = await site.local("GET", "/api/v1/schedules?limit=1");
  const second = await site.local("GET", `/api/v1/schedules?limit=1&cursor=${first.body["next"]}`);
  const names = [first, second].map(({ body }) => (body["schedules"] as { name: string }[])[0]?.name);
  assert.deepEqual([names, second.body["next"]], [["kiosks", "other"], undefined]);
  for (const day of [0, 1, 2]) {
    core.nowMs = Date.UTC(2026, 10, 23 + day, 2);
    await scheduler.look();
    core.nowMs += 3 * 3_600_000;
    await scheduler.look();
    await scheduler.look();
  }
  const runs = await site.local("GET", "/api/v1/schedules/kiosks/runs?limit=2");
  const rest = await site.local("GET", `/api/v1/schedules/kiosks/runs?limit=2&cursor=${runs.body["next"]}`);
  assert.deepEqual(
    [(runs.body["runs"] as []).length, (rest.body["runs"] as []).length, rest.body["next"]],
    [2, 1, undefined],
  );
});

test("what is not understood or not possible is refused before anything is made", async (t) => {
  const { site } = await open(t);
  for (const [more, code] of [
    [{ cron: "* * * * *" }, "SCHEDULE_INVALID"],
    [{ timeZone: "Moon" }, "SCHEDULE_INVALID"],
    [{ quietHours: ["never"] }, "SCHEDULE_INVALID"],
    [{ deploy: { ...deploy, to: "any" } }, "SCHEDULE_INVALID"],
    [{ deploy: { ...deploy, to: ["lab-09"] } }, "HOST_UNKNOWN"],
    [{ deploy: { ...deploy, image: "none" } }, "IMAGE_MISSING"],
    [{ deploy: { ...deploy, disk: "what" } }, "DISK_RULE"],
    [{ surprise: 1 }, "REQUEST_INVALID"],
    [{ missed: "maybe" }, "REQUEST_INVALID"],
  ] as const) {
    for (const path of ["/api/v1/schedules", "/api/v1/schedules/plan"]) {
      const { status, body } = await site.local("POST", path, { ...wanted, ...more });
      assert.deepEqual([body["code"], status >= 400], [code, true], `${path} ${JSON.stringify(more)}`);
    }
  }
  assert.deepEqual((await site.local("GET", "/api/v1/schedules")).body["schedules"], []);
});

test("notifications over the API: added with a secret that is shown once, tested, changed, removed", async (t) => {
  const { site } = await open(t);
  const hook = await HookServer.start();
  t.after(() => hook.stop());
  const payload = { name: "chat", kind: "webhook", address: `${hook.url}/T0/secret-path` };
  const headers = await site.page("mueller", "operator");
  assert.equal((await site.ask("POST", "/api/v1/notifications", { payload, headers })).status, 403, "only admins");
  const made = await site.local("POST", "/api/v1/notifications", payload);
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const secret = String(made.body["secret"]);
  const listed = await site.local("GET", "/api/v1/notifications");
  assert(!JSON.stringify(listed.body).includes(secret) && !JSON.stringify(listed.body).includes("secret-path"));
  const test = await site.local("POST", "/api/v1/notifications/chat/test", {});
  assert.deepEqual(test.body, { isTold: true, fault: null });
  assert(isSigned(hook.calls[0]!, secret));
  hook.answer = (response) => response.writeHead(404).end("no such hook");
  const failed = await site.local("POST", "/api/v1/notifications/chat/test", {});
  assert.equal((failed.body["fault"] as { code: string }).code, "WEBHOOK_REFUSED");
  const changed = await site.local("PATCH", "/api/v1/notifications/chat", { isPaused: true, topics: ["problem"] });
  assert.deepEqual([changed.body["isPaused"], changed.body["topics"]], [true, ["problem"]]);
  assert.equal((await site.local("PATCH", "/api/v1/notifications/chat", {})).status, 400);
  const mail = { name: "m", kind: "mail", address: "a@b.example" };
  assert.equal((await site.local("POST", "/api/v1/notifications", mail)).body["code"], "NOTIFY_TARGET_INVALID");
  assert.equal((await site.local("DELETE", "/api/v1/notifications/chat")).status, 200);
  assert.equal((await site.local("POST", "/api/v1/notifications/chat/test", {})).status, 404);
  const audit = (await site.local("GET", "/api/v1/audit")).body["entries"];
  assert(!JSON.stringify(audit).includes("secret-path"), "the log does not know the path either");
});
