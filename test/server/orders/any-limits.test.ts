import assert from "node:assert/strict";
import { test } from "node:test";
import { checkLimits, isFull, isMeant } from "../../../server/orders/any-limits.ts";

const host = { model: "iMac12,1", address: "10.1.2.3" };

for (const [limits, is] of [
  [{}, true],
  [{ model: "iMac12,1" }, true],
  [{ model: "imac*" }, true],
  [{ model: "*12,1" }, true],
  [{ model: "iMac" }, false],
  [{ model: "iMac1.,1" }, false],
  [{ model: "*" }, true],
  [{ model: "**" }, true],
  [{ model: "*i*a*1*1*" }, true],
  [{ model: "i*iMac12,1" }, false],
  [{ model: "iMac12,1*iMac12,1" }, false],
  [{ model: "*Mac*Mac*" }, false],
  [{ network: "10.1.2.3/32" }, true],
  [{ network: "10.1.2.2/31" }, true],
  [{ network: "10.1.2.4/31" }, false],
  [{ network: "10.1.0.0/16" }, true],
  [{ network: "10.1.99.99/16" }, true],
  [{ network: "192.168.0.0/16" }, false],
  [{ network: "0.0.0.0/0" }, true],
  [{ network: "128.0.0.0/1" }, false],
  [{ model: "iMac*", network: "10.2.0.0/16" }, false],
] as const) {
  test(`${JSON.stringify(limits)} means ${host.model} at ${host.address}: ${is}`, () => {
    assert.equal(isMeant(limits, host), is);
  });
}

test("a pattern of any length is answered at once", () => {
  const model = "a".repeat(30);
  assert.equal(isMeant({ model: `${"*a".repeat(30)}*` }, { ...host, model }), true);
  // As a regular expression it would take years.
  assert.equal(isMeant({ model: `${"*a".repeat(2_000)}*b` }, { ...host, model: "a".repeat(4_000) }), false);
});

test("where a host is that was never heard of is not known", () => {
  assert.equal(isMeant({ network: "10.0.0.0/8" }, { ...host, address: null }), undefined);
  assert.equal(isMeant({ network: "10.0.0.0/8", model: "Dell*" }, { ...host, address: null }), false);
  assert.equal(isMeant({ network: "10.0.0.0/8" }, { ...host, address: "fe80::1" }), false);
});

test("enough of them, or too late", () => {
  assert.equal(isFull({}, 1000, 5), false);
  assert.equal(isFull({ most: 2 }, 1, 5), false);
  assert.equal(isFull({ most: 2 }, 2, 5), true);
  assert.equal(isFull({ untilMs: 6 }, 0, 5), false);
  assert.equal(isFull({ untilMs: 5 }, 0, 5), true);
});

test("what is no network, and no model, is refused", () => {
  for (const network of ["10.1.0.0", "10.1.0.0/33", "10.1.0/24", "fe80::/10", "", "10.1.0.0/-1"]) {
    assert.throws(() => checkLimits({ network }), { code: "DEPLOY_INVALID" }, network);
  }
  assert.throws(() => checkLimits({ model: " " }), { code: "DEPLOY_INVALID" });
});
