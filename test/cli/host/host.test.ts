import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { hostRoutes } from "../../../server/api/host-routes.ts";
import type { HostBody } from "../../../server/api/host-schemas.ts";
import { apiRoutes } from "../../../server/api/routes.ts";
import { createHttp, type HttpServer } from "../../../server/http/http.ts";
import { Core, machine } from "../../server/core.ts";
import { bootcast } from "../program.ts";

const directory = mkdtempSync(join(tmpdir(), "bootcast-host-"));
let core: Core;
let http: HttpServer;

before(async () => {
  core = await Core.open({ approve: "ask" });
  // The program's own clock is the right one here: it says until when.
  core.nowMs = Date.now();
  http = createHttp(core.log);
  const absent = () => Promise.reject(new Error("not asked for here"));
  apiRoutes(http, { ...core, listImages: absent, status: absent });
  const wake = async (list: readonly { readonly id: string; readonly name: string }[]) => ({
    hosts: list.map((host) => ({ ...host, macs: [machine(1).mac] })),
    through: ["eth0 (10.77.0.255)"],
    problems: ["router (10.1.0.255): no way there"],
  });
  hostRoutes(http, { ...core.hostParts(), waker: { wake } });
  await http.listen({ path: join(directory, "control.sock") });
  for (const number of [1, 2]) await core.hosts.register(machine(number));
});
after(async () => {
  await http.close();
  await core.db.destroy();
  rmSync(directory, { recursive: true });
});

async function run(...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await bootcast(["host", ...words, "--data-dir", directory]);
  assert.equal(code, 0, `host ${words.join(" ")}: ${stderr}`);
  return stdout;
}

test("host: approve, group, label, note, lock, wake, and what the lists say then", async () => {
  assert.match(await run("list", "--state", "new"), /lab-01 .* new .*approve/);
  assert.match(await run("approve", "--all"), /lab-01 and lab-02 may be given orders/);
  assert.match(await run("group", "room-b", "lab-01", "lab-02"), /In room-b: lab-01 and lab-02/);
  await core.desk.label(["room-b"], { add: ["kiosk", "floor:2"], remove: [] });
  assert.match(await run("note", "lab-01", "fan is loud"), /lab-01: fan is loud/);
  assert.match(
    await run("lock", "label=kiosk", "--reason", "exam", "--for", "3d"),
    /Locked until .*: lab-01 and lab-02/,
  );
  const shown = await run("show", "lab-01");
  assert.match(shown, /Group +room-b/);
  assert.match(shown, /Labels +floor:2 kiosk/);
  assert.match(shown, /Note +fan is loud/);
  assert.match(shown, /State +locked/);
  assert.match(shown, /host\.labels {2}\+kiosk \+floor:2/);
  assert.match(shown, /host\.locked {2}exam/);
  assert.match(shown, /Detail +locked by .* until .* UTC: "exam"/);
  assert.match(await run("wake", "room-b"), /lab-01 and lab-02 \(2 cards\) through eth0/);
});

test("host: a list goes out as a table, comes back changed, and adds what is new", async () => {
  const table = await run("export", "--csv");
  assert.match(table, /^mac,name,serial,group,labels,note,disk_rule,approved,lock,lock_until\r\n/);
  assert.match(table, /lab-01,.*,,exam,20\d\d-\d\d-\d\dT.*Z\r\n/);
  const path = join(directory, "room.csv");
  writeFileSync(path, `${table.replace("fan is loud", "")}52:54:00:00:00:03,teacher,,room-b,,,\r\n`);
  assert.match(
    await run("import", path, "--dry-run"),
    /teacher {2}new\n {2}lab-01 {2}note\nIt would be: 1 added, 1 changed, 1 as/,
  );
  assert.match(await run("import", path), /1 added, 1 changed, 1 as they were/);
  const { hosts } = JSON.parse(await run("list", "group = room-b", "--json"));
  assert.deepEqual(
    hosts.map(({ name, note, status }: HostBody) => [name, note, status.state]),
    [
      ["lab-01", null, "locked"],
      ["lab-02", null, "locked"],
      ["teacher", null, "new"],
    ],
  );
  assert.match(
    await run("add", "52-54-00-00-00-04", "--name", "spare", "--label", "kiosk"),
    /spare \(52:54:00:00:00:04\)/,
  );
});

test("host: the log that an agent sent with its last word is printed for people, and nothing of it moves the cursor", async () => {
  assert.match(await run("log", "lab-01"), /lab-01 has sent nothing of its log/);
  const { id } = await core.hosts.find("lab-01");
  const time = Date.UTC(2026, 10, 22, 17, 3, 4);
  const err = { message: "It is read-only.", code: "DISK_WRITE", fix: "Look at it.", stack: "Error: x\n    at open" };
  const log = [
    JSON.stringify({ level: 30, time, disk: "/dev/sda", steps: ["wipe"], msg: "erasing" }),
    JSON.stringify({ level: 50, time, err, msg: "failed \u001b[2J" }),
    "null",
    '{"time":1e300}',
    '{"level":30,"ti',
  ].join("\n");
  await core.report(id, "failed", undefined, { log });
  const text = await run("log", "lab-01");
  assert.match(text, /^Sent at /);
  assert.match(text, /^17:03:04 info {2}erasing disk=\/dev\/sda steps=\["wipe"\]$/m);
  assert.match(text, /^17:03:04 error failed .*\n +It is read-only\. \[DISK_WRITE\]\n +fix: Look at it\.\n +at open$/m);
  assert.match(text, /^\{"level":30,"ti$/m, "half a line is shown as it is");
  assert.match(text, /^null\n\{"time":1e300\}$/m, "so is what is no entry");
  assert.doesNotMatch(text, /\u001b\[2J/);
  assert.equal(JSON.parse(await run("log", "lab-01", "--json")).log.log, log);
  await core.report(id, "failed", undefined, { log: "the next one" });
  assert.match(await run("log", "lab-01"), /the next one$/m);
  await core.db.deleteFrom("host_logs").execute();
});

test("host: what cannot be done is said before anything is asked of the server, or with its reason", async () => {
  const refused: [string[], number, RegExp][] = [
    [["lock", "lab-01", "--reason", "x", "--for", "3d", "--until", "2030-01-01"], 2, /Both --for and --until/],
    [["group", "room-b"], 2, /which hosts/],
    [["wake", "lab-99"], 1, /There is no host/],
  ];
  const ended = await Promise.all(refused.map(([words]) => bootcast(["host", ...words, "--data-dir", directory])));
  for (const [at, [words, code, text]] of refused.entries()) {
    assert.equal(ended[at]?.code, code, `host ${words.join(" ")}: ${ended[at]?.stderr}`);
    assert.match(ended[at]?.stderr ?? "", text);
  }
});
