import assert from "node:assert/strict";
import { test } from "node:test";
import { servedInterfaces } from "../../../server/network/interfaces.ts";

function ipv4(address: string, internal = false) {
  return { address, netmask: "255.255.255.0", family: "IPv4" as const, mac: "52:54:00:00:00:01", internal, cidr: null };
}
const ipv6 = {
  address: "fe80::1",
  netmask: "",
  family: "IPv6" as const,
  mac: "",
  internal: false,
  cidr: null,
  scopeid: 2,
};
const system = { lo: [ipv4("127.0.0.1", true)], eth0: [ipv6, ipv4("10.0.0.1"), ipv4("10.0.0.2")], eth1: [ipv6] };

test("without a word every interface with an IPv4 address is served, but not loopback", () => {
  assert.deepEqual(servedInterfaces(undefined, system), [
    { name: "eth0", address: "10.0.0.1", netmask: "255.255.255.0" },
  ]);
});

test("loopback is served when it is named", () => {
  assert.equal(servedInterfaces(["lo"], system)[0]?.address, "127.0.0.1");
});

test("an interface that cannot be served is an error that lists the others", () => {
  assert.throws(() => servedInterfaces(["eth1"], system), /no IPv4 address/);
  assert.throws(() => servedInterfaces(["eth7"], system), /does not exist.*eth0 \(10\.0\.0\.1\)/s);
  assert.throws(() => servedInterfaces(undefined, { lo: system.lo }), { code: "INTERFACE_NONE" });
});
