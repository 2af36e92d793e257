import assert from "node:assert/strict";
import { test } from "node:test";
import { TailPause } from "../../multicast/tail-pause.ts";

/** What a room of `asking` hosts is heard to ask in three seconds, each once in a pause. */
function heard(hosts: number, asking: number): { readonly pauseMs: number; readonly mostInASecond: number } {
  const pause = new TailPause();
  pause.start(hosts * 14, 0);
  const times: number[] = [];
  let share = 0;
  for (let now = 0; now < 3_000; now += 1) {
    share += asking / pause.ms;
    for (; share >= 1; share -= 1) {
      times.push(now);
      pause.onRequest();
    }
    pause.look(now);
  }
  const inASecond = times.map((from) => times.filter((time) => time >= from && time < from + 1_000).length);
  return { pauseMs: pause.ms, mostInASecond: Math.max(0, ...inASecond) };
}

for (const hosts of [2, 16, 100, 500, 2_000, 4_096]) {
  test(`tail: ${hosts} hosts that all lack something are heard less than 100 times a second`, () => {
    const { mostInASecond } = heard(hosts, hosts);
    assert(mostInASecond < 100, `${mostInASecond} requests in a second`);
  });

  test(`tail: of ${hosts} hosts the last one asks without waiting`, () => {
    const { pauseMs } = heard(hosts, 1);
    assert(pauseMs <= 50, `it waits ${pauseMs} ms`);
  });
}
