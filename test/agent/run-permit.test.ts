import assert from "node:assert/strict";
import { test } from "node:test";
import { Value } from "typebox/value";
import { Order, permitText } from "../../agent/contract.ts";
import { runAgent } from "../../agent/run.ts";
import { assertUntouched, broken, lost, order, room, terms } from "./run-room.ts";

test("the server is asked twice before the disk is opened", async () => {
  const all = room();
  await runAgent(all.ports);
  const before = all.happened.slice(0, all.happened.indexOf("disk open"));
  assert(before.filter((line) => line === "report preflight").length >= 2);
  assert.equal(before.filter((line) => line === "report erasing").length, 1);
});

test("without the server's permission nothing is erased, however long it is asked", async () => {
  const all = room({ answer: ({ state }) => (state === "erasing" ? lost() : { proceed: true, reason: "" }) });
  assert.equal(await runAgent(all.ports), "failed");
  assertUntouched(all);
  assert.deepEqual(all.failures, [{ code: "SERVER_UNREACHABLE", disk: "untouched" }]);
});

test("a server that cannot prove its order, whatever else it says, erases nothing", async () => {
  const asked: { text: string; permit: string | undefined }[] = [];
  const all = room({
    answer: ({ challenge }) => ({ proceed: true, reason: "", ...(challenge && { permit: "forged" }) }),
    change: () => ({
      challenge: () => "c".repeat(64),
      checkPermit: (text, permit) => {
        asked.push({ text, permit });
        throw broken;
      },
    }),
  });
  assert.equal(await runAgent(all.ports), "failed");
  assertUntouched(all);
  assert.deepEqual(all.failures, [{ code: "BROKEN", disk: "untouched" }]);
  // What is to be proved is what this agent is about to do, not what the server says.
  const text = permitText({
    challenge: "c".repeat(64),
    mac: "52:54:00:00:00:07",
    deployId: "12",
    image: "lab-debian",
    imageVersion: 3,
  });
  assert.deepEqual(asked, [{ text, permit: "forged" }]);
});

test("a name that was put in on the way is not written to the disk: it is no name, or is not the signed one", async () => {
  const named = { ...terms, hostName: "lab-07" };
  const all = room({ orders: [{ ...order, terms: named, hostName: "lab-08" }] });
  assert.equal(await runAgent(all.ports), "failed");
  assertUntouched(all);
  assert.deepEqual(all.failures, [{ code: "ORDER_CHANGED", disk: "untouched" }]);
  assert.equal(await runAgent(room({ orders: [{ ...order, terms: named }] }).ports), "done");
  for (const hostName of ["lab-07\n10.0.0.66 packages.example", "x</ComputerName><a>", "a b", "", "-x", "a'b"])
    assert(!Value.Check(Order, { ...order, hostName }), hostName);
  assert(Value.Check(Order, { ...order, terms: named, hostName: "lab-07.school.example" }));
});
