import assert from "node:assert/strict";
import { test } from "node:test";
import type { OrderTerms } from "../../agent/contract.ts";
import { diskIdentity } from "../../agent/disk/identity.ts";
import { verifyRuleText } from "../../agent/disk/verify-plan.ts";
import { runAgent } from "../../agent/run.ts";
import { assertUntouched, disk, fails, heldAll, heldPart, looks, order, room } from "./run-room.ts";

const keepTerms: OrderTerms = { disk: "only", erase: "none", confirmed: [], known: "" };

test("a disk that is to keep what is right is looked at before it is opened, and the server hears what was kept", async () => {
  const all = room({ orders: [{ ...order, terms: keepTerms }], change: looks(heldPart) });
  assert.equal(await runAgent(all.ports), "done");
  const [looked, opened] = [all.happened.indexOf("look"), all.happened.indexOf("disk open")];
  assert(looked >= 0 && looked < opened);
  assert.deepEqual(all.reports.map(({ kept }) => kept).filter(Boolean), [{ bytes: 900, receivedBytes: 100 }]);
});

test("a restore that was interrupted goes on, on that disk alone", async () => {
  const terms: OrderTerms = { ...keepTerms, erase: "zeros", resumes: diskIdentity(disk) };
  const again = room({ orders: [{ ...order, terms }], change: looks(heldPart) });
  await runAgent(again.ports);
  assert(again.happened.includes("look"));
  const resumes = diskIdentity({ ...disk, serial: "disk-8" });
  const other = room({ orders: [{ ...order, terms: { ...terms, resumes } }], change: looks(heldPart) });
  await runAgent(other.ports);
  assert(!other.happened.includes("look"), "another disk is erased");
  assert.equal(other.reports.find(({ challenge }) => challenge !== undefined)?.disk, diskIdentity(disk));
});

for (const [name, held, state] of [
  ["part of", heldPart, "partly written"],
  ["all of", heldAll, "complete"],
] as const) {
  test(`what is said of a disk that keeps ${name} the image when its permit comes and nothing else does`, async () => {
    const all = room({
      orders: [{ ...order, terms: keepTerms }],
      change: (ports, built) => ({ ...looks(held)(ports, built), erase: fails }),
    });
    assert.equal(await runAgent(all.ports), "failed");
    assert.deepEqual(all.failures, [{ code: "BROKEN", disk: state }]);
  });
}

test("nothing is opened when looking at the disk fails", async () => {
  const all = room({ orders: [{ ...order, terms: keepTerms }], change: () => ({ look: fails }) });
  assert.equal(await runAgent(all.ports), "failed");
  assertUntouched(all);
});

test("as much is read back as was ordered; a rule that is not understood stops it before the disk is opened", async () => {
  const rules: string[] = [];
  for (const verify of ["none", "whole", "sampled=5% seed=7", undefined]) {
    const all = room({
      orders: [{ ...order, terms: { ...keepTerms, erase: "quick", ...(verify === undefined ? {} : { verify }) } }],
      change: () => ({
        verify: async ({ rule }) => {
          rules.push(verifyRuleText(rule));
          return 0;
        },
      }),
    });
    assert.equal(await runAgent(all.ports), "done");
  }
  assert.deepEqual(rules, ["none", "whole", "sampled=5% seed=7", "whole"]);
  const unknown = room({ orders: [{ ...order, terms: { ...keepTerms, verify: "half" } }] });
  assert.equal(await runAgent(unknown.ports), "failed");
  assertUntouched(unknown);
});
