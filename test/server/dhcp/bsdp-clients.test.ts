import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { parseBsdpClients, readBsdpClients } from "../../../server/dhcp/bsdp-clients.ts";
import { Hosts } from "../../../server/hosts/hosts.ts";
import { nameInList } from "../../../server/hosts/name-list.ts";
import { Core, machine } from "../core.ts";

// As bsdpd writes it: a tab before each property, octets without leading zeros.
const clients = `{
	name=NetBoot001
	identifier=1/0:3:93:5:a:bc
	number=1
	arch=i386
	sysid=iMac4,1
	image_id=0x81000001
	last_boot_time=0x4a1b2c3d
	ip_address=10.77.0.31
	bound=true
}
{
	name=NetBoot002
	identifier=1,52:54:0:0:0:2
	number=2
}
{
	name=NetBoot009
	identifier=1/0:3:93:5:a:bc
}
{
	name=of-another-kind
	identifier=6/0:3:93:5:a:bc:1:2
}
{
	number=4
}
`;
const ofMac = (mac: string) => nameInList(parseBsdpClients(clients), { mac, serial: "", uuid: "" });

test("names by address; the newest record counts; what is no Ethernet client or has no name is none", () => {
  assert.deepEqual(
    [...parseBsdpClients(clients)],
    [
      ["00:03:93:05:0a:bc", "NetBoot001"],
      ["52:54:00:00:00:02", "NetBoot002"],
    ],
  );
  assert.equal(ofMac("00:03:93:05:0a:bc"), "NetBoot001");
  assert.equal(ofMac("00:03:93:05:0a:bd"), undefined);
});

test("any text gives names of addresses, or none", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      for (const [mac] of parseBsdpClients(`${clients}{\n${text}\n}\n`))
        assert.match(mac, /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/);
    }),
  );
});

test("a host is called what the NetBoot server called it, unless another host has that name", async (t) => {
  const core = await Core.open();
  t.after(() => core.db.destroy());
  const directory = mkdtempSync(join(tmpdir(), "bootcast-bsdp-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, "bsdpd_clients");
  writeFileSync(path, `${clients}{\n\tname=NetBoot002\n\tidentifier=1,52:54:0:0:0:3\n}\n`);
  const { db, events } = core;
  const bsdpNames = () => readBsdpClients(path);
  const hosts = new Hosts({ db, events, names: "lab-{nn}", nameSources: ["bsdp", "pattern"], bsdpNames });
  assert.equal((await hosts.register(machine(2))).name, "NetBoot002");
  assert.equal((await hosts.register(machine(3))).name, "lab-01");
  const [refused] = (await events.list()).filter(({ data }) => data["namesRefused"] !== undefined);
  assert.deepEqual(refused?.data["namesRefused"], [{ source: "bsdp", name: "NetBoot002", why: "another host has it" }]);
  // Gone, it names nobody; known hosts keep their names.
  rmSync(path);
  assert.equal((await hosts.register(machine(2))).name, "NetBoot002");
  assert.equal((await hosts.register(machine(4))).name, "lab-02");
});
