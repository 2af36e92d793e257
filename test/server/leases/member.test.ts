import assert from "node:assert/strict";
import { test } from "node:test";
import type { Fault } from "../../../fault.ts";
import { CUT_OFF_MS, LEASE_MS } from "../../../server/leases/lease-rules.ts";
import { type KnownServer, Member } from "../../../server/leases/member.ts";

const at = (id: string, beat: number): KnownServer => ({
  id,
  incarnation: `of ${id}`,
  beat,
  name: id,
  version: "1",
  addresses: [],
  key: "the site's",
  startedAtMs: 0,
  seenAtMs: 0,
  isLeading: id === "other",
});

/** A server whose database answers or does not, on a clock of the test's own. */
function played(others: readonly string[]) {
  const room = { nowMs: 0, isAnswering: true, lost: [] as string[], leases: [] as number[] };
  const answer = <Value>(value: Value) =>
    room.isAnswering ? Promise.resolve(value) : Promise.reject(new Error("away"));
  let beat = 0;
  const member = new Member({
    id: "ours",
    rows: {
      beat: () => answer(true),
      list: () => {
        beat += 1;
        return answer([at("ours", beat), ...others.map((id) => at(id, beat))]);
      },
      end: () => answer(true),
      lead: () => answer(false),
    },
    events: {
      onLease: (untilMs) => room.leases.push(untilMs),
      onGone: () => undefined,
      onLead: () => undefined,
      onLost: ({ code }: Fault) => room.lost.push(code),
    },
    now: () => room.nowMs,
  });
  const turn = async (untilMs: number) => {
    for (; room.nowMs < untilMs; room.nowMs += 1_000) {
      await member.beat().catch(() => undefined);
      await member.look().catch(() => undefined);
      member.check();
    }
  };
  return { room, member, turn };
}

test("a server whose database is away for two minutes ends, where another may have its work", async () => {
  const { room, member, turn } = played(["other"]);
  await turn(5_000);
  assert.equal(member.isHeld, true);
  room.isAnswering = false;
  await turn(5_000 + CUT_OFF_MS - 1_000);
  assert.equal(member.isHeld, false, "it sends nothing meanwhile");
  assert.deepEqual(room.lost, [], "a short failure ends nobody");
  await turn(5_000 + CUT_OFF_MS + LEASE_MS);
  assert.deepEqual(room.lost, ["SERVER_CUT_OFF"], "once");
  room.isAnswering = true;
  await turn(room.nowMs + 5_000);
  assert.equal(member.isHeld, false, "what it gave up it does not take back");
});

test("a server that is alone waits for its database as long as that takes", async () => {
  const { room, member, turn } = played([]);
  await turn(5_000);
  room.isAnswering = false;
  await turn(5_000 + 10 * CUT_OFF_MS);
  assert.deepEqual(room.lost, []);
  room.isAnswering = true;
  await turn(room.nowMs + 2_000);
  assert.equal(member.isHeld, true);
});

test("a database that comes and goes begins the two minutes anew", async () => {
  const { room, turn } = played(["other"]);
  for (let times = 0; times < 4; times += 1) {
    room.isAnswering = true;
    await turn(room.nowMs + 3_000);
    room.isAnswering = false;
    await turn(room.nowMs + CUT_OFF_MS - 5_000);
  }
  assert.deepEqual(room.lost, []);
});
