import assert from "node:assert/strict";
import { test } from "node:test";
import { Newcomers } from "../../../server/hosts/newcomers.ts";
import { Core, machine } from "../core.ts";

const addressOf = (number: number) => `10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`;

test("a large site comes at once; made-up machines go on slowly, from many addresses and from one", () => {
  const newcomers = new Newcomers();
  let taken = 0;
  for (let number = 0; number < 5000; number += 1) taken += newcomers.take(addressOf(number), 1000) ? 1 : 0;
  assert.equal(taken, 2000);
  for (let number = 0; number < 5000; number += 1) taken += newcomers.take(addressOf(number), 11_000) ? 1 : 0;
  assert.equal(taken, 2100, "ten in a second");
  const others = new Newcomers();
  taken = 0;
  for (let number = 0; number < 1000; number += 1) taken += others.take("10.0.0.1", 1000) ? 1 : 0;
  assert.equal(taken, 500);
  assert.equal(others.take("10.0.0.2", 1000), true, "nobody else waits for it");
  assert.equal(others.take("10.0.0.1", 0), false, "a clock that is set back gives nothing");
  assert.deepEqual(
    [0, 1, 59_999, 60_000].map((nowMs) => others.isToBeTold(nowMs)),
    [true, false, false, true],
  );
});

test("a flood is refused and told once; who is known already comes back", async () => {
  const core = await Core.open();
  const first = await core.hosts.register(machine(1), "10.0.0.1");
  let refused = 0;
  for (let number = 2; number <= 520; number += 1) {
    await core.hosts.register(machine(number), "10.0.0.1").catch((error) => {
      assert.equal(error.code, "HOST_FLOOD");
      refused += 1;
    });
  }
  assert.equal(refused, 20);
  assert.equal((await core.hosts.register(machine(1), "10.0.0.1")).hostId, first.hostId);
  await core.hosts.register(machine(600), "10.0.0.2");
  const told = (await core.events.list()).filter(({ kind }) => kind === "host.refused");
  assert.deepEqual(
    told.map(({ data }) => data["from"]),
    ["10.0.0.1"],
  );
  await core.db.destroy();
});
