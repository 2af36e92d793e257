import assert from "node:assert/strict";
import { test } from "node:test";
import { randomOf } from "../multicast/streams.ts";
import { calmRoom } from "./calm-room.ts";
import { simulateRoom } from "./room.ts";
import type { RoomPlan, RoomResult } from "./room-plan.ts";

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
    burst: one(1, 1, 8),
    sharedLoss: one(0, 0, 0.02),
    feedbackLoss: one(0, 0.05, 0.3),
    jitterMs: one(0, 1, 10, 60),
    forged: one(0, 0, 0.02),
    changeAtMs: one(random() * 8_000, undefined),
    rateBytesPerSecond: one(40_000, 100_000, 400_000),
    memoryBytes: one(0, 20_000, 1_000_000),
    writeMs: one(0, 5, 100),
    hasUnicast: true,
    held: one(0, 0, 0.5, 0.97),
    ...(random() < 0.3 ? { slow: one({ loss: 0.4 }, { linkBytesPerSecond: 10_000 }, { writeMs: 300 }) } : {}),
    ...(random() < 0.2 ? { senderCrash: { atMs: random() * 8_000, forMs: 3_000 } } : {}),
    symbolsPerBlock: one(16, 64, 200),
    packBytes: 6_000,
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
      const blockBytes = plan.symbolsPerBlock * 32;
      const largestSpan = Math.ceil(plan.packBytes / blockBytes) + 1;
      assert(
        receiver.mostHeldBytes <= Math.max(plan.memoryBytes, largestSpan * blockBytes),
        `memory: ${receiver.mostHeldBytes}, ${told}`,
      );
    }
    if (plan.once && plan.senderCrash === undefined)
      assert.notEqual(overReason, "", `a stream of one pass ends: ${told}`);
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

/** Sent symbols in units of what a perfect code needs: everything once, and the lost share of it again. */
function costOf(plan: RoomPlan): number {
  const { symbolsSent, symbolCount, receivers } = simulateRoom(plan);
  assert(receivers.every(({ isRight, unicastPacks }) => isRight && unicastPacks === 0));
  return symbolsSent / (symbolCount / (1 - plan.loss));
}

function mostInASecond(times: readonly number[]): number {
  let most = 0;
  let first = 0;
  for (let last = 0; last < times.length; last += 1) {
    while (times[last]! - times[first]! >= 1_000) first += 1;
    most = Math.max(most, last - first + 1);
  }
  return most;
}

for (const loss of [0, 0.001, 0.01, 0.05]) {
  for (const [receivers, most] of [
    [1, 1.02],
    [4, 1.05],
    [16, 1.05],
    [100, 1.1],
  ] as const) {
    test(`repair alone brings everything, and costs little: ${receivers} hosts, ${loss * 100} % lost`, () => {
      const cost = costOf({ ...calmRoom, receivers, loss });
      assert(cost <= most, `${cost.toFixed(3)} times what a perfect code would send`);
      if (loss === 0) assert.equal(cost, 1);
    });
  }
}

for (const loss of [0.01, 0.05]) {
  test(`the room ends with the pass, and what was sent for that is little: 16 hosts, ${loss * 100} % lost`, () => {
    const runs = [1, 2, 3].map((runSeed) => {
      const { ledger, symbolCount, receivers } = simulateRoom({
        ...calmRoom,
        seed: runSeed,
        loss,
        feedbackLoss: 0,
        aheadMs: 40,
      });
      const tailMs = Math.max(...receivers.map(({ doneAtMs }) => doneAtMs)) - ledger.passEndedAtMs;
      return { tailMs, wasted: (ledger.neededByNobodyInPass + ledger.neededByNobodyInTail) / symbolCount };
    });
    const mean = (name: "tailMs" | "wasted") => runs.reduce((sum, run) => sum + run[name], 0) / runs.length;
    assert(mean("tailMs") < 60, `it ends ${mean("tailMs")} ms after the pass`);
    assert(mean("wasted") < 0.006, `${mean("wasted") * 100} % were needed by nobody`);
  });
}

