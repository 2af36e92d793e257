import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../fault.ts";
import { checkGroup, nextFreeGroup, ttlProblem } from "../../multicast/group.ts";

for (const group of ["239.192.66.1", "224.0.1.0", "225.0.1.1", "224.77.2.245", "239.255.255.254", "239.1.0.251"]) {
  test(`group ${group} is taken`, () => checkGroup(group));
}

for (const group of [
  "224.0.0.1",
  "224.0.0.251",
  "223.255.255.255",
  "240.0.0.1",
  "10.0.0.1",
  "239.1.1",
  "239.1.1.256",
  "",
  "ff02::1",
  "239.1.1.1 ",
  "239.192.066.1",
]) {
  test(`group "${group}" is refused`, () => {
    assert.throws(() => checkGroup(group), { code: "GROUP_REFUSED" });
  });
}

for (const [group, why] of [
  ["239.255.255.250", /SSDP/],
  ["224.0.1.1", /NTP/],
  ["224.0.1.129", /PTP/],
  ["239.255.255.255", /SAP/],
  ["232.1.2.3", /name their sender/],
  // 01:00:5e:00:00:fb is mDNS's, and no switch filters it.
  ["239.0.0.251", /address of 224\.0\.0\.251/],
  ["239.128.0.1", /address of 224\.0\.0\.1,/],
  ["225.0.0.1", /address of 224\.0\.0\.1,/],
] as const) {
  test(`group ${group} is refused with its reason`, () => {
    assert.throws(
      () => checkGroup(group),
      (error) => error instanceof Fault && why.test(error.why),
    );
  });
}

test("any text is a group, or refused, never anything else", () => {
  const texts = fc.oneof(fc.string(), fc.ipV4());
  fc.assert(
    fc.property(texts, (text) => {
      try {
        checkGroup(text);
        assert.match(text, /^2[23]\d\./);
      } catch (error) {
        assert(error instanceof Fault && error.code === "GROUP_REFUSED");
      }
    }),
  );
});

test("the TTL must fit the group", () => {
  for (const ttl of [0, 1, 3, 31]) assert.equal(ttlProblem("239.192.66.1", ttl), undefined);
  assert.match(ttlProblem("239.192.66.1", 32)?.detail ?? "", /further than a site/);
  assert.equal(ttlProblem("224.77.2.245", 1), undefined);
  assert.match(ttlProblem("224.77.2.245", 3)?.detail ?? "", /may leave the site/);
});

test("the next free group is the next in the same range", () => {
  assert.equal(
    nextFreeGroup("239.192.66.1", () => false),
    "239.192.66.2",
  );
  const taken = new Set(["239.192.66.2", "239.192.66.3"]);
  assert.equal(
    nextFreeGroup("239.192.66.1", (group) => taken.has(group)),
    "239.192.66.4",
  );
  assert.equal(
    nextFreeGroup("239.192.66.254", () => false),
    "239.192.66.1",
  );
  assert.equal(
    nextFreeGroup("239.192.66.255", () => false),
    "239.192.66.2",
  );
  // Never one that belongs to somebody.
  assert.equal(
    nextFreeGroup("239.255.255.249", () => false),
    "239.255.255.251",
  );
  assert.equal(
    nextFreeGroup("239.192.66.1", () => true),
    undefined,
  );
  assert.equal(
    nextFreeGroup("nothing", () => false),
    undefined,
  );
});
