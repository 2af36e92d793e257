import assert from "node:assert/strict";
import { test } from "node:test";
import { randomOf } from "../multicast/streams.ts";
import { calmRoom } from "./calm-room.ts";
import { simulateRoom } from "./room.ts";
import { ORDINARY_SYMBOL_BYTES, type RoomPlan, type RoomResult } from "./room-plan.ts";

/**
 * Rooms on networks with large frames, where some hosts may not get them. The seed is printed and repeats a run:
 *
 *     SIM_SEED=12345 node --test test/sim/frames.test.ts
 */
const seed = Number(process.env["SIM_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

/** Six times the ordinary ones, as 9000 bytes are to 1500. */
const LARGE = 6 * ORDINARY_SYMBOL_BYTES;

/** 16 blocks of large frames, a second of each. */
const calm: RoomPlan = {
  ...calmRoom,
  aheadMs: 40,
  symbolsPerBlock: 128,
  frames: { symbolBytes: LARGE, lackingHosts: 0 },
};

function passMsOf({ symbolCount, datagramBytes }: RoomResult, { rateBytesPerSecond }: RoomPlan): number {
  return ((symbolCount * datagramBytes) / rateBytesPerSecond) * 1_000;
}

for (const loss of [0, 0.01, 0.05]) {
  test(`large frames: repair alone brings everything, and costs little: 16 hosts, ${loss * 100} % lost`, () => {
    const { receivers, symbolsSent, symbolCount, symbolBytes } = simulateRoom({ ...calm, packs: 400, loss });
    assert(receivers.every(({ isRight, unicastPacks }) => isRight && unicastPacks === 0));
    assert.equal(symbolBytes, LARGE);
    const cost = symbolsSent / (symbolCount / (1 - loss));
    assert(cost <= 1.06, `${cost.toFixed(3)} times what a perfect code would send`);
  });
}

for (const lackingHosts of [1, 5]) {
  test(`large frames: when ${lackingHosts} of 16 never get them, all get ordinary ones before the first symbol`, () => {
    const plan: RoomPlan = { ...calm, frames: { symbolBytes: LARGE, lackingHosts } };
    const { receivers, symbolBytes, startedAtMs, sendTimes, sendBytes, datagramBytes } = simulateRoom(plan);
    assert(receivers.every(({ isRight, unicastPacks }) => isRight && unicastPacks === 0));
    assert.equal(symbolBytes, ORDINARY_SYMBOL_BYTES);
    const large = sendTimes.filter((_, at) => sendBytes[at] !== datagramBytes);
    assert(large.length > 0 && large.every((at) => at < startedAtMs), "canaries alone were large");
    assert(startedAtMs < 6_000, `it begins after ${startedAtMs} ms`);
  });
}

test("large frames: a host that they do not reach any more gets the rest by unicast, and the others do not notice", () => {
  const plan: RoomPlan = {
    ...calm,
    receivers: 8,
    packs: 800,
    loss: 0.01,
    hasUnicast: true,
    frames: { symbolBytes: LARGE, lackingHosts: 1, lackFromMs: 3_000 },
  };
  const result = simulateRoom(plan);
  const { receivers, symbolBytes, startedAtMs } = result;
  assert(receivers.every(({ isRight }) => isRight));
  assert.equal(symbolBytes, LARGE);
  const last = receivers.at(-1)!;
  assert(last.unicastPacks > 0);
  assert.deepEqual(last.words, ["the stream's large frames do not reach it: the rest by unicast"]);
  for (const { doneAtMs, unicastPacks } of receivers.slice(0, -1)) {
    assert.equal(unicastPacks, 0);
    assert((doneAtMs - startedAtMs) / passMsOf(result, plan) < 1.15, `${doneAtMs}`);
  }
});

test("large frames: a host that comes half-way and does not get them is served by unicast, and the stream stays", () => {
  const plan: RoomPlan = {
    ...calm,
    receivers: 5,
    packs: 800,
    loss: 0.01,
    hasUnicast: true,
    changeAtMs: 6_000,
    frames: { symbolBytes: LARGE, lackingHosts: 1 },
  };
  const result = simulateRoom(plan);
  const [dead, ...others] = result.receivers;
  const late = others.pop();
  assert(dead?.isDead === true && late?.isRight === true && late.unicastPacks === plan.packs);
  assert.equal(result.symbolBytes, LARGE);
  for (const { doneAtMs, isRight } of others) {
    assert(isRight && (doneAtMs - result.startedAtMs) / passMsOf(result, plan) < 1.15, `${doneAtMs}`);
  }
});

for (let room = 0; room < 8; room += 1) {
  const random = randomOf(seed + room);
  const one = <T>(...values: readonly T[]): T => values[Math.floor(random() * values.length)]!;
  const plan: RoomPlan = {
    ...calm,
    seed: seed + room,
    receivers: 2 + Math.floor(random() * 6),
    packs: 1 + Math.floor(random() * 60),
    once: random() < 0.5,
    loss: one(0, 0.01, 0.2),
    duplicates: one(0, 0.1),
    burst: one(1, 8),
    feedbackLoss: one(0, 0.3),
    jitterMs: one(0, 10, 60),
    rateBytesPerSecond: one(40_000, 400_000),
    memoryBytes: one(0, 100_000),
    writeMs: one(0, 20),
    hasUnicast: true,
    held: one(0, 0.5),
    changeAtMs: one(random() * 8_000, undefined),
    frames: { symbolBytes: LARGE, lackingHosts: one(0, 1, 2), lackFromMs: one(0, 0, random() * 5_000) },
    symbolsPerBlock: one(16, 64, 128),
  };
  test(`large frames: room with seed ${plan.seed} (SIM_SEED=${seed})`, () => {
    const told = JSON.stringify(plan);
    const { receivers, sendTimes, sendBytes, endedAtMs } = simulateRoom(plan);
    assert(
      receivers.every(({ isRight, isDead }) => isRight || isDead),
      told,
    );
    assert(endedAtMs < 3_600_000, told);
    let first = 0;
    let bytes = 0;
    for (let last = 0; last < sendTimes.length; last += 1) {
      bytes += sendBytes[last]!;
      for (; sendTimes[last]! - sendTimes[first]! >= 1_000; first += 1) bytes -= sendBytes[first]!;
      assert(bytes <= plan.rateBytesPerSecond, `the rate is kept: ${told}`);
    }
  });
}
