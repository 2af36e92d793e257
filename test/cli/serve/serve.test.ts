import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Client, request } from "undici";
import { captureClient } from "../../../agent/capture/client.ts";
import { captureScan } from "../../../agent/capture/scan.ts";
import { realClock } from "../../../agent/client/backoff.ts";
import { CONTRACT_VERSION, type Order, type Registration } from "../../../agent/contract.ts";
import { Exit } from "../../../cli/terminal/output.ts";
import { sampleDisk } from "../../images/sample-disk.ts";
import { machine } from "../../server/core.ts";
import { bootcast, ServerProcess } from "../program.ts";

let server: ServerProcess;

before(async () => {
  server = await ServerProcess.start();
  const raw = join(server.dataDir, "golden.raw");
  writeFileSync(raw, Buffer.alloc(1 << 20, "golden "));
  const imported = await server.run("image", "import", raw, "--name", "lab-debian");
  assert.equal(imported.code, 0, imported.stderr);
});
after(async () => {
  await server.stop();
  server.remove();
});

async function register(number: number): Promise<Registration> {
  const body = JSON.stringify(machine(number));
  const headers = { "content-type": "application/json" };
  const response = await request(`${server.address}/agent/v1/hosts`, { method: "POST", body, headers });
  return (await response.body.json()) as Registration;
}

async function orderFor({ hostId, token }: Registration): Promise<Order> {
  const headers = { authorization: `Bearer ${token}` };
  const { body } = await request(`${server.address}/agent/v1/hosts/${hostId}/order`, { headers });
  return (await body.json()) as Order;
}

async function report(
  { hostId, token }: Registration,
  deployId: string,
  state: string,
  more: object = {},
): Promise<void> {
  await request(`${server.address}/agent/v1/hosts/${hostId}/reports`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ state, deployId, detail: "", ...more }),
  }).then(({ body }) => body.dump());
}

test("the control socket is for its owner only, and status comes through it", async () => {
  assert.equal(statSync(join(server.dataDir, "control.sock")).mode & 0o777, 0o600);
  const { code, stdout } = await server.run("status", "--json");
  assert.equal(code, 0);
  assert.deepEqual(JSON.parse(stdout).addresses, [server.address]);
});

