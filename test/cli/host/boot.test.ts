import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { BootPolicy } from "../../../bsdp/policy.ts";
import type { HostBootBody } from "../../../server/api/host-boot-routes.ts";
import { hostBootRoutes } from "../../../server/api/host-boot-routes.ts";
import { HostBoot } from "../../../server/hosts/host-boot-settings.ts";
import { createHttp, type HttpServer } from "../../../server/http/http.ts";
import { Core, machine } from "../../server/core.ts";
import { bootcast } from "../program.ts";

const dataDir = mkdtempSync(join(tmpdir(), "bootcast-host-boot-"));
let core: Core;
let http: HttpServer;
let boots: BootPolicy = { boot: "disk" };

before(async () => {
  core = await Core.open();
  const { db, events, hosts } = core;
  const network = { address: "10.77.0.1", netmask: "255.255.255.0", taken: "10.77.0.1" };
  const hostBoot = new HostBoot({ db, events, networks: () => [network] });
  http = createHttp(core.log);
  hostBootRoutes(http, { hosts, hostBoot, policyOf: async () => boots, site: { secureBoot: false } });
  await http.listen({ path: join(dataDir, "control.sock") });
  await hosts.register(machine(1));
});
after(async () => {
  await http.close();
  await core.db.destroy();
  rmSync(dataDir, { recursive: true });
});

const run = (...words: string[]) => bootcast(["host", "boot", ...words, "--data-dir", dataDir]);

test("host boot: shows what holds, changes it, and takes it back", async () => {
  const shown = await run("lab-01");
  assert.equal(shown.code, 0, shown.stderr);
  assert.match(shown.stdout, /Secure Boot +off +as for every host/);
  boots = { boot: "agent" };
  const changed = await run("lab-01", "--secure-boot", "on", "--address", "10.77.0.60", "--tftp-blksize", "1024");
  assert.equal(changed.code, 0, changed.stderr);
  assert.match(changed.stdout, /Boots now +agent/);
  assert.match(changed.stdout, /Secure Boot +on +set for this host/);
  assert.match(changed.stdout, /Address +10\.77\.0\.60/);
  const back = await run("52:54:00:00:00:01", "--secure-boot", "default", "--net-boot-image", "0x81000089", "--json");
  assert.equal(back.code, 0, back.stderr);
  const body = JSON.parse(back.stdout) as HostBootBody;
  assert.equal(body.secureBoot, false);
  assert.deepEqual(body.own.toSorted(), ["address", "netBootImage", "tftp"]);
  assert.equal(body.netBootImage?.id, 0x81000089);
  assert.equal(body.netBootImage.untilMs > Date.now(), true);
  assert.deepEqual(body.tftp, { blockBytes: 1024, windowBlocks: null, wrapsTo: null });
});

test("host boot: what cannot be is refused, with the reason", async () => {
  const outside = await run("lab-01", "--address", "10.99.0.1");
  assert.equal(outside.code, 1);
  assert.match(outside.stderr, /10\.77\.0\.1\/255\.255\.255\.0/);
  assert.equal((await run("lab-01", "--secure-boot", "maybe")).code, 2);
  assert.equal((await run("nobody")).code, 1);
  const unbound = await run("lab-01", "--for", "7");
  assert.equal(unbound.code, 2);
  assert.match(unbound.stderr, /--net-boot-image/);
  const http400 = await http.inject({ method: "PATCH", url: "/api/v1/hosts/lab-01/boot", payload: { loaderr: "x" } });
  assert.equal(http400.statusCode, 400);
});
