import assert from "node:assert/strict";
import { test } from "node:test";
import { LoginThrottle } from "../../../server/access/login-throttle.ts";

test("five wrong passwords are free, then each costs twice the wait, up to 15 minutes", () => {
  const throttle = new LoginThrottle();
  for (let wrong = 0; wrong < 5; wrong += 1) {
    assert.equal(throttle.waitMs("10.0.0.1", "mueller", 0), 0);
    throttle.onFailure("10.0.0.1", "mueller", 0);
  }
  const waits: number[] = [];
  for (let nowMs = 0, wrong = 0; wrong < 12; wrong += 1) {
    const waitMs = throttle.waitMs("10.0.0.1", "mueller", nowMs);
    waits.push(waitMs / 1000);
    nowMs += waitMs;
    assert.equal(throttle.waitMs("10.0.0.1", "mueller", nowMs), 0);
    throttle.onFailure("10.0.0.1", "mueller", nowMs);
  }
  assert.deepEqual(waits, [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
});

test("another address is not held back, until very many fail for one name; then it waits half a minute at most", () => {
  const throttle = new LoginThrottle();
  for (let wrong = 0; wrong < 49; wrong += 1) throttle.onFailure(`10.0.1.${wrong}`, "mueller", 0);
  assert.equal(throttle.waitMs("10.0.0.9", "mueller", 0), 0);
  for (let wrong = 0; wrong < 100; wrong += 1) throttle.onFailure(`10.0.2.${wrong}`, "Mueller", 0);
  assert.equal(throttle.waitMs("10.0.0.9", "mueller", 0), 30_000);
  assert.equal(throttle.waitMs("10.0.0.9", "schmidt", 0), 0);
});

test("a right password clears the address, not the name; after an hour all is forgotten", () => {
  const throttle = new LoginThrottle();
  for (let wrong = 0; wrong < 60; wrong += 1) throttle.onFailure("10.0.0.1", "mueller", 0);
  throttle.onSuccess("10.0.0.1");
  assert.equal(throttle.waitMs("10.0.0.1", "schmidt", 0), 0);
  assert.equal(throttle.waitMs("10.0.0.1", "mueller", 0), 30_000);
  assert.equal(throttle.waitMs("10.0.0.1", "mueller", 3_600_000), 0);
});

test("a million addresses take a bounded memory, and the newest are remembered", () => {
  const throttle = new LoginThrottle();
  for (let address = 0; address < 30_000; address += 1) throttle.onFailure(`a${address}`, `n${address}`, 0);
  for (let wrong = 0; wrong < 6; wrong += 1) throttle.onFailure("10.0.0.1", "mueller", 0);
  assert(throttle.waitMs("10.0.0.1", "mueller", 0) > 0);
});
