import assert from "node:assert/strict";
import { test } from "node:test";
import { addressFindings } from "../../../server/doctor/addresses.ts";
import { clockFinding } from "../../../server/doctor/clock.ts";
import { dhcpFindings } from "../../../server/doctor/dhcp-check.ts";
import { bufferFinding, isNetAdmin } from "../../../server/doctor/kernel.ts";
import { lookAtMulticast } from "../../../server/doctor/multicast-loop.ts";

const eth0 = { name: "eth0", address: "10.77.0.1", netmask: "255.255.255.0" };

test("addresses: one that a DHCP server lends is a warning", () => {
  const system = (dynamic: boolean) => [
    { ifname: "lo", addr_info: [{ local: "127.0.0.1" }] },
    { ifname: "eth0", addr_info: [{ local: "10.77.0.9" }, { local: "10.77.0.1", ...(dynamic && { dynamic }) }] },
  ];
  assert.equal(addressFindings([eth0], system(false))[0]!.status, "ok");
  const [lent] = addressFindings([eth0], system(true));
  assert.equal(lent!.status, "warn");
  assert.match(lent!.fix ?? "", /10\.77\.0\.1/);
});

const other = { interface: "eth0", server: "10.77.0.2", givesAddresses: true, bootFile: null, lastSeenMs: 900 };

test("dhcp: a proxy wants a DHCP server beside it, a DHCP server wants none", () => {
  const statuses = (...given: Parameters<typeof dhcpFindings>) => dhcpFindings(...given).map(({ status }) => status);
  assert.deepEqual(statuses("proxy", [other], 1000), ["ok"]);
  assert.deepEqual(statuses("proxy", [], 1000), ["skip"], "it may be heard later");
  assert.deepEqual(statuses("full", [], 1000), ["ok"]);
  assert.deepEqual(statuses("full", [other], 1000), ["fail"]);
  assert.deepEqual(statuses("full", [{ ...other, lastSeenMs: 0 }], 25 * 3_600_000), ["ok"], "gone for a day");
  assert.deepEqual(statuses("full", undefined, 1000), ["skip"], "nobody has listened");
  assert.deepEqual(statuses("off", [other], 1000), ["skip"]);
  const [beside, rival] = dhcpFindings("proxy", [{ ...other, bootFile: "pxelinux.0" }], 1000);
  assert.equal(beside!.status, "ok");
  assert.equal(rival!.status, "fail");
  assert.match(rival!.detail, /10\.77\.0\.2 on eth0 tells machines to boot pxelinux\.0/);
  assert.match(rival!.fix ?? "", /66 and 67/);
});

test("clock: in step, on the way, or nobody's", () => {
  assert.equal(clockFinding("NTP=yes\nNTPSynchronized=yes\n").status, "ok");
  assert.match(clockFinding("NTP=yes\nNTPSynchronized=no\n").fix ?? "", /timesync-status/);
  assert.match(clockFinding("NTP=no\nNTPSynchronized=no\n").fix ?? "", /set-ntp true/);
});

test("socket buffers: too small is a warning with the command, unless this process may go beyond", () => {
  const small = { rmem_max: 212_992, wmem_max: 212_992 };
  const found = bufferFinding(small, false);
  assert.equal(found.status, "warn");
  assert.match(found.fix ?? "", /sysctl -w net\.core\.rmem_max=4194304 net\.core\.wmem_max=4194304/);
  assert.equal(bufferFinding(small, true).status, "ok");
  assert.equal(bufferFinding({ rmem_max: 16e6, wmem_max: 16e6 }, false).status, "ok");
  assert.equal(bufferFinding({ rmem_max: Number.NaN, wmem_max: Number.NaN }, false).status, "ok", "not told");
});

test("capabilities: CAP_NET_ADMIN is bit 12", () => {
  assert.equal(isNetAdmin("Name:\tnode\nCapEff:\t000001ffffffffff\n"), true);
  assert.equal(isNetAdmin("CapEff:\t0000000000002400\n"), false);
  assert.equal(isNetAdmin(""), false);
});

test("multicast: what this machine sends to a group it hears; an interface that is not there fails", async () => {
  const signal = AbortSignal.timeout(20_000);
  const loopback = { name: "lo", address: "127.0.0.1", netmask: "255.0.0.0" };
  assert.equal((await lookAtMulticast(loopback, "239.192.66.1", signal)).status, "ok");
  const absent = await lookAtMulticast({ ...eth0, address: "192.0.2.77" }, "239.192.66.1", signal);
  assert.equal(absent.status, "fail");
  assert.match(absent.fix ?? "", /ip link show eth0/);
});