test("/metrics is on the control socket, not on the network port", async () => {
  const dispatcher = new Client("http://localhost", { socketPath: join(server.dataDir, "control.sock") });
  try {
    const { statusCode, headers, body } = await dispatcher.request({ path: "/metrics", method: "GET" });
    assert.equal(statusCode, 200);
    assert.match(String(headers["content-type"]), /^text\/plain/);
    assert.match(await body.text(), /^# TYPE bootcast_stream_rate_bytes_per_second gauge$/m);
  } finally {
    await dispatcher.close();
  }
  const { statusCode, body } = await request(`${server.address}/metrics`);
  await body.dump();
  assert.equal(statusCode, 404);
});

test("the API is not on the network port", async () => {
  for (const path of ["/api/v1/hosts", "/api/v1/deploys", "/api/v1/status"]) {
    const { statusCode, body } = await request(`${server.address}${path}`);
    await body.dump();
    assert.equal(statusCode, 404, path);
  }
});

test("an image goes to named hosts only after the right word, and the session ends with exit code 0", async () => {
  const host = await register(1);
  assert.equal((await orderFor(host)).kind, "wait");

  const plan = await server.run("deploy", "lab-debian", "--to", host.name, "--plan");
  assert.deepEqual([plan.code, /1 host will be ERASED/.test(plan.stdout)], [0, true]);

  const unconfirmed = await server.run("deploy", "lab-debian", "--to", host.name, "--no-input");
  assert.equal(unconfirmed.code, Exit.refused);
  assert.match(unconfirmed.stderr, new RegExp(`CONFIRM_MISSING.*--confirm ${host.name}`, "s"));
  const wrong = await server.run("deploy", "lab-debian", "--to", host.name, "--confirm", "lab-99");
  assert.equal(wrong.code, Exit.refused);
  assert.equal((await orderFor(host)).kind, "wait", "nothing was ordered");

  const ordered = await server.run("deploy", "lab-debian:1", "--to", host.name, "--confirm", host.name, "--json");
  assert.equal(ordered.code, 0, ordered.stderr);
  const { session } = JSON.parse(ordered.stdout);
  const order = await orderFor(host);
  assert(order.kind === "deploy" && order.deployId === String(session));
  const stream = await request(`${server.address}/agent/v1/streams/${order.streamId}`);
  assert.equal(((await stream.body.json()) as { image: string }).image, "lab-debian");

  for (const state of ["preflight", "erasing", "receiving"]) await report(host, order.deployId, state);
  const shown = await server.run("session", "show", "--json");
  assert.equal(JSON.parse(shown.stdout).hosts[0].state, "receiving");
  for (const state of ["rebooting", "done"]) await report(host, order.deployId, state);
  const watched = await server.run("session", "watch", String(session));
  assert.equal(watched.code, Exit.done);
  assert.match(watched.stderr, new RegExp(`${host.name} {2}done in`));
  assert.equal((await orderFor(host)).kind, "boot-disk");
});

test("a session with a failed host ends with exit code 3 and its reason; several hosts are confirmed by their number", async () => {
  const hosts = [await register(2), await register(3)];
  const names = hosts.map(({ name }) => name);
  const ordered = await server.run("deploy", "lab-debian", "--to", ...names, "--confirm", "2-hosts", "--json");
  assert.equal(ordered.code, 0, ordered.stderr);
  const fault = {
    code: "DISK_TOO_SMALL",
    what: "The disk is too small.",
    why: "It has 1 GB.",
    fix: "Use a larger one.",
  };
  for (const [at, host] of hosts.entries()) {
    const order = await orderFor(host);
    assert(order.kind === "deploy");
    await report(host, order.deployId, at === 0 ? "failed" : "done", at === 0 ? { fault } : {});
  }
  const watched = await server.run("session", "watch", String(JSON.parse(ordered.stdout).session));
  assert.equal(watched.code, Exit.someHostsFailed);
  assert.match(watched.stdout, /DISK_TOO_SMALL/);
});

test("any host: the word any is wanted, and watch can end after so many hosts", async () => {
  const refused = await server.run("deploy", "lab-debian", "--to", "any", "--confirm", "yes");
  assert.equal(refused.code, Exit.refused);
  assert.match(refused.stderr, /EVERY host that boots from the network/);
  const ordered = await server.run("deploy", "lab-debian", "--to", "any", "--confirm", "any", "--json");
  const { session } = JSON.parse(ordered.stdout);
  const host = await register(4);
  const order = await orderFor(host);
  assert(order.kind === "deploy" && order.deployId === String(session));
  const early = await server.run("session", "watch", String(session), "--hosts", "1", "--max-time", "1s");
  assert.equal(early.code, Exit.failed);
  assert.match(early.stderr, /WATCH_TIMEOUT/);
  await report(host, order.deployId, "done");
  assert.equal((await server.run("session", "watch", String(session), "--hosts", "1")).code, Exit.done);
  assert.match((await server.run("session", "stop", String(session))).stdout, /cancelled/);
});

test("hosts are listed, shown, renamed and forgotten by name", async () => {
  const host = await register(5);
  const list = await server.run("host", "list");
  assert.match(list.stdout, new RegExp(`^NAME +MAC.*${host.name} +${machine(5).mac}`, "s"));
  assert.equal((await server.run("host", "rename", host.name, "teacher")).stdout, `${host.name} is now teacher.\n`);
  assert.match((await server.run("host", "show", "teacher")).stdout, /host\.renamed/);
  const wrong = await server.run("host", "show", "techer", "--json");
  assert.equal(wrong.code, Exit.failed);
  assert.match(JSON.parse(wrong.stderr).error.fix, /Maybe "teacher"/);
  assert.equal((await server.run("host", "forget", "teacher", "--quiet")).stderr, "");
});

test("a second server on the same data directory is refused", async () => {
  const second = await server.run("serve", "--set", "network.interfaces=lo", "--set", "network.dhcp=off");
  assert.equal(second.code, Exit.failed);
  assert.match(second.stderr, /SERVER_RUNNING/);
});

test("no server: exit code 10 with what to do", async () => {
  const { code, stderr } = await bootcast(["host", "list", "--data-dir", "/nonexistent/bootcast"]);
  assert.equal(code, Exit.unreachable);
  assert.match(
    stderr,
    /^error: No bootcast server answers here\. \[SERVER_UNREACHABLE\]\n {2}why: .*\n {2}fix: Start it/,
  );
});

test("a port that is taken is named, and what was started before is stopped again", async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  const { port } = other.address() as AddressInfo;
  const dataDir = mkdtempSync(join(tmpdir(), "bootcast-port-"));
  try {
    const set = ["network.interfaces=lo", "network.dhcp=off", `http.port=${port}`].flatMap((pair) => ["--set", pair]);
    const { code, stderr } = await bootcast(["serve", "--data-dir", dataDir, ...set]);
    assert.equal(code, Exit.failed);
    assert.match(stderr, new RegExp(`PORT_TAKEN.*sport = :${port}`, "s"));
  } finally {
    other.close();
    rmSync(dataDir, { recursive: true });
  }
});

