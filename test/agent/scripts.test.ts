import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as nextTurn } from "node:timers/promises";
import { realClock } from "../../agent/client/backoff.ts";
import { hasSucceeded, runScript, scriptLine } from "../../agent/scripts.ts";

const never = new AbortController().signal;

function place(t: { after(end: () => void): void }): string {
  const directory = mkdtempSync(join(tmpdir(), "bootcast-scripts-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

const run = (directory: string, text: string, mostSeconds = 30, signal: AbortSignal = never) =>
  runScript({ name: "hook", text, mostSeconds }, { BOOTCAST_HOST_NAME: "lab-07" }, signal, {
    clock: realClock,
    directory,
  });

/** Ended and not yet waited for by its parent is ended. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

test("a script knows its host, what it says on both ways is kept, and its file is gone afterwards", async (t) => {
  const directory = place(t);
  const result = await run(directory, 'echo "to $BOOTCAST_HOST_NAME"; echo wrong >&2; exit 3\n');
  assert.deepEqual(
    { ...result, seconds: 0 },
    { name: "hook", ended: "exited", code: 3, seconds: 0, output: "to lab-07\nwrong" },
  );
  assert.equal(hasSucceeded(result), false);
  assert.equal(scriptLine({ ...result, seconds: 2 }), "script hook: failed with code 3 after 2 s: wrong");
  assert.equal(existsSync(join(directory, "script")), false);
  assert.equal(hasSucceeded(await run(directory, "true")), true);
});

test("the agent's own environment is not given on", async (t) => {
  process.env["BOOTCAST_TEST_SECRET"] = "x";
  t.after(() => delete process.env["BOOTCAST_TEST_SECRET"]);
  assert.equal((await run(place(t), "echo [$BOOTCAST_TEST_SECRET]")).output, "[]");
});

test("a script that takes too long is ended with all that it started", async (t) => {
  const directory = place(t);
  const result = await run(directory, "trap '' TERM\nsleep 1000 &\necho $! >child\nwhile :; do sleep 1; done\n", 1);
  assert.deepEqual([result.ended, hasSucceeded(result)], ["timed out", false]);
  const child = Number(readFileSync(join(directory, "child"), "utf8"));
  const deadline = Date.now() + 10_000;
  while (isRunning(child)) {
    assert(Date.now() < deadline, "what the script started still runs");
    await nextTurn(20);
  }
});

test("what a script leaves running does not hold it up", async (t) => {
  const result = await run(place(t), "sleep 1000 &\necho ready\n");
  assert.deepEqual([result.ended, result.code, result.output], ["exited", 0, "ready"]);
});

test("a program that a script sends away into a session of its own does not hold it up", async (t) => {
  const directory = place(t);
  const script =
    "setsid sh -c 'echo $$ >child; exec sleep 20' &\nuntil [ -s child ]; do sleep 0.05; done\necho set up\n";
  const result = await run(directory, script);
  const child = Number(readFileSync(join(directory, "child"), "utf8"));
  t.after(() => isRunning(child) && process.kill(child));
  assert.deepEqual([result.ended, result.code, result.output], ["exited", 0, "set up"]);
  assert(isRunning(child), "it waited for the program");
});

test("an order that is taken back ends the script", async (t) => {
  const stop = new AbortController();
  const running = run(place(t), "sleep 1000", 60, stop.signal);
  stop.abort();
  assert.equal((await running).ended, "stopped");
});

test("of much output the end is kept, without what moves a screen's cursor", async (t) => {
  const directory = place(t);
  const { output } = await run(directory, "yes 0123456789 | head -c 1000000; printf '\\033[31mred\\007\\n'");
  assert(output.length <= 16 * 1024, String(output.length));
  assert(output.endsWith("[31mred"));
});
