import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { programs } from "../../../scripts/boot-image/recipe.ts";

const agent = join(import.meta.dirname, "../../../agent");

test("every program that the agent starts is in the boot image", () => {
  const files = readdirSync(agent, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
  const started = files.flatMap((file) => {
    const text = readFileSync(join(agent, file), "utf8");
    return [...text.matchAll(/\brun\(\s*"([\w.-]+)"/g)].map((match) => match[1]!);
  });
  assert(started.length > 15, "the agent's way to start programs is another now");
  const applets = execFileSync("busybox", ["--list"], { encoding: "utf8" }).split("\n");
  const known = new Set<string>([...programs, ...applets]);
  assert.deepEqual(
    [...new Set(started)].filter((name) => !known.has(name)),
    [],
  );
});
