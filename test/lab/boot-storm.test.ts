import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { labProblem, type Namespace, openNamespace } from "../../scripts/lab/namespace.ts";
import type { Room } from "../bench/boot-storm-machines.ts";
import { mixedRoom, openSite, prepareData, startBootcast, switchOn } from "../bench/boot-storm-site.ts";

/**
 * A room of 500 Macs and PCs that is switched on, before the real server: all ask within a second, and try again as
 * their firmware does. How fast it is stands in test/bench/boot-storm.ts; here nobody may be missed or told wrong.
 */
describe("a room that is switched on", { skip: labProblem() ?? false }, () => {
  let lab: Namespace | undefined;
  let work: string;
  before(async () => {
    work = mkdtempSync(join(tmpdir(), "bootcast-boot-storm-"));
    lab = await openNamespace();
    await openSite(lab);
    await prepareData(work, mixedRoom);
  });
  after(async () => {
    await lab?.close();
    rmSync(work, { recursive: true });
  });

  for (const mode of ["proxy", "full"] as const) {
    test(`${mode} mode: everybody gets what is theirs on the first or second try, and nobody else anything`, async () => {
      const room: Room = { ...mixedRoom, mode };
      const serving = await startBootcast(lab!, room, work);
      const result = await switchOn(lab!, room);
      await serving.stop();
      assert.deepEqual(result.wrong, []);
      assert.deepEqual(result.never, []);
      const { machines, served, questions, firstTry, secondTry, later, repeated, refused } = result;
      assert.equal(served, machines);
      assert.equal(firstTry + secondTry, questions);
      assert.deepEqual({ later, repeated, refused }, { later: 0, repeated: 0, refused: 0 });
      // The room was really asked: each boot takes two questions or more, and some of them are not for us.
      assert(questions > 1.5 * machines && result.silent > 0, `${questions} questions, ${result.silent} not for us`);
    });
  }
});
