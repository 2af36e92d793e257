import assert from "node:assert/strict";
import type { NetworkInterfaceInfo } from "node:os";
import { test } from "node:test";
import { servedNetworks } from "../../../server/tftp/networks.ts";

const system = {
  lo: [{ address: "127.0.0.1", cidr: "127.0.0.1/8" }],
  eth0: [
    { address: "10.1.0.1", cidr: "10.1.0.1/24" },
    { address: "fe80::1", cidr: "fe80::1/64" },
  ],
  eth1: [{ address: "192.168.7.1", cidr: "192.168.7.1/30" }],
} as unknown as Record<string, NetworkInterfaceInfo[]>;

const cases: readonly [client: string, named: readonly string[], isServed: boolean][] = [
  ["10.1.0.77", [], true],
  ["10.1.1.77", [], false],
  ["127.0.0.1", [], false],
  ["192.168.7.2", [], false],
  ["10.2.3.4", ["10.2.0.0/16"], true],
  ["10.3.3.4", ["10.2.0.0/16"], false],
  ["203.0.113.9", ["0.0.0.0/0"], true],
  ["203.0.113.9", ["203.0.113.9/32"], true],
  ["203.0.113.8", ["203.0.113.9/32"], false],
  ["fe80::2", [], true],
];

for (const [client, named, isServed] of cases) {
  test(`networks: ${client} is ${isServed ? "" : "not "}served on 10.1.0.1/24${named.length > 0 ? ` and ${named}` : ""}`, () => {
    assert.equal(servedNetworks(["10.1.0.1"], named, system)(client), isServed);
  });
}
