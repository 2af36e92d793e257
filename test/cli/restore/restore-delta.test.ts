import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { readFile, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { goldenDisk } from "../../agent/stream/local-stream.ts";
import { bootcast } from "../program.ts";

describe("bootcast restore --delta", () => {
  const directory = mkdtempSync(join(tmpdir(), "bootcast-delta-"));
  const golden = join(directory, "golden.raw");
  const target = join(directory, "target.raw");
  const bytes = Buffer.from(goldenDisk().bytes);
  before(() => writeFile(golden, bytes));
  after(() => rmSync(directory, { recursive: true, force: true }));

  const restore = (...more: string[]) =>
    bootcast(["restore", "--source", golden, "--data-dir", join(directory, "data"), "--target", target, ...more]);
  const isRestored = async () => Buffer.compare(await readFile(target), bytes) === 0;

  test("what is right stays, and only what differs is written", async () => {
    const spoilt = Buffer.from(bytes);
    spoilt.fill(0x11, 300_000, 300_100);
    await writeFile(target, spoilt);
    const { ino } = await stat(target);
    const { code, stdout, stderr } = await restore("--delta", "--noprompt", "--verify", "sampled=50%");
    assert.equal(code, 0, stderr);
    assert.match(stdout, /Comparing {2}\.\.\.\.10.*100\n.*Opening target device.*Restoring.*Verifying/s);
    assert.match(stderr, /are right, .* are to come/);
    assert(await isRestored());
    assert.equal((await stat(target)).ino, ino);
  });

  test("a file that is shorter or longer becomes the image; one that is not there, too", async () => {
    for (const content of [bytes.subarray(0, 1_000_000), Buffer.concat([bytes, Buffer.alloc(70_000, 1)]), undefined]) {
      rmSync(target, { force: true });
      if (content !== undefined) await writeFile(target, content);
      const { code, stderr } = await restore("--delta", "--noprompt", "--noverify");
      assert.equal(code, 0, stderr);
      assert(await isRestored());
    }
  });

  test("it is asked as for an erase, and without an answer nothing is changed", async () => {
    const before = Buffer.alloc(bytes.length, 0xee);
    await writeFile(target, before);
    const { code, stderr } = await restore("--delta", "--no-input");
    assert.notEqual(code, 0);
    assert.match(stderr, /CONFIRM_MISSING|was not erased/);
    assert.equal(Buffer.compare(await readFile(target), before), 0);
  });

  test("what is to be read back is said right, or nothing is done", async () => {
    const { code, stderr } = await restore("--delta", "--noprompt", "--verify", "half");
    assert.notEqual(code, 0);
    assert.match(stderr, /"half" does not say how much/);
  });
});