for (const change of [
  { receivers: 500, packs: 40, loss: 0.01 },
  { receivers: 500, packs: 25, loss: 0.05 },
  { receivers: 2_000, packs: 8, loss: 0.02 },
]) {
  const { receivers: hosts, loss } = change;
  test(`${hosts} hosts, ${loss * 100} % lost: little is sent, and the sender is asked less than 100 times a second`, () => {
    const { symbolsSent, symbolCount, datagramBytes, receivers, feedbackTimes, startedAtMs } = simulateRoom({
      ...calmRoom,
      ...change,
    });
    assert(receivers.every(({ isRight, unicastPacks }) => isRight && unicastPacks === 0));
    const cost = symbolsSent / (symbolCount / (1 - loss));
    assert(cost <= 1.1, `${cost}`);
    const most = mostInASecond(feedbackTimes);
    assert(most <= 100, `${most} requests in a second`);
    const sentMs = ((symbolsSent * datagramBytes) / calmRoom.rateBytesPerSecond) * 1_000;
    const endedAtMs = Math.max(...receivers.map(({ doneAtMs }) => doneAtMs));
    assert(endedAtMs - startedAtMs - sentMs < 2_500, `the last rounds take ${endedAtMs - startedAtMs - sentMs} ms`);
  });
}

for (const { name, slow, slowHosts, word } of [
  {
    name: "one link loses 30 %",
    slow: { loss: 0.3 },
    slowHosts: 1,
    word: /^its link loses \d+ %: the rest by unicast$/,
  },
  {
    name: "one link is ten times slower",
    slow: { linkBytesPerSecond: 20_000 },
    slowHosts: 1,
    word: /^its link loses \d+ %: the rest by unicast$/,
  },
  {
    name: "three links are ten times slower",
    slow: { linkBytesPerSecond: 20_000 },
    slowHosts: 3,
    word: /^its link loses \d+ %: the rest at its own pace$/,
  },
  { name: "one disk is slow", slow: { writeMs: 400 }, slowHosts: 1, word: /^its disk is behind: the rest by unicast$/ },
]) {
  test(`${name}: the others end as if it were not there, and it ends when it can`, () => {
    const plan: RoomPlan = {
      ...calmRoom,
      receivers: 8,
      packs: 400,
      loss: 0.01,
      hasUnicast: true,
      memoryBytes: 200_000,
      slow,
      slowHosts,
    };
    const { symbolCount, datagramBytes, startedAtMs, receivers } = simulateRoom(plan);
    assert(receivers.every(({ isRight }) => isRight));
    const passMs = ((symbolCount * datagramBytes) / plan.rateBytesPerSecond) * 1_000;
    const times = receivers.map(({ doneAtMs }) => (doneAtMs - startedAtMs) / passMs);
    for (const time of times.slice(slowHosts)) assert(time <= 1.1, `${time} passes`);
    for (const time of times.slice(0, slowHosts)) assert(time <= 12, `${time} passes`);
    assert.match(receivers[0]!.words.at(-1) ?? "", word);
  });
}

test("hosts that hold most of it are sent what some of them lacks, and nothing that all hold", () => {
  const plan: RoomPlan = { ...calmRoom, receivers: 16, packs: 200, loss: 0.01, held: 0.97, packBytes: 40_000 };
  const { symbolsSent, symbolCount, receivers } = simulateRoom(plan);
  assert(receivers.every(({ isRight, unicastPacks }) => isRight && unicastPacks === 0));
  // 0.97 to the 16th power of the packs is held by all; whole blocks are sent.
  const share = symbolsSent / symbolCount;
  assert(share > 0.3 && share < 0.55, `${share}`);
  const nobody = simulateRoom({ ...plan, held: 1 });
  assert.equal(nobody.symbolsSent, 0);
});

