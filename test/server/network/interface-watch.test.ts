import assert from "node:assert/strict";
import type { NetworkInterfaceInfo } from "node:os";
import { test } from "node:test";
import { pino } from "pino";
import { InterfaceWatch } from "../../../server/network/interface-watch.ts";
import type { SystemInterfaces } from "../../../server/network/interfaces.ts";

const netmask = "255.255.255.0";
const info = (...addresses: string[]) =>
  addresses.map((address) => ({ address, netmask, family: "IPv4", internal: false }) as NetworkInterfaceInfo);

function bench(names?: readonly string[]) {
  const lines: Record<string, unknown>[] = [];
  const told: string[] = [];
  const log = pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const served = ["eth0", "eth1"].map((name, at) => ({ name, address: `10.${at}.0.1`, netmask }));
  const system: { now: SystemInterfaces } = { now: { eth0: info("10.0.0.1"), eth1: info("10.1.0.1") } };
  const events: string[] = [];
  const tell = ({ data }: { data: Readonly<Record<string, string>> }) =>
    void events.push(`${data["change"]} ${data["address"]}`);
  const watch = new InterfaceWatch({ served, names, log, tell, system: () => system.now });
  for (const name of ["one", "two"]) {
    watch.follow({
      name,
      add: async (on) => void told.push(`${name} + ${on.name} ${on.address}`),
      remove: async (on) => void told.push(`${name} - ${on.name} ${on.address}`),
    });
  }
  return { watch, lines, told, system, events };
}

test("an address that goes away is told once, and its services stop; when it is back they start", async () => {
  const { watch, lines, told, system, events } = bench(["eth0", "eth1"]);
  await watch.look();
  assert.deepEqual([lines, told], [[], []]);
  system.now = { eth0: info("10.0.0.1") };
  await watch.look();
  await watch.look();
  assert.deepEqual(told.splice(0), ["two - eth1 10.1.0.1", "one - eth1 10.1.0.1"]);
  assert.deepEqual([lines[0]?.["level"], lines[0]?.["interface"], lines[0]?.["address"]], [50, "eth1", "10.1.0.1"]);
  assert.equal(lines.length, 1);
  assert.deepEqual(
    watch.served.map(({ name }) => name),
    ["eth0"],
  );
  system.now = { eth0: info("10.0.0.1"), eth1: info("10.1.0.1") };
  await watch.look();
  assert.deepEqual(told, ["one + eth1 10.1.0.1", "two + eth1 10.1.0.1"]);
  assert.deepEqual(events, ["gone 10.1.0.1", "come 10.1.0.1"]);
});

test("another address on the same interface is served instead of the old one", async () => {
  const { watch, told, system } = bench();
  system.now = { eth0: info("10.0.0.1"), eth1: info("192.168.1.9") };
  await watch.look();
  assert.deepEqual(told, [
    "two - eth1 10.1.0.1",
    "one - eth1 10.1.0.1",
    "one + eth1 192.168.1.9",
    "two + eth1 192.168.1.9",
  ]);
});

test("a further address on a served interface changes nothing", async () => {
  const { watch, told, system } = bench();
  system.now = { eth0: info("172.16.0.1", "10.0.0.1"), eth1: info("10.1.0.1") };
  await watch.look();
  assert.deepEqual(told, []);
});

test("a new interface is served when none were named, and loopback never", async () => {
  const all = bench();
  const lo = info("127.0.0.1").map((one) => ({ ...one, internal: true }));
  all.system.now = { ...all.system.now, lo, eth2: info("10.2.0.1") };
  await all.watch.look();
  assert.deepEqual(all.told, ["one + eth2 10.2.0.1", "two + eth2 10.2.0.1"]);
  const named = bench(["eth0", "eth1"]);
  named.system.now = { ...named.system.now, eth2: info("10.2.0.1") };
  await named.watch.look();
  assert.deepEqual(named.told, []);
});

test("a service that cannot follow is told, and the others follow", async () => {
  const { watch, told, lines, system } = bench();
  const failing = async () => {
    throw new Error("port taken");
  };
  watch.follow({ name: "three", add: failing, remove: failing });
  system.now = { ...system.now, eth2: info("10.2.0.1") };
  await watch.look();
  assert.equal(told.length, 2);
  assert.match(JSON.stringify(lines.at(-1)), /port taken.*three|three.*port taken/);
});

test("looks do not overlap", async () => {
  const { watch, told, system } = bench();
  system.now = { ...system.now, eth2: info("10.2.0.1") };
  await Promise.all([watch.look(), watch.look()]);
  assert.equal(told.length, 2);
});
