import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { realClock } from "../../../agent/client/backoff.ts";
import { CONTRACT_VERSION } from "../../../agent/contract.ts";
import { applyChanges } from "../../../agent/identity/change.ts";
import { linuxAlive } from "../../../agent/identity/linux-alive.ts";
import { VolumeFiles } from "../../../agent/identity/volume-files.ts";
import type { AgentPorts } from "../../../agent/ports.ts";
import { runAgent } from "../../../agent/run.ts";
import { runScript } from "../../../agent/scripts.ts";
import { agentRoutes } from "../../../server/http/agent-api.ts";
import { createHttp, type HttpServer, listenTcp } from "../../../server/http/http.ts";
import { Alive } from "../../../server/orders/alive.ts";
import { Orders } from "../../../server/orders/orders.ts";
import { Scripts } from "../../../server/orders/scripts.ts";
import { Core, machine, NETWORK } from "../core.ts";
import { playedMachine } from "../dhcp/played-machine.ts";

// Agent and server over HTTP, with the files that the agent writes, and the scripts that they say.

let core: Core;
let http: HttpServer;
let url: URL;
let scripts: Scripts;

before(async () => {
  core = await Core.open();
  http = createHttp(core.log);
  const { db, events, hosts, reports, streams, siteKey } = core;
  const { sign } = await import("node:crypto");
  const signed = (text: string) => sign(null, Buffer.from(text), siteKey.privateKey).toString("base64");
  const now = () => core.nowMs;
  const alive = new Alive({ db, events, sign: signed, now, urlOf: () => url.origin });
  scripts = new Scripts({ db, events, sign: signed });
  const orders = new Orders({
    db,
    events,
    hosts,
    reports,
    streams,
    alive,
    scripts,
    isRegistering: true,
    waitMs: 1,
    now,
  });
  agentRoutes(http, { hosts, orders, reports, alive, events, now, interfaceAddressOf: () => NETWORK });
  url = new URL(`http://127.0.0.1:${await listenTcp(http, "127.0.0.1", 0)}`);
});
after(async () => {
  await http.close();
  await core.db.destroy();
});

function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "bootcast-alive-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const inventory = { contract: CONTRACT_VERSION };

test("from the order to the restored system's own word", async (t) => {
  const root = directory(t);
  for (const place of ["etc/systemd/system/multi-user.target.wants", "usr/lib/systemd"])
    mkdirSync(join(root, place), { recursive: true });
  writeFileSync(join(root, "etc/os-release"), "");
  writeFileSync(join(root, "usr/lib/systemd/systemd"), "");
  // The script asks this machine's kernel for the name, so that is the name of the host.
  const name = hostname().split(".")[0]!;
  const { hostId } = await core.hosts.register(machine(1, inventory));
  await core.hosts.rename(hostId, name);
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: [name], alive: true });

  const happened: string[] = [];
  const { ports } = playedMachine(1, happened, { core, url, inventory });
  const naming: AgentPorts["name"] = async ({ hostName, mac, alive }) => {
    assert(alive !== undefined);
    const files = new VolumeFiles(root);
    const plan = await linuxAlive.plan(files, { hostName, mac, hardwareUuids: [], alive });
    await applyChanges(files, plan?.changes ?? []);
    return { changes: 3, modules: ["linux-alive"], notes: [], systems: [], callsWhenUp: plan?.callsWhenUp === true };
  };
  assert.equal(await runAgent({ ...ports, name: naming }), "done");
  const waiting = await core.sessions.show(deployId);
  assert.deepEqual(
    [waiting.state, waiting.hosts[0]?.order, waiting.hosts[0]?.state],
    ["active", "running", "rebooting"],
  );

  // The first start: /etc is elsewhere, all else as systemd would do it.
  const script = join(root, "etc/bootcast-alive");
  const text = readFileSync(script, "utf8").replaceAll("/etc/", `${root}/etc/`).replace("systemctl daemon-reload", ":");
  writeFileSync(script, text);
  await promisify(execFile)("sh", [script], { timeout: 20_000 });
  const done = await core.sessions.show(deployId);
  assert.deepEqual([done.state, done.hosts[0]?.order, done.hosts[0]?.state], ["done", "done", "done"]);
  for (const path of ["etc/bootcast-alive", "etc/systemd/system/bootcast-alive.service"])
    assert.equal(existsSync(join(root, path)), false, path);
  assert.equal((await core.hosts.ofId(hostId))?.detail, `up as ${name}`);
});

test("an order that is taken back while its script runs: the script ends, with all that it started", async (t) => {
  const own = directory(t);
  const pidFile = join(own, "pid");
  const { name } = await core.hosts.register(machine(2, inventory));
  const body = `sleep 600 &\necho $! >${pidFile}\nwait\n`;
  await scripts.set({ kind: "image", name: "lab-debian" }, { name: "long", text: body, mostSeconds: 600 });
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: [name] });
  const happened: string[] = [];
  const { ports } = playedMachine(2, happened, { core, url, inventory });
  const running: AgentPorts["runScript"] = ({ script, signal, onProgress }) =>
    runScript(script, {}, signal, { clock: realClock, directory: join(own, "scripts"), onProgress });
  // The agent's reports follow the machine's own time, and so does the script.
  const agent = runAgent({ ...ports, runScript: running, clock: { ...ports.clock, now: realClock.now } });
  while (!existsSync(pidFile) || readFileSync(pidFile, "utf8") === "") await new Promise(setImmediate);
  const pid = Number(readFileSync(pidFile, "utf8"));
  assert(existsSync(`/proc/${pid}`));
  await core.deploys.cancel(deployId);
  assert.equal(await agent, "failed");
  // Ended, and taken over by whoever takes orphans.
  const state = existsSync(`/proc/${pid}`) ? readFileSync(`/proc/${pid}/stat`, "utf8").split(" ")[2] : "gone";
  assert.match(state ?? "", /^(gone|Z)$/);
  assert.deepEqual(happened.slice(-2), ["DEPLOY_CANCELLED", "reboot"]);
  const [script] = (await core.events.list({ deployId })).filter(({ kind }) => kind === "host.script");
  assert.equal(script?.data["ended"], "stopped");
  assert.equal((await core.sessions.show(deployId)).hosts[0]?.order, "cancelled");
});
