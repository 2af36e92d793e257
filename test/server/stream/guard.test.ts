import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Guard, type GuardTarget } from "../../../server/stream/guard.ts";

const target = (name: string): GuardTarget => ({
  lateMs: 20,
  say: (ms, usual) => (ms === undefined ? `${name} is silent` : `${name} takes ${ms} ms, not ${usual}`),
});

/** A guard on a fake clock: one answer of each target every 250 ms. */
function start() {
  const guard = new Guard();
  const words: string[] = [];
  let now = 0;
  return {
    words,
    now: () => now,
    isHolding: () => guard.isHolding,
    /** `answers` may depend on whether the stream is sending: so does a network. */
    run(seconds: number, answers: (isSending: boolean, now: number) => [GuardTarget, number | undefined][]): void {
      for (const end = now + seconds * 1_000; now < end; now += 250) {
        const isSending = !guard.isHolding;
        for (const [of, ms] of answers(isSending, now)) guard.onAnswer(of, ms, isSending);
        const word = guard.look(now);
        if (word === undefined) continue;
        words.push(word.type === "release" ? word.type : `${word.type}: ${word.reason}`);
      }
    },
  };
}

test("guard: a calm network is left alone, with jitter and a lost answer now and then", () => {
  const gateway = target("gateway");
  const { run, words } = start();
  run(600, (_, now) => [[gateway, now % 5_000 === 0 ? undefined : 1 + (now % 7) * 2]]);
  assert.deepEqual(words, []);
});

test("guard: answers that come late hold the stream, and as usual again let it go", () => {
  const gateway = target("gateway");
  const { run, words, isHolding } = start();
  run(5, () => [[gateway, 1]]);
  run(2, (isSending) => [[gateway, isSending ? 80 : 1]]);
  assert(isHolding());
  run(3, () => [[gateway, 1]]);
  assert.deepEqual(words, ["hold: gateway takes 80 ms, not 1", "release"]);
});

test("guard: a stream is held within two seconds, and for two at least", () => {
  const gateway = target("gateway");
  const { run, now, isHolding } = start();
  run(5, () => [[gateway, 1]]);
  const from = now();
  while (!isHolding() && now() < from + 10_000) run(0.25, () => [[gateway, undefined]]);
  assert(now() - from <= 2_000, `held after ${now() - from} ms`);
  const heldAt = now();
  while (isHolding()) run(0.25, () => [[gateway, 1]]);
  assert(now() - heldAt >= 2_000 && now() - heldAt <= 2_500, `released after ${now() - heldAt} ms`);
});

test("guard: answers between well and late change nothing: neither held nor let go", () => {
  const gateway = target("gateway");
  const { run, isHolding } = start();
  run(5, () => [[gateway, 1]]);
  run(60, () => [[gateway, 15]]);
  assert(!isHolding());
  run(2, () => [[gateway, 50]]);
  assert(isHolding());
  run(10, () => [[gateway, 15]]);
  assert(isHolding());
});

test("guard: trouble that comes back at once is held longer each time", () => {
  const gateway = target("gateway");
  const { run, words, now, isHolding } = start();
  run(5, () => [[gateway, 1]]);
  const holds: number[] = [];
  let heldAt: number | undefined;
  for (let step = 0; step < 400; step += 1) {
    run(0.25, (isSending) => [[gateway, isSending ? 90 : 1]]);
    if (isHolding() && heldAt === undefined) heldAt = now();
    if (!isHolding() && heldAt !== undefined) {
      holds.push(now() - heldAt);
      heldAt = undefined;
    }
  }
  assert.deepEqual(holds.slice(0, 4), [2_000, 4_000, 8_000, 15_000]);
  assert(words.every((word) => word === "release" || word.startsWith("hold: ")));
});

test("guard: what stays bad without the stream is not its doing: it goes on, until that is well and suffers again", () => {
  const gateway = target("gateway");
  const dns = target("DNS");
  const { run, words, now } = start();
  run(5, () => [
    [gateway, 1],
    [dns, 3],
  ]);
  const from = now();
  run(60, () => [
    [gateway, undefined],
    [dns, 3],
  ]);
  assert.deepEqual(words, ["hold: gateway is silent", "give-up: gateway is silent"]);
  assert(now() - from >= 30_000);
  // The others are still watched meanwhile.
  run(3, (isSending) => [
    [gateway, undefined],
    [dns, isSending ? undefined : 3],
  ]);
  run(5, () => [
    [gateway, undefined],
    [dns, 3],
  ]);
  assert.deepEqual(words.slice(2), ["hold: DNS is silent", "release"]);
  run(5, () => [
    [gateway, 1],
    [dns, 3],
  ]);
  run(3, (isSending) => [
    [gateway, isSending ? 70 : 1],
    [dns, 3],
  ]);
  assert.deepEqual(words.slice(4, 5), ["hold: gateway takes 70 ms, not 1"]);
});

test("guard: what never answered is not judged", () => {
  const { run, words } = start();
  const gateway = target("gateway");
  run(60, () => [[gateway, undefined]]);
  assert.deepEqual(words, []);
});

test("guard: what is usual is learned while nothing is sent, so a stream does not get it used to delay", () => {
  const gateway = target("gateway");
  const { run, words, isHolding } = start();
  const guarded = (delay: (now: number) => number) =>
    run(120, (isSending, now) => [[gateway, isSending ? delay(now) : 1]]);
  run(3, () => [[gateway, 1]]);
  run(4, () => [[gateway, 60]]);
  assert(isHolding());
  run(3, () => [[gateway, 1]]);
  const before = words.length;
  // Creeping up by 1 ms a second.
  const from = 13_000;
  guarded((now) => 1 + (now - from) / 1_000);
  assert(words.length > before, "the creeping delay was seen");
});

test("guard: whatever is answered, no hold lasts longer than 30 s and a quarter", () => {
  const answer = fc.option(fc.nat({ max: 200 }), { nil: undefined });
  fc.assert(
    fc.property(fc.array(fc.tuple(answer, answer), { minLength: 200, maxLength: 400 }), (answers) => {
      const guard = new Guard();
      const targets = [target("one"), target("other")] as const;
      let heldAt: number | undefined;
      for (const [at, [one, other]] of answers.entries()) {
        guard.onAnswer(targets[0], one, !guard.isHolding);
        guard.onAnswer(targets[1], other, !guard.isHolding);
        const word = guard.look(at * 250);
        if (word?.type === "hold") heldAt = at * 250;
        else if (word !== undefined) heldAt = undefined;
        assert.equal(guard.isHolding, heldAt !== undefined);
        if (heldAt !== undefined) assert(at * 250 - heldAt < 30_250);
      }
    }),
  );
});
