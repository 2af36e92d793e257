import assert from "node:assert/strict";
import { test } from "node:test";
import { offeredImages } from "../../bsdp/net-boot-offer.ts";
import type { BootPolicy } from "../../bsdp/policy.ts";

const agent = { index: 1, name: "bootcast", bootFile: "nbi/booter" };
const bundle = { index: 4096, name: "Linux", bootFile: "NetBoot/a/x.nbi/i386/booter" };

const offers: readonly [BootPolicy, readonly string[]][] = [
  [{ boot: "agent" }, ["bootcast"]],
  [{ boot: "disk" }, ["Linux"]],
  [{ boot: "menu" }, ["bootcast", "Linux"]],
  [{ boot: "nothing", reason: "the host list failed" }, []],
];
for (const [policy, names] of offers) {
  test(`a Mac that is to boot "${policy.boot}" is offered: ${names.join(", ") || "nothing"}`, () => {
    const offered = offeredImages(policy, { macImages: [agent], macBundles: [bundle] });
    assert.deepEqual(
      offered.map(({ name }) => name),
      names,
    );
  });
}

test("without bundles a Mac that nothing is ordered for is never offered the agent", () => {
  assert.deepEqual(offeredImages({ boot: "disk" }, { macImages: [agent] }), []);
});
