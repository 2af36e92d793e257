import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { CONTRACT_VERSION, type Disk } from "../../../agent/contract.ts";
import { hostRoutes } from "../../../server/api/host-routes.ts";
import { apiRoutes } from "../../../server/api/routes.ts";
import { createHttp, type HttpServer } from "../../../server/http/http.ts";
import { Core, machine, NETWORK } from "../../server/core.ts";
import { bootcast } from "../program.ts";

const dataDir = mkdtempSync(join(tmpdir(), "bootcast-disk-terms-"));
let core: Core;
let http: HttpServer;

const [plain] = machine(0).disks;
const two: Disk[] = [
  { ...plain!, path: "/dev/sda", serial: "A1", sizeBytes: 4e9, holds: [{ number: 2, kind: "luks", label: "" }] },
  { ...plain!, path: "/dev/sdb", serial: "B2", sizeBytes: 8e9, holds: [], place: "pci-0000:00:1f.2-ata-2" },
];

before(async () => {
  core = await Core.open();
  http = createHttp(core.log);
  const { hosts, deploys, conductor, sessions, streams, events } = core;
  const absent = () => Promise.reject(new Error("not asked for here"));
  apiRoutes(http, { hosts, deploys, conductor, sessions, streams, events, listImages: absent, status: absent });
  hostRoutes(http, core.hostParts());
  await http.listen({ path: join(dataDir, "control.sock") });
  await hosts.register(machine(1, { contract: CONTRACT_VERSION, disks: two }));
});
after(async () => {
  await http.close();
  await core.db.destroy();
  rmSync(dataDir, { recursive: true });
});

const run = (...words: string[]) => bootcast([...words, "--data-dir", dataDir]);

test("host set --disk: kept, shown, taken back, and refused where it is no rule", async () => {
  const set = await run("host", "set", "lab-01", "--disk", "serial=B*");
  assert.equal(set.code, 0, set.stderr);
  assert.match(set.stdout, /The disk of lab-01 is chosen by: serial=B\*/);
  const shown = await run("host", "show", "lab-01");
  assert.match(shown.stdout, /Disk rule +serial=B\*/);
  assert.match(shown.stdout, /holds 2 luks/);
  assert.match(shown.stdout, /at pci-0000:00:1f\.2-ata-2/);
  const wrong = await run("host", "set", "lab-01", "--disk", "best");
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /no rule for choosing a disk/);
  const back = await run("host", "set", "lab-01", "--disk", "default");
  assert.match(back.stdout, /as for every host/);
  assert.equal((await core.hosts.find("lab-01")).diskRule, null);
});

test("deploy: the plan says which disk, what it holds and how it is erased; the order is for that", async () => {
  const undecided = await run("deploy", "lab-debian", "--to", "lab-01", "--plan");
  assert.equal(undecided.code, 0, undecided.stderr);
  assert.match(undecided.stdout, /! it will refuse: .*sda.*sdb/);
  const order = ["deploy", "lab-debian", "--to", "lab-01", "--disk", "smallest", "--erase", "zeros"];
  const plan = await run(...order, "--plan");
  assert.match(plan.stdout, /lab-01 .*\/dev\/sda 3\.7 GiB/);
  assert.doesNotMatch(plan.stdout, /\/dev\/sdb/);
  assert.match(plan.stdout, /disk: smallest/);
  assert.match(plan.stdout, /holds A1: 2 luks/);
  assert.match(plan.stdout, /becomes zero/);
  const given = await run(...order, "--confirm", "lab-01");
  assert.equal(given.code, 0, given.stderr);
  const { id } = await core.hosts.find("lab-01");
  const told = await core.orders.orderFor(id, NETWORK);
  assert(told.kind === "deploy");
  const { disk, erase, confirmed, known, grow, ids, hostName } =
    told.terms ?? assert.fail("the order says nothing of the disk");
  assert.deepEqual([disk, erase, known, grow, ids, hostName], ["smallest", "zeros", "", "last", "keep", "lab-01"]);
  assert.deepEqual(confirmed, ["A1: 2 luks", "B2: nothing"]);
});

test("deploy: ways to erase that there are not, and the words for everybody", async () => {
  assert.equal((await run("deploy", "lab-debian", "--to", "any", "--erase", "hammer")).code, 2);
  const any = await run("deploy", "lab-debian", "--to", "any", "--disk", "largest", "--plan");
  assert.equal(any.code, 0, any.stderr);
  assert.match(any.stdout, /Disk: largest/);
  assert.match(any.stdout, /left alone unless the rule allows it/);
});
