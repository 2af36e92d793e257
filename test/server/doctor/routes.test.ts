import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { doctorRoutes } from "../../../server/api/doctor-routes.ts";
import { helpRoutes } from "../../../server/api/help-routes.ts";
import { Doctor } from "../../../server/doctor/doctor.ts";
import { AccessSite } from "../access-site.ts";

let site: AccessSite;
let looks = 0;
let isHelpBroken = true;

before(async () => {
  site = await AccessSite.open(({ core, http }) => {
    const { db, events, log } = core;
    const checks = [
      {
        area: "speed" as const,
        probe: "test",
        look: async () => {
          looks += 1;
          return [{ probe: "test", status: "warn" as const, detail: "So so.", fix: "Mend it." }];
        },
      },
    ];
    doctorRoutes(http, { doctor: new Doctor({ checks, db, events, log, now: () => core.nowMs }) });
    helpRoutes(http, async () => {
      if (isHelpBroken) throw new Error("not yet");
      return [
        { path: "index.html", content: "<title>Help</title>" },
        { path: "docs/measured.html", content: "<title>Measured</title>" },
        { path: "help.css", content: ":root {}" },
      ];
    });
  });
});
after(() => site.close());

test("doctor route: the first question looks, the next ones get that, and an operator looks again", async () => {
  const viewer = await site.page("viewer", "viewer");
  const operator = await site.page("operator", "operator");
  const first = await site.ask("GET", "/api/v1/doctor", { headers: viewer });
  assert.equal(first.status, 200);
  assert.equal(first.body["problems"], 1);
  assert.deepEqual(first.body["lines"], [
    { area: "speed", probe: "test", status: "warn", detail: "So so.", fix: "Mend it." },
  ]);
  await site.ask("GET", "/api/v1/doctor", { headers: viewer });
  assert.equal(looks, 1);
  assert.equal((await site.ask("POST", "/api/v1/doctor", { headers: viewer, payload: {} })).status, 403);
  assert.equal((await site.ask("POST", "/api/v1/doctor", { headers: operator, payload: {} })).status, 200);
  assert.equal(looks, 2);
});

test("help: anybody reads it, an old copy is good as long as nothing changed, and a failure is not kept", async () => {
  assert.equal((await site.ask("GET", "/help")).status, 500);
  isHelpBroken = false;
  const page = await site.ask("GET", "/help");
  assert.equal(page.status, 200);
  assert.equal(page.headers["content-type"], "text/html; charset=utf-8");
  const tag = String(page.headers["etag"]);
  assert.equal((await site.ask("GET", "/help", { headers: { "if-none-match": tag } })).status, 304);
  assert.equal((await site.ask("GET", "/help/")).status, 200);
  assert.equal((await site.ask("GET", "/help/docs/measured")).status, 200);
  assert.equal((await site.ask("GET", "/help/help.css")).headers["content-type"], "text/css; charset=utf-8");
  for (const path of ["/help/nothing", "/help/../api/v1/users", "/help/%2e%2e/secrets"]) {
    assert.notEqual((await site.ask("GET", path)).status, 200, path);
  }
});
