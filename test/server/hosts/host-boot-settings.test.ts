import assert from "node:assert/strict";
import { test } from "node:test";
import { HostBoot } from "../../../server/hosts/host-boot-settings.ts";
import { Core, machine } from "../core.ts";

const network = { address: "10.77.0.1", netmask: "255.255.255.0", taken: "10.77.0.1" };

async function bench(networks = [network]) {
  const core = await Core.open();
  const hostBoot = new HostBoot({ db: core.db, events: core.events, networks: () => networks });
  const { hostId } = await core.hosts.register(machine(1));
  return { core, hostBoot, hostId, mac: machine(1).mac };
}

test("a host with nothing set has nothing set", async () => {
  const { hostBoot, mac, hostId } = await bench();
  assert.deepEqual(await hostBoot.of(mac), {});
  assert.deepEqual(await hostBoot.ofHost(hostId), {});
  assert.deepEqual(await hostBoot.of("02:00:00:00:00:99"), {});
});

test("what is set is told for every card, survives a restart, and is an event", async () => {
  const { core, hostBoot, hostId, mac } = await bench();
  const settings = {
    secureBoot: true,
    loader: "x64/own.efi",
    netBootImage: { id: 0x81000089, untilMs: core.nowMs + 86_400_000 },
    address: "10.77.0.60",
    tftp: { blockBytes: 1024, windowBlocks: 4, wrapsTo: 1 },
  } as const;
  assert.deepEqual(await hostBoot.set(hostId, settings), settings);
  assert.deepEqual(await hostBoot.of(mac), settings);
  assert.deepEqual(await new HostBoot({ db: core.db, events: core.events }).of(mac), settings);
  assert.deepEqual([...(await hostBoot.addresses())], [[mac, "10.77.0.60"]]);
  const last = (await core.events.list()).at(-1);
  assert.equal(last?.kind, "host.boot-settings");
  assert.equal(last?.hostId, hostId);
});

test("null takes one thing back, what is absent stays", async () => {
  const { hostBoot, hostId } = await bench();
  await hostBoot.set(hostId, { secureBoot: false, tftp: { blockBytes: 512, windowBlocks: 8 }, address: "10.77.0.9" });
  assert.deepEqual(await hostBoot.set(hostId, { secureBoot: null, tftp: { blockBytes: null } }), {
    tftp: { windowBlocks: 8 },
    address: "10.77.0.9",
  });
  assert.deepEqual(await hostBoot.set(hostId, { tftp: null, address: null }), {});
  assert.deepEqual(await hostBoot.ofHost(hostId), {});
});

test("a new card of a known host and a forgotten host change what is told", async () => {
  const { core, hostBoot, hostId, mac } = await bench();
  await hostBoot.set(hostId, { secureBoot: true });
  assert.deepEqual(await hostBoot.of(mac), { secureBoot: true });
  await core.hosts.forget(hostId);
  assert.deepEqual(await hostBoot.of(mac), {});
  const { hostId: anew } = await core.hosts.register(machine(1));
  assert.deepEqual(await hostBoot.ofHost(anew), {});
});

test("a reservation is refused outside the network, taken twice, or ours", async () => {
  const { core, hostBoot, hostId } = await bench();
  const { hostId: other, name } = await core.hosts.register(machine(2));
  await hostBoot.set(other, { address: "10.77.0.70" });
  const refused = (address: string, code: string, says: RegExp) =>
    assert.rejects(
      hostBoot.set(hostId, { address }),
      (error: Error & { code?: string; what?: string; why?: string }) =>
        error.code === code && says.test(`${error.what} ${error.why}`),
      address,
    );
  await refused("10.78.0.9", "HOST_BOOT_INVALID", /10\.77\.0\.1\/255/);
  await refused("10.77.0.70", "ADDRESS_TAKEN", new RegExp(name));
  await refused("10.77.0.1", "ADDRESS_TAKEN", /own address/);
  await refused("10.77.0.255", "HOST_BOOT_INVALID", /network's own/);
  await refused("10.77.0.0", "HOST_BOOT_INVALID", /network's own/);
  await refused("10.77.0", "HOST_BOOT_INVALID", /IPv4/);
  await refused("239.1.1.1", "HOST_BOOT_INVALID", /IPv4/);
  assert.deepEqual(await hostBoot.ofHost(hostId), {});
  await hostBoot.set(other, { address: null });
  await hostBoot.set(hostId, { address: "10.77.0.70" });
});

test("a loader stays below the boot directory; numbers stay in the limits of their protocols", async () => {
  const { core, hostBoot, hostId } = await bench();
  const wrong = [
    { loader: "/etc/passwd" },
    { loader: "../secret.efi" },
    { loader: "x64//own.efi" },
    { loader: "x64\\own.efi" },
    { loader: `${"x".repeat(124)}.efi` },
    { loader: "" },
    { tftp: { blockBytes: 7 } },
    { tftp: { blockBytes: 65_465 } },
    { tftp: { windowBlocks: 0 } },
    { tftp: { wrapsTo: 2 as 1 } },
    { netBootImage: { id: -1, untilMs: core.nowMs + 1 } },
    { netBootImage: { id: 1, untilMs: core.nowMs } },
  ];
  for (const change of wrong) {
    await assert.rejects(hostBoot.set(hostId, change), { code: "HOST_BOOT_INVALID" }, JSON.stringify(change));
  }
});

test("a policy gets the host's own settings, else the site's", async () => {
  const { hostBoot, hostId, mac } = await bench();
  const site = { secureBoot: true };
  assert.deepEqual(await hostBoot.applyTo({ boot: "agent" }, mac, site), { boot: "agent", secureBoot: true });
  await hostBoot.set(hostId, { secureBoot: false, loader: "x64/own.efi" });
  const own = { boot: "menu", secureBoot: false, loader: "x64/own.efi" };
  assert.deepEqual(await hostBoot.applyTo({ boot: "menu" }, mac, site), own);
  const none = { boot: "nothing", reason: "not ours" } as const;
  assert.equal(await hostBoot.applyTo(none, mac, site), none);
});
