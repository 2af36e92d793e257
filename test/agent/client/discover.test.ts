import assert from "node:assert/strict";
import { test } from "node:test";
import { pino } from "pino";
import type { Clock } from "../../../agent/client/backoff.ts";
import {
  type Browse,
  chooseServer,
  findServer,
  refusalOfServer,
  type SeenServer,
} from "../../../agent/client/discover.ts";
import { browseMdns } from "../../../agent/client/mdns.ts";
import { bootNetwork } from "../../../agent/machine/network.ts";

const KEY = "a".repeat(64);

function server(changes: Partial<SeenServer> = {}, txt: Record<string, string> = {}): SeenServer {
  return {
    name: "one",
    address: "10.77.0.1",
    port: 8440,
    txt: { v: "1", key: KEY, priority: "0", ...txt },
    ...changes,
  };
}

/** A network that answers at the times given, in milliseconds, and a clock that runs as fast as it is slept. */
function network(answers: readonly { atMs: number; server: SeenServer }[]) {
  let nowMs = 0;
  let show: ((server: SeenServer) => void) | undefined;
  const queriesAtMs: number[] = [];
  const waiting = [...answers];
  let stopped = 0;
  const clock: Clock = {
    now: () => nowMs,
    async sleep(ms, signal) {
      const end = nowMs + ms;
      while (signal?.aborted !== true && waiting[0] !== undefined && waiting[0].atMs <= end) {
        const next = waiting.shift()!;
        nowMs = Math.max(nowMs, next.atMs);
        show?.(next.server);
      }
      if (signal?.aborted !== true) nowMs = end;
    },
  };
  const browse: Browse = (onServer) => {
    show = onServer;
    const stop = () => {
      stopped += 1;
    };
    return { query: () => void queriesAtMs.push(nowMs), stop };
  };
  return { clock, browse, queriesAtMs, stopped: () => stopped };
}

async function find(answers: readonly { atMs: number; server: SeenServer }[], deadlineMs = 60_000) {
  const { clock, browse, queriesAtMs, stopped } = network(answers);
  const said: string[] = [];
  const found = await findServer({
    browse,
    trusted: [KEY],
    deadlineMs,
    clock,
    say: (line) => void said.push(line),
  }).catch((error: unknown) => error as { code: string; why: string });
  assert.equal(stopped(), 1, "the browser is stopped in any case");
  return { found, said, queriesAtMs, tookMs: clock.now() };
}

test("asks again after 1, 2, 4 … s, until the server is up", async () => {
  const { found, queriesAtMs } = await find([{ atMs: 9000, server: server() }]);
  assert.equal(String(found), "http://10.77.0.1:8440/");
  assert.deepEqual(queriesAtMs, [0, 1000, 3000, 7000]);
});

test("the deadline is shown, and kept", async () => {
  const { found, said, tookMs } = await find([], 60_000);
  assert.equal((found as { code: string }).code, "SERVER_NOT_FOUND");
  assert.equal(tookMs, 60_000);
  assert.match(said[0] ?? "", /1 min 00 s left/);
});

test("of several servers the one with the highest priority, also when it answers a little later", async () => {
  const better = server({ name: "two", address: "10.77.0.2" }, { priority: "10" });
  const { found } = await find([
    { atMs: 100, server: server() },
    { atMs: 600, server: better },
  ]);
  assert.equal(String(found), "http://10.77.0.2:8440/");
});

test("a server with a foreign key is never used, whatever its priority, and the screen says so once", async () => {
  const foreign = server({ name: "evil", address: "10.77.0.66" }, { key: "b".repeat(64), priority: "999" });
  const { found, said } = await find([
    { atMs: 50, server: foreign },
    { atMs: 60, server: foreign },
    { atMs: 5000, server: server() },
  ]);
  assert.equal(String(found), "http://10.77.0.1:8440/");
  assert.equal(said.filter((line) => /evil.*its key is not the one/.test(line)).length, 1);
});

test("when only foreign servers answer, the fault says why they were not used", async () => {
  const { found } = await find([{ atMs: 50, server: server({}, { key: "" }) }], 5000);
  assert.match((found as { why: string }).why, /1 answered but cannot be used: its key/);
});

test("what makes a server unusable", () => {
  assert.equal(refusalOfServer(server(), [KEY]), undefined);
  assert.match(refusalOfServer(server(), []) ?? "", /key/);
  assert.match(refusalOfServer(server({ address: "fe80::1" }), [KEY]) ?? "", /IPv4/);
  assert.match(refusalOfServer(server({ address: "" }), [KEY]) ?? "", /IPv4/);
  assert.match(refusalOfServer(server({ port: 0 }), [KEY]) ?? "", /port/);
  assert.match(refusalOfServer(server({}, { v: "2" }), [KEY]) ?? "", /version 2/);
  assert.match(refusalOfServer(server({ txt: {} }), [KEY]) ?? "", /version none/);
});

test("equal priorities: all hosts choose the same server; nonsense counts as 0", () => {
  const a = server({ name: "a" }, { priority: "nonsense" });
  const b = server({ name: "b" });
  assert.equal(chooseServer([b, a])?.name, "a");
  assert.equal(chooseServer([a, b])?.name, "a");
  assert.equal(chooseServer([a, server({ name: "z" }, { priority: "1" })])?.name, "z");
  assert.equal(chooseServer([]), undefined);
});

test("an interface that does not exist is logged, finds nothing and ends nothing", async () => {
  const lines: string[] = [];
  const log = pino({ level: "debug" }, { write: (line: string) => void lines.push(line) });
  const browser = browseMdns("192.0.2.1", log)(() => assert.fail("nobody is there"));
  browser.query();
  await new Promise((resolve) => setImmediate(resolve));
  browser.stop();
});

const ipv4 = (address: string, mac: string, internal = false) =>
  ({ family: "IPv4", address, mac, internal, netmask: "255.255.255.0", cidr: null }) as const;

test("the card that booted, else the first with an address", () => {
  const interfaces = {
    lo: [ipv4("127.0.0.1", "00:00:00:00:00:00", true)],
    eth1: [ipv4("10.0.1.5", "52:54:00:00:00:01")],
    eth0: [ipv4("10.0.0.5", "52:54:00:00:00:AA")],
    eth2: [],
  };
  assert.deepEqual(bootNetwork(interfaces, "52:54:00:00:00:01").name, "eth1");
  assert.deepEqual(bootNetwork(interfaces, undefined), { name: "eth0", mac: "52:54:00:00:00:aa", address: "10.0.0.5" });
  assert.deepEqual(bootNetwork(interfaces, "52:54:00:00:00:99").name, "eth0");
  assert.throws(() => bootNetwork({ lo: interfaces.lo }, undefined), { code: "NETWORK_MISSING" });
});
