import assert from "node:assert/strict";
import { test } from "node:test";
import { isInNetwork, networkOf } from "../../../server/network/own-network.ts";

const at = (address: string, cidr: string | null) => ({
  ...{ address, cidr, netmask: "", family: "IPv4" as const, mac: "", internal: false },
});

test("the network of an own address", () => {
  const system = {
    lo: [at("127.0.0.1", "127.0.0.1/8")],
    eth0: [at("10.77.3.9", "10.77.3.9/20"), at("192.168.1.200", "192.168.1.200/25")],
    ppp0: [at("203.0.113.4", "203.0.113.4/32"), at("198.51.100.1", "198.51.100.1/0")],
    odd: [at("10.9.9.9", null)],
  };
  const cases = [
    ["127.0.0.1", "127.0.0.0/8"],
    ["10.77.3.9", "10.77.0.0/20"],
    ["192.168.1.200", "192.168.1.128/25"],
    ["203.0.113.4", "203.0.113.4/32"],
    ["198.51.100.1", "0.0.0.0/0"],
    ["10.9.9.9", undefined],
    ["10.1.1.1", undefined],
  ] as const;
  for (const [address, network] of cases) assert.equal(networkOf(address, system), network, address);
});

test("an address lies in a network or does not; what is no address lies in none", () => {
  assert(isInNetwork("10.77.0.0/20", "10.77.15.255"));
  assert(!isInNetwork("10.77.0.0/20", "10.77.16.0"));
  assert(isInNetwork("0.0.0.0/0", "255.255.255.255"));
  assert(isInNetwork("203.0.113.4/32", "203.0.113.4"));
  assert(!isInNetwork("203.0.113.4/32", "203.0.113.5"));
  assert(!isInNetwork("0.0.0.0/0", "server.example"));
});
