import assert from "node:assert/strict";
import { test } from "node:test";
import { tellOn } from "../../agent/tell-on.ts";

test("what takes long says so while it goes on, and no longer", async (t) => {
  t.mock.timers.enable({ apis: ["setInterval", "Date"] });
  const said: string[] = [];
  const told = { clock: { now: () => Date.now() }, say: (line: string) => void said.push(line) };
  const { promise, resolve } = Promise.withResolvers<string>();
  const working = tellOn("checking partition 2 (ext4)", told, () => promise);
  for (let time = 0; time < 3; time += 1) t.mock.timers.tick(30_000);
  resolve("sound");
  assert.equal(await working, "sound");
  t.mock.timers.tick(90_000);
  assert.equal(said.length, 4, said.join("\n"));
  assert.equal(said[0], "checking partition 2 (ext4)");
  for (const line of said.slice(1)) assert.match(line, /^checking partition 2 \(ext4\): still at it after \d/);
  assert.equal(new Set(said).size, 4, "the time goes on");
  await assert.rejects(
    tellOn("growing", told, () => Promise.reject(new Error("no"))),
    /no/,
  );
  t.mock.timers.tick(90_000);
  assert.equal(said.length, 5);
});
