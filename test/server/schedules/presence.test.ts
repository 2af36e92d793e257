import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { hostsInUse } from "../../../server/schedules/presence.ts";
import { Core, machine } from "../core.ts";

/** Hosts with addresses on loopback, where a port that nobody has is refused, and one that somebody has swallows all. */
async function room(t: TestContext, addresses: readonly (string | null)[]) {
  const core = await Core.open();
  t.after(() => core.db.destroy());
  const ids: string[] = [];
  for (const [index, address] of addresses.entries()) {
    const { hostId } = await core.hosts.register(machine(index + 1));
    await core.db.updateTable("hosts").set({ address }).where("id", "=", hostId).execute();
    ids.push(hostId);
  }
  core.nowMs += 3_600_000;
  const silent = createSocket("udp4").bind(0, "127.0.0.2");
  await once(silent, "listening");
  t.after(() => silent.close());
  const { port } = silent.address();
  const look = async (table: Record<string, string> = {}, hostIds: readonly string[] = ids) => {
    const neighbours = async () => new Map(Object.entries(table));
    const found = await hostsInUse(hostIds, { db: core.db, now: () => core.nowMs, neighbours, port, withinMs: 100 });
    return ids.map((id) => found.has(id));
  };
  return { core, ids, look };
}

test("who refuses a datagram is there; who is silent, or never had an address, is not", async (t) => {
  const { look } = await room(t, ["127.0.0.3", "127.0.0.2", null]);
  assert.deepEqual(await look(), [true, false, false]);
  assert.deepEqual(await look({}, []), [false, false, false]);
});

test("on our own wire the system's table of neighbours has the last word, and whose address it is now", async (t) => {
  const { look } = await room(t, ["127.0.0.2", "127.0.0.3"]);
  assert.deepEqual(await look({ "127.0.0.2": machine(1).mac }), [true, true]);
  assert.deepEqual(await look({ "127.0.0.2": machine(9).mac, "127.0.0.3": machine(9).mac }), [false, false]);
});

test("a host that our agent runs on is not in use", async (t) => {
  const { core, ids, look } = await room(t, ["127.0.0.3", "127.0.0.3"]);
  await core.hosts.touch(ids[0]!, core.nowMs - 30_000);
  assert.deepEqual(await look(), [false, true]);
});
