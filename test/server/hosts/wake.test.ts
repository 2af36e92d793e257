import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { test } from "node:test";
import { magicPacket } from "../../../bsdp/wake.ts";
import { wakeNetworksOf } from "../../../cli/serve/host-wiring.ts";
import { type WakeNetwork, Waker } from "../../../server/hosts/wake.ts";
import { Core, machine } from "../core.ts";

const loopback: WakeNetwork = { interface: "lo", address: "127.0.0.1", netmask: "255.0.0.0" };
const twoCards = machine(1, { nics: [{ name: "eth1", mac: machine(9).mac }] });

async function waker(networks: readonly WakeNetwork[], port: number) {
  const core = await Core.open();
  await core.hosts.register(twoCards);
  const { db, events } = core;
  return { core, waker: new Waker({ db, events, networks: () => networks, port, betweenMs: 0 }) };
}

test("every card of a host is woken three times, through each network, and an event tells it", async (t) => {
  const machines = createSocket("udp4");
  t.after(() => machines.close());
  machines.bind(0);
  await once(machines, "listening");
  const heard: string[] = [];
  const all = new Promise<void>((resolve) => {
    machines.on("message", (packet) => {
      heard.push(packet.toString("hex"));
      if (heard.length === 6) resolve();
    });
  });
  const single = { interface: "ppp0", address: "127.0.0.1", netmask: "255.255.255.255" };
  const { core, waker: tested } = await waker([loopback, single], machines.address().port);
  const { hosts, through, problems } = await tested.wake(await core.hosts.select(["lab-01"]));
  await all;
  const cards = [machine(1).mac, machine(9).mac];
  assert.deepEqual([hosts[0]?.macs, through, problems], [cards, ["lo (127.255.255.255)"], []]);
  const packets = cards.map((mac) => Buffer.from(magicPacket(mac)).toString("hex"));
  assert.deepEqual(heard.toSorted(), [...packets, ...packets, ...packets].toSorted());
  const [event] = (await core.events.list()).filter(({ kind }) => kind === "host.woken");
  assert.deepEqual(event?.data, { macs: cards, through });
});

test("a network that cannot be reached is told, and the others are used; with none nothing counts as sent", async () => {
  const gone = { interface: "eth9", address: "192.0.2.1", netmask: "255.255.255.0" };
  const { core, waker: tested } = await waker([gone, loopback], 9);
  const { through, problems } = await tested.wake(await core.hosts.list());
  assert.deepEqual(through, ["lo (127.255.255.255)"]);
  assert.match(problems[0] ?? "", /^eth9 \(192\.0\.2\.255\): .*EADDRNOTAVAIL/);
  for (const networks of [[gone], []]) {
    const { core, waker: alone } = await waker(networks, 9);
    await assert.rejects(alone.wake(await core.hosts.list()), { code: "WAKE_FAILED", fix: /hosts\.wake_networks/ });
    assert.equal((await core.events.list()).filter(({ kind }) => kind === "host.woken").length, 0);
  }
});

test("networks to wake in: ours, those behind relays, and those of the settings", () => {
  const values = {
    "network.pool": ["10.77.0.50-10.77.0.99", "10.1.0.50-10.1.0.99/24 via 10.1.0.1"],
    "hosts.wake_networks": ["10.20.0.0/16"],
  };
  const ours = { name: "eth0", address: "10.77.0.1", netmask: "255.255.255.0" };
  assert.deepEqual(wakeNetworksOf(values, [ours]), [
    { interface: "eth0", address: "10.77.0.1", netmask: "255.255.255.0" },
    { address: "10.1.0.50", netmask: "255.255.255.0" },
    { address: "10.20.0.0", netmask: "255.255.0.0" },
  ]);
});