test("a data directory that cannot be one is named with its reason, and nothing in it is deleted", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "bootcast-bad-"));
  try {
    const file = join(dataDir, "file");
    writeFileSync(file, "");
    const set = ["network.interfaces=lo", "network.dhcp=off"].flatMap((pair) => ["--set", pair]);
    const onFile = await bootcast(["serve", "--data-dir", file, ...set]);
    assert.match(onFile.stderr, /cannot be written\. \[DATA_DIR_INVALID\]\n {2}why: A file stands where/);
    writeFileSync(join(dataDir, "control.sock"), "mine");
    const inTheWay = await bootcast(["serve", "--data-dir", dataDir, ...set]);
    assert.match(inTheWay.stderr, /control\.sock is in the way.*DATA_DIR_INVALID/);
    assert.equal(readFileSync(join(dataDir, "control.sock"), "utf8"), "mine");
  } finally {
    rmSync(dataDir, { recursive: true });
  }
});

test("every line on stderr of a server is JSON, and no token or key is in one", async () => {
  const one = await ServerProcess.start();
  const before = server;
  try {
    server = one;
    const host = await register(9);
    await orderFor(host);
    await orderFor({ ...host, token: "wrong-token" });
    const { stderr } = await one.stop();
    const lines = stderr.trim().split("\n");
    for (const line of lines) assert.doesNotThrow(() => JSON.parse(line), line);
    assert(lines.some((line) => line.includes("no boot image is there yet")));
    const key = readFileSync(join(one.dataDir, "keys/site.key"), "utf8").split("\n")[1]!;
    for (const secret of [host.token, "wrong-token", key]) assert(!stderr.includes(secret));
    for (const file of ["bootcast.db", "keys/site.key"]) {
      assert.equal(statSync(join(one.dataDir, file)).mode & 0o777, 0o600, file);
    }
  } finally {
    server = before;
    one.remove();
  }
});

for (const [name, words] of [
  ["a setting that does not exist", ["--set", "http.prot=1"]],
  ["an interface that does not exist", ["--set", "network.interfaces=nope0"]],
  ["a --set without a value", ["--set", "http.port"]],
  ["a log level that does not exist", ["--log-level", "loud"]],
] as const) {
  test(`serve refuses ${name}`, async () => {
    const { code, stdout, stderr } = await bootcast(["serve", "--data-dir", "/nonexistent/x", ...words]);
    assert.notEqual(code, 0);
    assert.equal(stdout, "", "never ready");
    assert.match(stderr, /^error: .*\n {2}why: .*\n {2}fix: /);
  });
}

