import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Receiver } from "../../../multicast/roster.ts";
import { gatewaysOf, type LanInterface, readLanInterface } from "../../../server/stream/lan-interface.ts";
import {
  findingsOfInterface,
  groupFinding,
  querierFinding,
  refuseTaken,
  refuseWireless,
} from "../../../server/stream/lan-rules.ts";
import { reportLateness } from "../../../server/stream/report-lateness.ts";

const lan: LanInterface = {
  name: "eth0",
  index: 2,
  address: "10.66.0.1",
  mac: "02:00:00:00:00:01",
  isLoopback: false,
  wireless: [],
  mtuBytes: 1500,
  speedMegabits: 1000,
  isHalfDuplex: false,
  hasCarrier: true,
  bridge: undefined,
  gateways: [],
};
const wanted = { group: "239.192.66.1", port: 7801, ttl: 3, rateBytesPerSecond: 12_000_000 };

test("an ordinary cable is well", () => {
  refuseWireless(lan);
  assert.deepEqual(
    findingsOfInterface(lan, wanted).map(({ probe, status }) => `${probe} ${status}`),
    ["link ok", "scope ok"],
  );
});

for (const [name, change, detail] of [
  ["no link", { hasCarrier: false }, /has no link/],
  ["half duplex", { isHalfDuplex: true }, /half duplex/],
  ["small packets", { mtuBytes: 1492 }, /in pieces/],
  ["a slow link", { speedMegabits: 100 }, /fills the link of eth0, which has 100 Mbit\/s/],
  ["an own switch that floods", { bridge: { snoops: false, asks: false } }, /own switch, sends every group to all/],
] as const) {
  test(`${name} is a warning with a fix`, () => {
    const warnings = findingsOfInterface({ ...lan, ...change }, wanted).filter(({ status }) => status !== "ok");
    assert.equal(warnings.length, 1);
    assert.match(warnings[0]?.detail ?? "", detail);
    assert((warnings[0]?.fix ?? "").length > 20);
  });
}

test("a TTL that leaves the site is a warning", () => {
  const [, scope] = findingsOfInterface(lan, { ...wanted, ttl: 64 });
  assert.equal(scope?.status, "warn");
});

test("Wi-Fi is refused, also below a bridge", () => {
  assert.throws(() => refuseWireless({ ...lan, name: "wlan0", wireless: ["wlan0"] }), {
    code: "WIFI_REFUSED",
    why: /^wlan0 is a wireless card/,
  });
  assert.throws(() => refuseWireless({ ...lan, name: "br0", wireless: ["wlan0"] }), {
    code: "WIFI_REFUSED",
    why: /^br0 leads to wlan0/,
  });
});

test("what is said of the querier", () => {
  assert.equal(querierFinding({ querier: { address: "10.66.0.254", version: 3 } }, 2_000).status, "ok");
  assert.match(querierFinding({ querier: { address: "0.0.0.0", version: 2 } }, 2_000).detail, /^A switch asks/);
  const missing = querierFinding({}, 2_000);
  assert.equal(missing.status, "warn");
  assert.match(missing.fix ?? "", /querier/);
  assert.match(querierFinding(undefined, 0).detail, /not known/);
});

test("what is said of the group", () => {
  const by = "10.66.0.9 sends to 239.192.66.1:7801 already";
  assert.match(groupFinding("239.192.66.1", "239.192.66.1", undefined).detail, /Nobody else/);
  assert.match(groupFinding("239.192.66.2", "239.192.66.1", by).detail, /so this stream takes 239\.192\.66\.2/);
  assert.equal(groupFinding("239.192.66.1", "239.192.66.1", by).status, "warn");
  assert.throws(() => refuseTaken("239.192.66.1", by), { code: "GROUP_TAKEN", why: `${by}.` });
});

