import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { OutputFile } from "../../../server/images/write-output.ts";
import { ownMark } from "../../../server/store/process-mark.ts";

const uuid = "01234567-89ab-cdef-0123-456789abcdef";

test("what killed writers left goes with the next file; what others write, and what is not ours, stays", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "bootcast-output-"));
  t.after(() => rm(folder, { recursive: true }));
  const gone = spawn("true");
  await once(gone, "exit");
  const own = await ownMark();
  const [place] = own.split("-");
  const twoDaysAgo = Date.now() / 1000 - 2 * 86_400;
  const removed = [`.bootcast-${place}-${gone.pid}-1.${uuid}.part`, `.bootcast-aaaaaaaaaaaa-7-1.${uuid}.part`];
  const kept = [
    `.bootcast-${own}.${uuid}.part`,
    `.bootcast-bbbbbbbbbbbb-7-1.${uuid}.part`,
    ".bootcast-notes.part",
    "film.part",
  ];
  for (const name of [...removed, ...kept]) await writeFile(join(folder, name), "half an image");
  for (const name of [removed[1]!, "film.part", ".bootcast-notes.part"])
    await utimes(join(folder, name), twoDaysAgo, twoDaysAgo);
  const file = await OutputFile.create(join(folder, "lab.raw"), false);
  const writing = (await readdir(folder)).filter((name) => ![...removed, ...kept].includes(name));
  assert.equal(writing.length, 1);
  assert.match(writing[0]!, new RegExp(`^\\.bootcast-${own}\\..*\\.part$`));
  await file.append(Buffer.from("whole"));
  await file.flush();
  await file.publish();
  await file.close();
  assert.deepEqual((await readdir(folder)).sort(), [...kept, "lab.raw"].sort());
  assert.equal(await readFile(join(folder, "lab.raw"), "utf8"), "whole");
});
