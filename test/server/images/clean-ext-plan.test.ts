import assert from "node:assert/strict";
import { test } from "node:test";
import { cleanUpSteps } from "../../../images/clean-up/steps.ts";
import { listCommands, parseListings, quoted } from "../../../server/images/clean-ext-list.ts";
import { planExt } from "../../../server/images/clean-ext-plan.ts";

/** As debugfs 1.47 says it, with the commands that it repeats. */
const root = `debugfs: ls -p <2>
/2/040755/0/0/.//
/2/040755/0/0/..//
/12/040755/0/0/tmp//
/13/040755/0/0/etc//
/14/120777/0/0/bin/7/

`;
const second = `debugfs: ls -p <12>
/12/040755/0/0/.//
/2/040755/0/0/..//
/15/100644/0/0/a "b" <c>/2/
/16/040755/0/0/deep//

debugfs: ls -p <13>
/13/040755/0/0/.//
/2/040755/0/0/..//
/17/100644/0/0/machine-id/33/

`;
const third = `debugfs: ls -p <16>
/16/040755/0/0/.//
/12/040755/0/0/..//
/18/100644/0/0/x/1/

`;

test("directories are listed by debugfs; names of two lines are known to be there", () => {
  assert.equal(listCommands([2, 12]), "ls -p <2>\nls -p <12>\n");
  const [tmp, etc] = parseListings(second, [12, 13]);
  assert.deepEqual(tmp, {
    entries: [
      { inode: 15, mode: 0o100644, name: 'a "b" <c>' },
      { inode: 16, mode: 0o040755, name: "deep" },
    ],
    hasUnlisted: false,
  });
  assert.deepEqual(
    etc?.entries.map(({ name }) => name),
    ["machine-id"],
  );
  const [odd] = parseListings("debugfs: ls -p <5>\n/9/100644/0/0/new\nline/1/\n/8/100644/0/0/kept/1/\n", [5]);
  assert.deepEqual([odd?.hasUnlisted, odd?.entries.map(({ name }) => name)], [true, ["kept"]]);
  assert.equal(quoted('var/a "b"'), '"/var/a ""b"""');
});

test("a folder goes from the inside out, and stays where something in it cannot be named", async () => {
  const said = new Map([
    ["2", root],
    ["12,13", second],
    ["16", third],
  ]);
  const list = async (inodes: readonly number[]) => parseListings(said.get(inodes.join()) ?? "", inodes);
  const plan = await planExt(cleanUpSteps, list);
  assert.deepEqual(
    plan.changes.map(({ step, path, action }) => `${step} ${path} ${action}`),
    ["machine-id etc/machine-id empty", 'temporary-files tmp/a "b" <c> remove', "temporary-files tmp/deep remove"],
  );
  assert.deepEqual(plan.commands, [
    'rm "/tmp/a ""b"" <c>"',
    'punch "/etc/machine-id" 0',
    'set_inode_field "/etc/machine-id" size 0',
    'rm "/tmp/deep/x"',
    'rmdir "/tmp/deep"',
  ]);
  said.set("16", third.replace("/18/100644/0/0/x/1/", "/18/100644/0/0/x\ny/1/"));
  const kept = await planExt(cleanUpSteps, list);
  assert.deepEqual([kept.kept, kept.commands.some((command) => command.startsWith("rmdir"))], [["tmp/deep"], false]);
});
