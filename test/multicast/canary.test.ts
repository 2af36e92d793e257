import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CanaryBurst } from "../../multicast/canary-burst.ts";
import { CanaryMeter } from "../../multicast/canary-meter.ts";

const options = { datagrams: 4, waitMs: 1_500 };

function sent(): CanaryBurst {
  const burst = new CanaryBurst(options);
  for (let at = 0; at < options.datagrams; at += 1) {
    assert(!burst.isSent);
    burst.onSent(at);
  }
  assert(burst.isSent);
  return burst;
}

test("a burst is over when every receiver has told of all of it", () => {
  const burst = sent();
  assert.equal(burst.result(["a", "b"], 10), undefined);
  burst.onReport("a", { received: 4, lost: 0 });
  burst.onReport("b", { received: 2, lost: 0 });
  assert.equal(burst.result(["a", "b"], 20), undefined);
  burst.onReport("b", { received: 1, lost: 1 });
  assert.deepEqual(burst.result(["a", "b"], 30), {
    lossShare: 0,
    worstLossShare: 0.25,
    worst: "b",
    answered: 2,
    asked: 2,
    datagrams: 4,
  });
});

test("a burst does not wait for who does not answer longer than it should", () => {
  const burst = sent();
  burst.onReport("a", { received: 4, lost: 0 });
  assert.equal(burst.result(["a", "b"], 1_502), undefined);
  assert.deepEqual(burst.result(["a", "b"], 1_503), {
    lossShare: 0,
    worstLossShare: 0,
    worst: "a",
    answered: 1,
    asked: 2,
    datagrams: 4,
  });
  assert.equal(sent().result(["a"], 1_503)?.answered, 0);
});

test("a canary with a forged number does not look like more lost than was sent", () => {
  const burst = sent();
  for (const id of ["a", "b", "c"]) burst.onReport(id, { received: 4, lost: 99_998 });
  assert.equal(burst.result(["a", "b", "c"], 30)?.worstLossShare, 0);
});

test("what was heard before the burst is not counted, and who left is not waited for", () => {
  const burst = new CanaryBurst(options);
  burst.onReport("a", { received: 9, lost: 3 });
  for (let at = 0; at < options.datagrams; at += 1) burst.onSent(at);
  assert.equal(burst.result(["a"], 10), undefined);
  assert.equal(burst.result([], 10)?.asked, 0);
});

test("canaries that are missing are counted when the next comes, late ones are taken back", () => {
  const meter = new CanaryMeter();
  assert.equal(meter.take(), undefined);
  for (const sequence of [0xffff_fffe, 0xffff_ffff, 1, 2, 6]) meter.note(sequence);
  assert.deepEqual(meter.take(), { received: 5, lost: 4 });
  meter.note(7);
  meter.note(9);
  meter.note(8);
  assert.deepEqual(meter.take(), { received: 3, lost: 0 });
  // A sender that counts anew.
  for (const sequence of [0, 1, 2]) meter.note(0x8000_0000 + sequence);
  assert.equal(meter.take()?.lost, 0);
});

test("received and lost make up what was sent, whatever is lost and however it is ordered in between", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.array(fc.boolean(), { maxLength: 200 }), (first, kept) => {
      const meter = new CanaryMeter();
      const arrived = [true, ...kept, true];
      for (const [at, isKept] of arrived.entries()) if (isKept) meter.note((first + at) >>> 0);
      const lost = arrived.filter((isKept) => !isKept).length;
      assert.deepEqual(meter.take(), { received: arrived.length - lost, lost });
    }),
  );
});
