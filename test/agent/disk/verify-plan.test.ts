import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isSampled, parseVerifyRule, type VerifyRule, verifyRuleText } from "../../../agent/disk/verify-plan.ts";

const seven = () => 7;

for (const [text, rule] of [
  ["whole", { how: "whole" }],
  ["none", { how: "none" }],
  ["sampled", { how: "sampled", share: 0.05, seed: 7 }],
  ["sampled=10%", { how: "sampled", share: 0.1, seed: 7 }],
  ["sampled=0.25% seed=12", { how: "sampled", share: 0.0025, seed: 12 }],
  ["sampled seed=4294967295", { how: "sampled", share: 0.05, seed: 4_294_967_295 }],
] as const satisfies readonly (readonly [string, VerifyRule])[]) {
  test(`verify rule: ${text}`, () => assert.deepEqual(parseVerifyRule(text, seven), rule));
}

for (const text of ["", "all", "sampled=0%", "sampled=100%", "sampled=5", "sampled=-1%", "sampled seed=4294967296"]) {
  test(`verify rule: "${text}" is refused`, () => {
    assert.throws(() => parseVerifyRule(text, seven), { code: "VERIFY_RULE" });
  });
}

test("what is said of a rule reads as the same rule", () => {
  const percents = fc.integer({ min: 1, max: 999_999 }).map((tenThousandths) => tenThousandths / 1e4);
  fc.assert(
    fc.property(percents, fc.nat({ max: 0xffff_ffff }), (percent, seed) => {
      const rule = parseVerifyRule(`sampled=${percent}% seed=${seed}`, seven);
      assert.deepEqual(parseVerifyRule(verifyRuleText(rule), seven), rule);
    }),
  );
});

test("samples are about as many as ordered, spread over the disk, the same for a seed and others for another", () => {
  const stretches = Array.from({ length: 20_000 }, (_, at) => at * 32);
  for (const [share, seed] of [
    [0.05, 1],
    [0.05, 2],
    [0.5, 3],
    [0.01, 4_294_967_295],
  ] as const) {
    const rule = { how: "sampled", share, seed } as const;
    const picked = stretches.filter((first) => isSampled(rule, first));
    assert(Math.abs(picked.length / stretches.length - share) < 0.01, `${picked.length} for ${share}`);
    for (let part = 0; part < 4; part += 1) {
      const [from, to] = [part * 160_000, (part + 1) * 160_000];
      const inPart = picked.filter((first) => first >= from && first < to).length;
      assert(Math.abs(inPart / 5_000 - share) < 0.02, `${inPart} in part ${part}`);
    }
    assert.deepEqual(
      picked,
      stretches.filter((first) => isSampled({ ...rule }, first)),
    );
  }
  const of = (seed: number) => stretches.filter((first) => isSampled({ how: "sampled", share: 0.05, seed }, first));
  const shared = of(1).filter((first) => of(2).includes(first)).length;
  assert(shared < 150, `${shared} are the same for two seeds`);
});
