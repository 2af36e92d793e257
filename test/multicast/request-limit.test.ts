import assert from "node:assert/strict";
import { test } from "node:test";
import { RequestLimit } from "../../multicast/request-limit.ts";

test("requests: who asks every 20 ms is always heard, also when ten of them come together", () => {
  const limit = new RequestLimit();
  for (let now = 0; now < 10_000; now += 200)
    for (let at = 0; at < 10; at += 1) assert(limit.isHeard("a", 1, now), `${at} at ${now}`);
});

test("requests: who asks without end is heard 77 times a second, and takes nothing from others", () => {
  const limit = new RequestLimit();
  let heard = 0;
  for (let now = 0; now < 10_000; now += 0.1) {
    if (limit.isHeard("flood", 1, now)) heard += 1;
    if (now % 50 < 0.1) assert(limit.isHeard("calm", 1, now));
  }
  assert(heard > 760 && heard < 790, `${heard}`);
  limit.forgetPaid(10_000);
  assert(!limit.isHeard("flood", 1, 10_000), "what it owes is not forgotten");
  limit.forgetPaid(11_000);
  assert(limit.isHeard("flood", 1, 11_000));
});

test("requests: one that names every block of a large image is heard, and costs as much as many small ones", () => {
  const limit = new RequestLimit();
  let blocks = 0;
  for (let now = 0; now < 10_000; now += 1) if (limit.isHeard("flood", 36_000, now)) blocks += 36_000;
  assert(blocks >= 36_000 * 17 && blocks <= 36_000 * 24, `${blocks} blocks were looked at`);
});
