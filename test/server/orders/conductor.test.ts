import assert from "node:assert/strict";
import { after, test } from "node:test";
import { actingAs } from "../../../server/access/actor.ts";
import type { StoredEvent } from "../../../server/events.ts";
import { Core, machine, NETWORK } from "../core.ts";

/** Resolves with the next event of this kind. */
function next(core: Core, kind: string): Promise<StoredEvent> {
  const { promise, resolve } = Promise.withResolvers<StoredEvent>();
  const end = core.events.subscribe((event) => {
    if (event.kind !== kind) return;
    end();
    resolve(event);
  });
  return promise;
}

test("it looks by itself when something happened, in its own name and not in that of who did it", async () => {
  const core = await Core.open();
  const stop = core.conductor.watch(core.log);
  after(async () => {
    await stop();
    await core.db.destroy();
  });
  const ids: string[] = [];
  for (let number = 1; number <= 2; number += 1) ids.push((await core.hosts.register(machine(number))).hostId);
  const waves = { batch: 1 };
  const { deployId } = await actingAs({ name: "mueller" }, () =>
    core.deploys.create({ image: "lab-debian", to: ids, waves }),
  );
  await core.orders.orderFor(ids[0]!, NETWORK);
  const released = next(core, "deploy.wave");
  await actingAs({ name: "mueller" }, () => core.report(ids[0]!, "done", deployId));
  const { data, actor } = await released;
  assert.deepEqual([data, actor], [{ wave: 2, hosts: 1 }, null]);
  const [first] = (await core.events.list({ deployId })).filter(({ kind }) => kind === "deploy.wave");
  assert.equal(first?.actor, "mueller", "the first wave begins with the order");
});

test("what fails is told, and it looks on", async () => {
  const core = await Core.open();
  const told: unknown[] = [];
  const failed = Promise.withResolvers<void>();
  const log = core.log.child({});
  log.error = (about: unknown) => {
    told.push(about);
    failed.resolve();
  };
  const { hostId } = await core.hosts.register(machine(1));
  const startAtMs = core.nowMs + 1000;
  const { deployId } = await core.deploys.create({ image: "lab-debian", to: [hostId], startAtMs });
  const { closeIdle } = core.streams;
  core.streams.closeIdle = async () => {
    core.streams.closeIdle = closeIdle;
    throw new Error("not now");
  };
  const stop = core.conductor.watch(log);
  after(async () => {
    await stop();
    await core.db.destroy();
  });
  await failed.promise;
  assert.equal(told.length, 1);
  core.nowMs = startAtMs;
  const started = next(core, "deploy.started");
  // Whatever happens to any order wakes it.
  await core.events.change(({ record }) => record({ kind: "deploy.created", deployId }));
  assert.equal((await started).deployId, deployId);
});
