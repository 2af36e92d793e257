import assert from "node:assert/strict";
import { test } from "node:test";
import { randomOf } from "../multicast/streams.ts";
import { type RoomPlan, simulateRoom } from "./room.ts";

/**
 * Whole rooms on a bad network. The seed is printed and repeats a run:
 *
 *     SIM_SEED=12345 node --test test/sim/stream.test.ts
 */
const seed = Number(process.env["SIM_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const rooms = Number(process.env["SIM_ROOMS"] ?? 12);

function planOf(roomSeed: number): RoomPlan {
  const random = randomOf(roomSeed);
  const one = <T>(...values: readonly T[]): T => values[Math.floor(random() * values.length)]!;
  return {
    seed: roomSeed,
    receivers: 2 + Math.floor(random() * 6),
    packs: 1 + Math.floor(random() * 40),
    once: random() < 0.5,
    loss: one(0, 0.01, 0.05, 0.2),
    duplicates: one(0, 0.01, 0.1),
    jitterMs: one(0, 1, 10, 60),
    forged: one(0, 0, 0.02),
    changeAtMs: random() * 8_000,
    rateBytesPerSecond: one(40_000, 100_000, 400_000),
    memoryBytes: one(0, 20_000, 1_000_000),
    writeMs: one(0, 5, 100),
    hasUnicast: true,
  };
}

for (let room = 0; room < rooms; room += 1) {
  const plan = planOf(seed + room);
  test(`room with seed ${plan.seed} (SIM_SEED=${seed})`, () => {
    const told = JSON.stringify(plan);
    const { sendTimes, datagramBytes, receivers, overReason, endedAtMs } = simulateRoom(plan);
    for (const [number, receiver] of receivers.entries()) {
      if (receiver.isDead) continue;
      assert(receiver.isRight, `receiver ${number} has everything: ${told}`);
      // The largest pack of 6000 bytes spans at most four blocks of 2048.
      assert(
        receiver.mostHeldBytes <= Math.max(plan.memoryBytes, 4 * 2_048),
        `memory: ${receiver.mostHeldBytes}, ${told}`,
      );
    }
    if (plan.once) assert.notEqual(overReason, "", `a stream of one pass ends: ${told}`);
    assert(endedAtMs < 3_600_000, told);
    let first = 0;
    for (let last = 0; last < sendTimes.length; last += 1) {
      while (sendTimes[last]! - sendTimes[first]! >= 1_000) first += 1;
      assert((last - first + 1) * datagramBytes <= plan.rateBytesPerSecond, `the rate is kept: ${told}`);
    }
  });
}

test("a room repeats exactly from its seed", () => {
  const plan = { ...planOf(4711), loss: 0.05 };
  assert.deepEqual(simulateRoom(plan), simulateRoom(plan));
});

test("loss without unicast help: a looping stream alone brings everything, pass by pass", () => {
  const plan: RoomPlan = {
    ...planOf(99),
    receivers: 3,
    packs: 30,
    once: false,
    loss: 0.05,
    forged: 0,
    changeAtMs: 100,
    memoryBytes: 1_000_000,
    writeMs: 0,
    hasUnicast: false,
  };
  const { receivers } = simulateRoom(plan);
  assert(receivers.every(({ isRight, isDead, unicastPacks }) => (isRight && unicastPacks === 0) || isDead));
});
