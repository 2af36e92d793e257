import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "undici";
import { reload, reloadAtHangup } from "../../../cli/serve/reload.ts";
import { type Config, loadConfig } from "../../../server/config/config.ts";
import { LiveConfig, type Reloaded } from "../../../server/config/live.ts";
import { Core, machine } from "../../server/core.ts";
import { ServerProcess } from "../program.ts";

let home: string;
let file: string;
before(async () => {
  home = await mkdtemp(join(tmpdir(), "bootcast-reload-"));
  file = join(home, "bootcast.toml");
});
after(() => rm(home, { recursive: true, force: true }));

test("a wrong setting is refused with all others, and the event names settings and no values", async () => {
  const { events, log } = await Core.open();
  const live = new LiveConfig(loadConfig({ file: "/dev/null" }));
  const take = async (text: string) => {
    await writeFile(file, text);
    return reload(live, loadConfig({ file }), { events, log });
  };
  const list = join(home, "absent.csv");
  for (const wrong of [
    '[hosts]\nnames = "no place"\n',
    "[hosts]\nnmaes = 1\n",
    `[hosts]\nnames = "a-{nn}"\nnames_csv = "${list}"\n`,
    '[hosts]\nnames = "a-{nn}"\n[boot]\nkernel_args = "a\\nb"\n',
  ]) {
    await assert.rejects(take(wrong), (error: Error & { code: string }) => /^[A-Z_]+$/.test(error.code), wrong);
  }
  assert.deepEqual([live.values["hosts.names"], await events.list()], ["lab-{nn}", []]);
  await take('[hosts]\nnames = "desk-{nn}"\n[mail]\nuser = "secret"\n[tftp]\nport = 70\n');
  const [event] = await events.list();
  assert.deepEqual(event?.data, { taken: ["hosts.names", "mail.user"], waiting: ["tftp.port"] });
});

test("a hangup before the server is ready counts when it is, and a wrong file ends nothing", async () => {
  const { log } = await Core.open();
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const reads: string[] = [];
  const config = loadConfig({ file: "/dev/null" });
  const { ready } = reloadAtHangup(() => {
    reads.push("read");
    if (reads.length === 1) return loadConfig({ file: join(home, "absent.toml") });
    return config;
  }, log);
  process.kill(process.pid, "SIGHUP");
  await sleep(0);
  assert.deepEqual(reads, [], "nothing is read that nobody could take");
  const taken: Config[] = [];
  ready(async (next): Promise<Reloaded> => {
    taken.push(next);
    resolve();
    return { taken: [], waiting: [] };
  });
  // The signal comes by an event of its own.
  while (reads.length === 0) await sleep(1);
  process.kill(process.pid, "SIGHUP");
  await over;
  assert.deepEqual([reads.length, taken], [2, [config]]);
});

test("a running server takes its file again at SIGHUP, and the doctor says what waits for a restart", async () => {
  await writeFile(file, "");
  const server = await ServerProcess.start(undefined, [], { env: { BOOTCAST_CONFIG: file } });
  const socketPath = join(server.dataDir, "control.sock");
  const api = new Client("http://bootcast", { socketPath });
  try {
    const get = async (path: string) => (await api.request({ method: "GET", path })).body.json() as Promise<never>;
    await writeFile(file, '[hosts]\nnames = "desk-{nn}"\napprove = "ask"\n[tftp]\nwindow = 8\n');
    process.kill(server.pid, "SIGHUP");
    const isTold = async () => {
      const { events } = (await get("/api/v1/events")) as { events: { kind: string }[] };
      return events.some(({ kind }) => kind === "server.reloaded");
    };
    while (!(await isTold())) await sleep(20);
    const network = new Client(server.address);
    const headers = { "content-type": "application/json" };
    const registered = await network.request({
      method: "POST",
      path: "/agent/v1/hosts",
      headers,
      body: JSON.stringify(machine(1)),
    });
    assert.equal(((await registered.body.json()) as { name: string }).name, "desk-01");
    await network.close();
    const { hosts } = (await get("/api/v1/hosts")) as { hosts: { isApproved: boolean }[] };
    assert.deepEqual(
      hosts.map(({ isApproved }) => isApproved),
      [false],
    );
    const doctor = await server.run("doctor", "--json");
    const { probes } = JSON.parse(doctor.stdout) as { probes: { probe: string; detail: string }[] };
    assert.match(probes.find(({ probe }) => probe === "settings")?.detail ?? "", /after a restart: tftp\.window\.$/);
  } finally {
    await api.destroy();
    await server.stop();
    server.remove();
  }
});
