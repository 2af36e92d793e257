import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePool, poolSize } from "../../bsdp/address-pool.ts";

test("a pool is two addresses in order", () => {
  assert.deepEqual(parsePool("10.77.0.50 - 10.77.0.99"), { first: "10.77.0.50", last: "10.77.0.99" });
  assert.equal(poolSize({ first: "10.77.0.50", last: "10.77.0.99" }), 50);
});

test("a pool behind a relay says its netmask, and its router where that is not the relay", () => {
  const pool = { first: "10.1.0.50", last: "10.1.0.99", netmask: "255.255.255.0" };
  assert.deepEqual(parsePool("10.1.0.50-10.1.0.99/24"), pool);
  assert.deepEqual(parsePool("10.1.0.50-10.1.0.99/24 via 10.1.0.1"), { ...pool, router: "10.1.0.1" });
  assert.equal(parsePool("10.1.0.50-10.1.1.99/22")?.netmask, "255.255.252.0");
});

for (const text of [
  "",
  "10.77.0.50",
  "10.77.0.99-10.77.0.50",
  "10.77.0.5-10.77.0.256",
  "a-b",
  "1.1.1.1-1.1.1.2-1.1.1.3",
  "10.1.0.50-10.1.1.99/24",
  "10.1.0.50-10.1.0.99/31",
  "10.1.0.50-10.1.0.99/4",
  "10.1.0.50-10.1.0.99 via 10.1.0.1",
  "10.1.0.50-10.1.0.99/24 via 10.2.0.1",
  "10.1.0.50-10.1.0.99/24 via",
]) {
  test(`${JSON.stringify(text)} is no pool`, () => assert.equal(parsePool(text), undefined));
}
