import assert from "node:assert/strict";
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { restoreTarget } from "../../../cli/restore/file.ts";

let directory: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "bootcast-file-"));
});
after(() => rm(directory, { recursive: true, force: true }));

test("a new file needs no order to erase", () => {
  const file = join(directory, "new.raw");
  assert.deepEqual(restoreTarget({ file }), { target: file, erase: true, noprompt: true });
});

test("what is there needs one, and then the question, too", async () => {
  const file = join(directory, "old.raw");
  await writeFile(file, "x");
  assert.throws(() => restoreTarget({ file }), { code: "ERASE_NOT_ORDERED" });
  assert.deepEqual(restoreTarget({ file, erase: true }), { target: file });
  const link = join(directory, "link");
  await symlink("nowhere", link);
  assert.throws(() => restoreTarget({ file: link }), { code: "ERASE_NOT_ORDERED" });
  assert.throws(() => restoreTarget({ file: "/dev/null" }), { code: "ERASE_NOT_ORDERED" });
});

test("--target stays as it was: it says nothing about erasing", () => {
  assert.deepEqual(restoreTarget({ target: "/dev/sdb" }), { target: "/dev/sdb" });
});

test("one of them, not both and not none", () => {
  assert.throws(() => restoreTarget({}), { code: "USAGE" });
  assert.throws(() => restoreTarget({ target: "a", file: "b" }), { code: "USAGE" });
});