test("the interface as the system describes it: a bridge with a wireless port, behind a VLAN", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "bootcast-lan-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const files: Record<string, string> = {
    "sys/vlan7/ifindex": "9\n",
    "sys/vlan7/mtu": "1496\n",
    "sys/vlan7/speed": "-1\n",
    "sys/vlan7/duplex": "half\n",
    "sys/vlan7/carrier": "1\n",
    "sys/vlan7/lower_br0/none": "",
    "sys/br0/bridge/multicast_snooping": "1\n",
    "sys/br0/brif/wlan0/none": "",
    "sys/br0/brif/eth0/none": "",
    "sys/eth0/ifindex": "2\n",
    "sys/wlan0/phy80211/none": "",
    "proc/route":
      "Iface\tDestination\tGateway \tFlags\nvlan7\t00000000\tFE00420A\t0003\nvlan7\t0000420A\t00000000\t0001\neth0\t00000000\t0100A8C0\t0003\n",
  };
  for (const [path, content] of Object.entries(files)) {
    await mkdir(join(folder, path, ".."), { recursive: true });
    await writeFile(join(folder, path), content);
  }
  const own = {
    family: "IPv4" as const,
    address: "10.66.0.1",
    netmask: "255.255.255.0",
    cidr: "10.66.0.1/24",
    mac: "02:00:00:00:00:01",
    internal: false,
  };
  const places = { sys: join(folder, "sys"), proc: join(folder, "proc") };
  assert.deepEqual(await readLanInterface("10.66.0.1", places, { vlan7: [own] }), {
    ...lan,
    name: "vlan7",
    index: 9,
    wireless: ["wlan0"],
    mtuBytes: 1496,
    speedMegabits: undefined,
    isHalfDuplex: true,
    gateways: ["10.66.0.254"],
  });
  assert.equal(await readLanInterface("10.66.0.2", places, { vlan7: [own] }), undefined);
  const bridge = await readLanInterface("10.66.0.1", places, { br0: [own] });
  assert.deepEqual(bridge?.bridge, { snoops: true, asks: false });
});

test("routers are those of one interface, each once", () => {
  const table = "Iface Destination Gateway\neth0 00000000 0100A8C0\neth0 0000A8C0 0100A8C0\neth1 0 0200A8C0\neth0 x y";
  assert.deepEqual(gatewaysOf(table, "eth0"), ["192.168.0.1"]);
  assert.deepEqual(gatewaysOf("", "eth0"), []);
});

test("the receivers' reports are late when most of them are, and who died makes nobody late", () => {
  const receiver = (reportedAt: number, state: Receiver["state"] = "receiving") => ({ state, reportedAt }) as Receiver;
  const now = 100_000;
  assert.equal(reportLateness([], 1_000, now), 0);
  assert.equal(reportLateness([receiver(99_500), receiver(99_200)], 1_000, now), 0);
  assert.equal(reportLateness([receiver(96_000)], 1_000, now), 3_000);
  assert.equal(reportLateness([receiver(96_000)], 5_000, now), 0);
  assert.equal(reportLateness([receiver(96_000), receiver(99_500)], 1_000, now), 0);
  // Two of three were switched off.
  assert.equal(reportLateness([receiver(96_000), receiver(95_000), receiver(99_500)], 1_000, now), 0);
  assert.equal(reportLateness([receiver(96_000), receiver(95_000), receiver(94_000)], 1_000, now), 3_000);
  const most = [90_000, 91_000, 92_000, 93_000, 99_500].map((at) => receiver(at));
  assert.equal(reportLateness(most, 1_000, now), 6_000);
  // Anybody can join.
  assert.equal(reportLateness([receiver(96_000, "joined"), receiver(96_000, "joined")], 1_000, now), 0);
  assert.equal(reportLateness([receiver(50_000), receiver(50_000), receiver(99_500)], 1_000, now), 0);
  assert.equal(reportLateness([receiver(96_000, "done"), receiver(99_500)], 1_000, now), 0);
});
