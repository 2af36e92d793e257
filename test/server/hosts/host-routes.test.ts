import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { hostRoutes } from "../../../server/api/host-routes.ts";
import type { HostBody } from "../../../server/api/host-schemas.ts";
import { createHttp, type HttpServer } from "../../../server/http/http.ts";
import { Core, machine } from "../core.ts";

const GIB = 2 ** 30;
let core: Core;
let http: HttpServer;
/** The names of the hosts that the next wake is for; undefined: it fails. */
const woken: string[][] = [];

before(async () => {
  core = await Core.open({ approve: "ask" });
  http = createHttp(core.log);
  const waker = {
    wake: async (hosts: readonly { readonly id: string; readonly name: string }[]) => {
      woken.push(hosts.map(({ name }) => name));
      return { hosts: hosts.map((host) => ({ ...host, macs: ["52:54:00:00:00:01"] })), through: ["lo"], problems: [] };
    },
  };
  hostRoutes(http, { ...core.hostParts(), waker });
  await http.ready();
  for (const number of [1, 2, 3]) await core.hosts.register(machine(number));
});
after(async () => {
  await http.close();
  await core.db.destroy();
});

async function ask(method: "GET" | "POST" | "PATCH" | "DELETE", path: string, payload?: object) {
  const answer = await http.inject({ method, url: `/api/v1${path}`, ...(payload === undefined ? {} : { payload }) });
  return { status: answer.statusCode, body: answer.json() };
}

const hostsOf = (body: { hosts: HostBody[] }) => body.hosts.map(({ name }) => name);

test("hosts are approved, grouped, labelled and locked by words, and listed by what they are", async () => {
  assert.deepEqual(hostsOf((await ask("GET", "/hosts?state=new")).body), ["lab-01", "lab-02", "lab-03"]);
  const approved = (await ask("POST", "/hosts/approve", { to: ["lab-01", "lab-02"] })).body.hosts;
  assert.deepEqual(
    approved.map(({ status, isApproved }: HostBody) => [status.state, isApproved]),
    [
      ["booting", true],
      ["booting", true],
    ],
  );
  assert.deepEqual(hostsOf((await ask("POST", "/hosts/group", { to: ["lab-01", "lab-02"], group: "room-b" })).body), [
    "lab-01",
    "lab-02",
  ]);
  await ask("POST", "/hosts/label", { to: ["lab-02", "lab-03"], add: ["kiosk"] });
  assert.deepEqual((await ask("GET", "/groups")).body, {
    groups: [{ name: "room-b", hosts: 2 }],
    labels: [{ name: "kiosk", hosts: 2 }],
  });
  const untilMs = core.nowMs + 1000;
  const [locked] = (await ask("POST", "/hosts/lock", { to: ["lab-02"], reason: "exam", untilMs })).body.hosts;
  assert.deepEqual([locked.status.state, locked.lock.reason, locked.lock.untilMs], ["locked", "exam", untilMs]);
  assert.deepEqual(hostsOf((await ask("GET", "/hosts?select=room-b%20label%3Dkiosk")).body), [
    "lab-01",
    "lab-02",
    "lab-03",
  ]);
  assert.deepEqual(hostsOf((await ask("GET", "/hosts?select=room-b&state=locked")).body), ["lab-02"]);
  core.nowMs += 1000;
  const over = (await ask("GET", "/hosts/lab-02")).body;
  assert.deepEqual([over.lock, over.status.state], [null, "booting"]);
  assert.equal((await ask("POST", "/hosts/unlock", { to: ["room-b"] })).status, 200);
});

test("one host is changed: note, disk rule and name, and nothing when one of them is wrong", async () => {
  const { body } = await ask("PATCH", "/hosts/lab-03", { note: "fan is loud", diskRule: "smallest" });
  assert.deepEqual([body.note, body.diskRule, body.name], ["fan is loud", "smallest", "lab-03"]);
  assert.equal((await ask("PATCH", "/hosts/lab-03", {})).status, 400);
  assert.equal((await ask("PATCH", "/hosts/lab-03", { group: "room-b" })).status, 400);
  for (const [wrong, code] of [
    [{ name: "lab-01" }, "NAME_TAKEN"],
    [{ name: "other", diskRule: "best" }, "DISK_RULE"],
    [{ name: "other", note: "\u001b[2J" }, "NOTE_INVALID"],
  ] as const) {
    const refused = await ask("PATCH", "/hosts/lab-03", { ...wrong, ...("note" in wrong ? {} : { note: "other" }) });
    assert.deepEqual([refused.body.code, refused.status >= 400 && refused.status < 500], [code, true]);
    assert.deepEqual([(await core.hosts.find("lab-03")).note], ["fan is loud"]);
  }
});

