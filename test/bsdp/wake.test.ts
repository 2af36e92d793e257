import assert from "node:assert/strict";
import { test } from "node:test";
import { broadcastOf, magicPacket, networkOfText } from "../../bsdp/wake.ts";

test("a magic packet is six bytes of ones and the address sixteen times", () => {
  const expected = "ff".repeat(6) + "525400a1b2c3".repeat(16);
  assert.equal(Buffer.from(magicPacket("52:54:00:a1:b2:c3")).toString("hex"), expected);
});

for (const [address, netmask, broadcast] of [
  ["10.77.0.1", "255.255.255.0", "10.77.0.255"],
  ["10.77.0.1", "255.255.0.0", "10.77.255.255"],
  ["192.168.1.130", "255.255.255.192", "192.168.1.191"],
  ["10.0.0.1", "255.255.255.252", "10.0.0.3"],
  ["10.0.0.1", "255.255.255.254", undefined],
  ["10.0.0.1", "255.255.255.255", undefined],
  ["1.2.3.4", "0.0.0.0", "255.255.255.255"],
] as const) {
  test(`the broadcast address of ${address} ${netmask}`, () =>
    assert.equal(broadcastOf({ address, netmask }), broadcast));
}

for (const [text, netmask] of [
  ["10.20.0.0/16", "255.255.0.0"],
  ["10.20.0.0/32", "255.255.255.255"],
  ["0.0.0.0/0", "0.0.0.0"],
  ["10.20.0.0/1", "128.0.0.0"],
] as const) {
  test(`the netmask of ${text}`, () => assert.deepEqual(networkOfText(text), { address: text.split("/")[0], netmask }));
}
