import assert from "node:assert/strict";
import type { NetworkInterfaceInfo } from "node:os";
import { test } from "node:test";
import { pino } from "pino";
import { InterfaceWatch } from "../../server/interface-watch.ts";

test("an address that goes away is told once, and once when it is back", () => {
  const lines: Record<string, unknown>[] = [];
  const log = pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const served = ["eth0", "eth1"].map((name, at) => ({ name, address: `10.${at}.0.1`, netmask: "255.255.255.0" }));
  const info = (address: string) => [{ address, family: "IPv4" } as NetworkInterfaceInfo];
  let system: Record<string, NetworkInterfaceInfo[]> = { eth0: info("10.0.0.1"), eth1: info("10.1.0.1") };
  const watch = new InterfaceWatch({ served, log, system: () => system });
  watch.look();
  assert.deepEqual(lines, []);
  system = { eth0: info("10.0.0.1"), eth1: info("192.168.1.9") };
  watch.look();
  watch.look();
  assert.equal(lines.length, 1);
  assert.deepEqual([lines[0]?.["level"], lines[0]?.["interface"], lines[0]?.["address"]], [50, "eth1", "10.1.0.1"]);
  assert.match(String(lines[0]?.["fix"]), /Give eth1 the address 10\.1\.0\.1 again/);
  system = { eth0: info("10.0.0.1"), eth1: info("10.1.0.1") };
  watch.look();
  watch.look();
  assert.equal(lines.length, 2);
  assert.match(String(lines[1]?.["msg"]), /is back/);
});
