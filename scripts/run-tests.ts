/**
 * Runs every test on a prepared machine: `node scripts/run-tests.ts`, as `scripts/test` does.
 *
 * First those that share nothing, a file on each core. Then the lab: the boot image alone, which fills the cache that
 * the others take it from; the rest two at a time, because a machine in QEMU waits a lot and computes on one core, the
 * longest first. The last line is the sum of all: "N passed, N failed".
 */
import { once } from "node:events";
import { globSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";

const bootImage = "test/lab/boot-image.test.ts";
const longest = ["room", "restores", "stick", "firmware", "menu", "capture"];
const rank = (file: string): number => {
  const place = longest.indexOf(basename(file, ".test.ts"));
  return place === -1 ? longest.length : place;
};
const lab = globSync("test/lab/**/*.test.ts")
  .filter((file) => file !== bootImage)
  .sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));

const parts = [
  { globPatterns: ["test/!(lab|bench)/**/*.test.ts", "test/*.test.ts"], concurrency: availableParallelism() },
  { files: [bootImage], concurrency: 1 },
  { files: lab, concurrency: 2 },
];

const sum = { passed: 0, failed: 0 };
for (const part of parts) {
  const tests = run({ ...part, timeout: 20 * 60_000 });
  tests.on("test:summary", ({ file, counts }) => {
    // The one of the whole part; each file has its own, too.
    if (file !== undefined) return;
    sum.passed += counts.passed;
    sum.failed += counts.tests - counts.passed - counts.skipped - counts.todo;
  });
  const report = tests.compose(new spec());
  report.pipe(process.stdout, { end: false });
  await once(report, "end");
}
console.log(`${sum.passed} passed, ${sum.failed} failed`);
process.exitCode = sum.failed === 0 && sum.passed > 0 ? 0 : 1;