test("hosts are added and imported; a trial changes nothing", async () => {
  const added = await ask("POST", "/hosts", { mac: "52:54:00:00:00:99", name: "teacher", labels: ["kiosk"] });
  assert.equal(added.status, 201);
  assert.deepEqual([added.body.status.state, added.body.lastSeenMs, added.body.labels], ["new", 0, ["kiosk"]]);
  assert.equal((await ask("POST", "/hosts", { mac: "52:54:00:00:00:99" })).status, 409);
  assert.equal((await ask("POST", "/hosts", { mac: "52-54-00-00-00-98" })).status, 400);
  const hosts = [{ mac: "52:54:00:00:00:99", group: "room-b" }];
  const trial = await ask("POST", "/hosts/import", { hosts, isTrial: true });
  assert.deepEqual(trial.body.changed, [{ name: "teacher", what: ["group"] }]);
  assert.equal((await core.hosts.find("teacher")).group, null);
  assert.equal((await ask("POST", "/hosts/import", { hosts })).status, 200);
  assert.equal((await core.hosts.find("teacher")).group, "room-b");
  assert.equal((await ask("DELETE", "/hosts/teacher")).body.name, "teacher");
});

test("hosts are woken by words", async () => {
  const { body } = await ask("POST", "/hosts/wake", { to: ["room-b"] });
  assert.deepEqual(woken, [["lab-01", "lab-02"]]);
  assert.deepEqual([hostsOf(body), body.through], [["lab-01", "lab-02"], ["lo"]]);
});

test("the history of a host's parts comes in pages", async () => {
  for (const gibibytes of [2, 4, 8]) await core.hosts.register(machine(1, { memoryBytes: gibibytes * GIB }));
  const page = (await ask("GET", "/hosts/lab-01/inventory-history?limit=2")).body;
  const rest = (await ask("GET", `/hosts/lab-01/inventory-history?limit=2&cursor=${page.next}`)).body;
  const memory = [...page.history, ...rest.history].map(({ changes }) => changes[0].to);
  assert.deepEqual(memory, ["8.00 GiB", "4.00 GiB", "2.00 GiB"]);
  assert.equal(rest.next, undefined);
});

test("the session of a host, and the word for it, go with its order", async () => {
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: ["lab-01"] });
  core.nowMs += 3_600_000;
  const waiting = (await ask("GET", "/hosts/lab-01")).body;
  assert.deepEqual([waiting.session, waiting.status.state], [deployId, "waiting"]);
  await core.report((await core.hosts.find("lab-01")).id, "receiving", deployId, { percent: 12 });
  assert.equal((await ask("GET", "/hosts/lab-01")).body.status.state, "receiving");
  await core.deploys.cancel(deployId);
  assert.equal((await ask("GET", "/hosts/lab-01")).body.session, null);
});

test("what is not understood or not there is told", async () => {
  for (const [path, body, status, code] of [
    ["/hosts/lock", { to: ["lab-01"] }, 400, "REQUEST_INVALID"],
    ["/hosts/lock", { to: ["lab-01"], reason: " " }, 400, "REASON_INVALID"],
    ["/hosts/lock", { to: ["lab-01"], reason: "exam", untilMs: 1 }, 400, "LOCK_INVALID"],
    ["/hosts/approve", { to: [] }, 400, "REQUEST_INVALID"],
    ["/hosts/approve", { to: ["lab-99"] }, 404, "HOST_UNKNOWN"],
    ["/hosts/group", { to: ["group=room-x"], group: "room-y" }, 404, "GROUP_UNKNOWN"],
    ["/hosts/group", { to: ["lab-01"], group: "a b" }, 400, "GROUP_NAME"],
    ["/hosts/label", { to: ["label=x"], add: ["y"] }, 404, "LABEL_UNKNOWN"],
    ["/hosts/import", { hosts: [{ mac: "52:54:00:00:00:77", name: "lab-01" }] }, 400, "HOST_LIST_INVALID"],
  ] as const) {
    const answer = await ask("POST", path, body);
    assert.deepEqual([answer.status, answer.body.code], [status, code], path);
  }
  assert.equal((await ask("GET", "/hosts?select=none")).status, 404);
  assert.equal((await ask("GET", "/hosts?state=sleeping")).status, 400);
});

test("a lock that ends when no clock can show it is refused, and the list can be read", async () => {
  for (const untilMs of [1e18, 9e15, 8.64e15 + 2]) {
    const { status, body } = await ask("POST", "/hosts/lock", { to: ["lab-03"], reason: "exam", untilMs });
    assert.deepEqual([status, body.code], [400, "REQUEST_INVALID"], String(untilMs));
  }
  const longest = await ask("POST", "/hosts/lock", { to: ["lab-03"], reason: "exam", untilMs: 8.64e15 });
  assert.equal(longest.status, 200);
  assert.equal((await ask("GET", "/hosts")).status, 200);
  assert.equal((await ask("POST", "/hosts/unlock", { to: ["lab-03"] })).status, 200);
});