test("a flood of forged symbols: every host ends with right bytes", () => {
  const { receivers } = simulateRoom({
    ...calmRoom,
    receivers: 4,
    packs: 30,
    loss: 0.02,
    forged: 0.5,
    hasUnicast: true,
  });
  assert(receivers.every(({ isRight }) => isRight));
});

test("a flood of forged ends of the pass with any pause: nobody stands still for it", () => {
  const plan: RoomPlan = { ...calmRoom, receivers: 8, packs: 40, loss: 0.02 };
  const flooded = { ...plan, forgedTails: { fromMs: 300, untilMs: 20_000, everyMs: 2 } };
  const endOf = ({ receivers }: RoomResult) => {
    assert(receivers.every(({ isRight, unicastPacks }) => isRight && unicastPacks === 0));
    return Math.max(...receivers.map(({ doneAtMs }) => doneAtMs));
  };
  const [calmMs, floodedMs] = [endOf(simulateRoom(plan)), endOf(simulateRoom(flooded))];
  assert(floodedMs < 2 * calmMs, `${floodedMs} instead of ${calmMs} ms`);
});

for (const receivers of [16, 100, 500]) {
  test(`a flood of forged ends of the pass with the shortest pause: ${receivers} hosts still ask less than 100 times a second`, () => {
    const forgedTails = { fromMs: 100, untilMs: 60_000, everyMs: 3, pause: 1 };
    const plan: RoomPlan = { ...calmRoom, receivers, packs: receivers > 100 ? 15 : 30, loss: 0.05, forgedTails };
    const { receivers: hosts, feedbackTimes } = simulateRoom(plan);
    assert(hosts.every(({ isRight, unicastPacks }) => isRight && unicastPacks === 0));
    const most = mostInASecond(feedbackTimes);
    assert(most <= 100, `${most} requests in a second`);
  });
}

test("bursts, loss that all share, reordering, a bad way back: all arrives, without unicast", () => {
  for (const change of [
    { burst: 20, loss: 0.02 },
    { sharedLoss: 0.05 },
    { jitterMs: 8, duplicates: 0.05 },
    { feedbackLoss: 0.5 },
    { loss: 0.2 },
  ]) {
    const cost = costOf({ ...calmRoom, receivers: 8, packs: 40, ...change });
    assert(cost <= 1.25, `${JSON.stringify(change)}: ${cost}`);
  }
});

test("a sender that is killed and started again sends little twice", () => {
  const plan: RoomPlan = { ...calmRoom, receivers: 4, senderCrash: { atMs: 4_000, forMs: 3_000 } };
  const { symbolsSent, symbolCount, receivers } = simulateRoom(plan);
  assert(receivers.every(({ isRight, unicastPacks }) => isRight && unicastPacks === 0));
  assert(symbolsSent <= 1.06 * (symbolCount / 0.95), `${symbolsSent / symbolCount}`);
});

test("a host that joins half-way costs its half and delays nobody; one that dies costs nothing", () => {
  const plan: RoomPlan = { ...calmRoom, receivers: 5, loss: 0.01, changeAtMs: 3_000 };
  const { symbolsSent, symbolCount, datagramBytes, startedAtMs, receivers } = simulateRoom(plan);
  const [dead, ...others] = receivers;
  const late = others.pop();
  assert(dead?.isDead === true && late?.isRight === true && late.unicastPacks === 0);
  const passMs = ((symbolCount * datagramBytes) / plan.rateBytesPerSecond) * 1_000;
  for (const { doneAtMs } of others) assert((doneAtMs - startedAtMs) / passMs < 1.15, `${doneAtMs}`);
  assert((late.doneAtMs - startedAtMs) / passMs < 1.65, `${late.doneAtMs}`);
  assert(symbolsSent / symbolCount < 1.6, `${symbolsSent / symbolCount}`);
});