test("stopped by a signal it ends cleanly at once; started again it knows everything", async () => {
  const first = await ServerProcess.start();
  try {
    const before = server;
    server = first;
    const host = await register(6);
    const poll = request(`${first.address}/agent/v1/hosts/${host.hostId}/order?waitSeconds=20`, {
      headers: { authorization: `Bearer ${host.token}` },
    }).then(
      ({ body }) => body.dump(),
      () => undefined,
    );
    const startedAt = performance.now();
    const { code } = await first.stop("SIGINT");
    await poll;
    assert.equal(code, 0);
    assert(performance.now() - startedAt < 5_000);
    server = await ServerProcess.start(first.dataDir);
    assert.equal((await orderFor(host)).kind, "wait", "the token is still good");
    assert.equal(JSON.parse((await server.run("host", "list", "--json")).stdout).hosts[0].name, host.name);
    await server.stop("SIGKILL");
    server = await ServerProcess.start(first.dataDir);
    assert.equal((await orderFor(host)).kind, "wait", "after a crash, too: a dead socket file does no harm");
    await server.stop();
    server = before;
  } finally {
    first.remove();
  }
});

test("a host's disk becomes an image: the plan, the order, the session, the list of images", async () => {
  const disk = sampleDisk("?00ab??");
  const inventory = machine(31);
  const disks = [{ ...inventory.disks[0]!, sizeBytes: disk.sizeBytes }];
  const body = JSON.stringify({ ...inventory, disks, contract: CONTRACT_VERSION });
  const headers = { "content-type": "application/json" };
  const registered = await request(`${server.address}/agent/v1/hosts`, { method: "POST", body, headers });
  const host = (await registered.body.json()) as Registration;

  const plan = await server.run("capture", host.name, "--as", "kiosk", "--plan");
  assert.equal(plan.code, 0, plan.stderr);
  assert.match(plan.stdout, /becomes kiosk version 1\.[\s\S]*only read/);
  const wrong = await server.run("capture", host.name, "--as", "a/b");
  assert.deepEqual([wrong.code, wrong.stdout], [Exit.usage, ""]);
  assert.match(wrong.stderr, /cannot be the name of an image/);
  const ordered = await server.run("capture", host.name, "--as", "kiosk", "--notes", "as delivered", "--json");
  assert.equal(ordered.code, 0, ordered.stderr);
  const { session } = JSON.parse(ordered.stdout);
  const again = await server.run("capture", host.name);
  assert.match(again.stderr, new RegExp(`Session ${session} has not finished with it`));

  const order = await orderFor(host);
  assert(order.kind === "capture");
  await report(host, order.deployId, "capturing", { percent: 40 });
  const signal = AbortSignal.timeout(60_000);
  const client = captureClient({
    server: new URL(server.address),
    host,
    deployId: order.deployId,
    clock: realClock,
    signal,
    say: () => undefined,
  });
  const scan = { source: disk, sectorBytes: 512, image: order.image, keepFreeBlocks: false, client, clock: realClock };
  await captureScan({ ...scan, signal, onProgress: () => undefined, beforeFinish: async () => undefined });
  await client.close();
  await report(host, order.deployId, "rebooting");
  const watched = await server.run("session", "watch", String(session));
  assert.equal(watched.code, 0, watched.stderr);
  assert.match(watched.stdout, new RegExp(`kiosk, version 1, captured from ${host.name}, done`));
  assert.match((await server.run("session", "list")).stdout, new RegExp(`kiosk v1 +captured from ${host.name} +done`));
  const verified = await server.run("image", "verify", "kiosk");
  assert.equal(verified.code, 0, verified.stderr);
});
