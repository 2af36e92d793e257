import assert from "node:assert/strict";
import { test } from "node:test";
import { membershipsOf, overhear } from "../../../agent/stream/overhear.ts";

// /proc/net/igmp of a machine with two cards, one of which listens to a stream.
const table = `Idx	Device    : Count Querier	Group    Users Timer	Reporter
1	lo        :     1      V3
				010000E0     1 0:00000000		0
2	eth0      :     2      V2
				0142C0EF     1 0:00000000		1
				010000E0     1 0:00000000		0
3	eth1      :     1      V3
				010000E0     1 0:00000000		0
`;

test("the groups that this machine listens to on one interface", () => {
  assert.deepEqual(membershipsOf(table, "eth0"), ["239.192.66.1", "224.0.0.1"]);
  assert.deepEqual(membershipsOf(table, "eth1"), ["224.0.0.1"]);
  assert.deepEqual(membershipsOf(table, "eth2"), []);
  assert.deepEqual(membershipsOf("", "eth0"), []);
});

test("nothing is said of flooding on the loopback interface, without koffi, and of an address that is not ours", async () => {
  const ask = { group: "239.192.66.1", forMs: 60_000 };
  assert.equal(await overhear({ ...ask, interfaceAddress: "127.0.0.1" }), undefined);
  assert.equal(await overhear({ ...ask, interfaceAddress: "192.0.2.1" }), undefined);
  assert.equal(await overhear({ ...ask, interfaceAddress: "127.0.0.1", withoutKoffi: true }), undefined);
});
