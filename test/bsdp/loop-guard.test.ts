import assert from "node:assert/strict";
import { test } from "node:test";
import { AnswerRate } from "../../bsdp/answer-rate.ts";
import type { LoopState } from "../../bsdp/loop-guard.ts";
import { countAttempt, isForgettable, loopVerdict } from "../../bsdp/loop-guard.ts";

const loader = "x64/snponly.efi";

/** The verdicts for one attempt every `everyMs`, each with an exchange of its own. */
function verdicts(count: number, everyMs: number): { verdicts: string[]; state: LoopState } {
  let state: LoopState | undefined;
  const found: string[] = [];
  for (let at = 0; at < count; at += 1) {
    state = countAttempt(state, { loader, xid: at, atMs: at * everyMs });
    found.push(loopVerdict(state, at * everyMs));
  }
  return { verdicts: found, state: state! };
}

test("the loader three times within a minute, then the script three times, then nothing", () => {
  assert.deepEqual(verdicts(8, 5000).verdicts, [
    ...["loader", "loader", "loader"],
    ...["script", "script", "script"],
    ...["stop", "stop"],
  ]);
});

test("three attempts in a minute again and again are no loop", () => {
  assert(verdicts(50, 20_000).verdicts.every((verdict) => verdict === "loader"));
});

test("firmware that repeats its DISCOVER makes one attempt", () => {
  let state: LoopState | undefined;
  for (const atMs of [0, 4000, 12_000, 28_000, 29_000]) state = countAttempt(state, { loader, xid: 7, atMs });
  assert.equal(loopVerdict(state, 30_000), "loader");
  assert.equal(state?.attempts.length, 1);
});

test("after five minutes of silence everything starts from nothing", () => {
  const { state } = verdicts(7, 1000);
  assert.equal(loopVerdict(state, 6000 + 299_999), "stop");
  assert(!isForgettable(state, 6000 + 299_999));
  assert.equal(loopVerdict(state, 6000 + 300_000), "loader");
  assert(isForgettable(state, 6000 + 300_000));
  const later = countAttempt(state, { loader, xid: 99, atMs: 400_000 });
  assert.equal(loopVerdict(later, 400_000), "loader");
});

test("another loader is another count", () => {
  const { state } = verdicts(6, 1000);
  const other = countAttempt(state, { loader: "undionly.kpxe", xid: 50, atMs: 6000 });
  assert.equal(loopVerdict(other, 6000), "loader");
});

const allowed = (rate: AnswerRate, asks: number, mac: (at: number) => string, nowMs: number) =>
  Array.from({ length: asks }, (_, at) => rate.allows(mac(at), nowMs)).filter(Boolean).length;
const one = () => "a";
const many = (at: number) => `m${at}`;

test("at most ten answers a second for one machine", () => {
  const rate = new AnswerRate();
  assert.equal(allowed(rate, 1000, one, 0), 10);
  assert.equal(allowed(rate, 1000, one, 999), 0);
  assert.equal(allowed(rate, 1000, one, 1000), 10);
});

test("a limit for all together, far above a room of a thousand machines", () => {
  assert.equal(
    allowed(new AnswerRate(), 5000, (at) => `m${at % 1000}`, 0),
    5000,
  );
  assert.equal(allowed(new AnswerRate(), 11_000, many, 0), 10_000);
  const rate = new AnswerRate({ overall: 500 });
  assert.equal(allowed(rate, 1000, one, 0), 10);
  assert.equal(allowed(rate, 1000, many, 500), 490);
  assert.equal(allowed(rate, 1000, many, 1000), 500);
});

test("a clock that is set back silences nobody", () => {
  const rate = new AnswerRate();
  assert.equal(allowed(rate, 1000, one, 3_600_000), 10);
  assert.equal(allowed(rate, 1000, one, 5), 10);
});
