/**
 * Runs every test on a prepared machine: `node scripts/run-tests.ts`, as `scripts/test` does.
 *
 * First those that share nothing, a file on each core; then the lab, one file after the other, because its machines
 * and networks need the whole computer. The last line is the sum of both: "N passed, N failed".
 */
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { run } from "node:test";
import { spec } from "node:test/reporters";

const parts = [
  { globPatterns: ["test/!(lab|bench)/**/*.test.ts", "test/*.test.ts"], concurrency: availableParallelism() },
  { globPatterns: ["test/lab/**/*.test.ts"], concurrency: 1 },
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
