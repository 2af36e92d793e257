/**
 * Runs every test on a prepared machine: `node scripts/run-tests.ts`, as `scripts/test` does.
 *
 * First those that share nothing, a file on each core; what the lab needs and takes long to make (the golden disk, the
 * boot images' layers) is made beside them and gives way to them. Then the lab in two lanes at once. Machines in QEMU
 * compute most of the time and have minutes for what they do: two files at a time, the longest first, at low priority.
 * Networks of ordinary programs wait most of the time and count in seconds: one file at a time, beside them.
 * The last line is the sum of all: "N passed, N failed".
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { globSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { basename, join } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";

const root = join(import.meta.dirname, "..");

/** The files with machines in QEMU, the longest first. */
const machines = ["room", "restores", "firmware", "boot-image", "capture", "stick", "lab", "menu", "nbi-booter"];
const rank = (file: string): number => machines.indexOf(basename(file, ".test.ts"));
const lab = globSync("test/lab/**/*.test.ts").sort();
const hasMachines = lab.filter((file) => rank(file) !== -1).sort((a, b) => rank(a) - rank(b));
const hasNetworks = lab.filter((file) => rank(file) === -1);

const sum = { passed: 0, failed: 0 };

// Half of a short process' time is compiling; Node keeps what it compiled for the next one.
process.env["NODE_COMPILE_CACHE"] ??= join(root, "node_modules/.cache/bootcast-tests");

const prepared = prepareLab();
const quick = ["test/!(lab|bench)/**/*.test.ts", "test/*.test.ts"];
await told(part({ globPatterns: quick, concurrency: availableParallelism() }));
const problem = await prepared;
if (problem === undefined) {
  const lanes = [part({ files: hasMachines, concurrency: 2 }), part({ files: hasNetworks, concurrency: 1 })];
  // What the second has to say is kept until the first one has ended.
  for (const lane of lanes) await told(lane);
} else {
  console.log(problem);
  sum.failed += 1;
}
console.log(`${sum.passed} passed, ${sum.failed} failed`);
process.exitCode = sum.failed === 0 && sum.passed > 0 ? 0 : 1;

/** Starts some files, and counts what they bring. */
function part(options: NonNullable<Parameters<typeof run>[0]>): ReturnType<typeof run> {
  const tests = run({ ...options, timeout: 20 * 60_000 });
  tests.on("test:summary", ({ file, counts }) => {
    // The one of the whole part; each file has its own, too.
    if (file !== undefined) return;
    sum.passed += counts.passed;
    sum.failed += counts.tests - counts.passed - counts.skipped - counts.todo;
  });
  return tests;
}

async function told(tests: ReturnType<typeof run>): Promise<void> {
  const report = tests.compose(new spec());
  report.pipe(process.stdout, { end: false });
  await once(report, "end");
}

/** Fills the caches that the lab takes the golden disk and the boot images from. Gives what went wrong. */
async function prepareLab(): Promise<string | undefined> {
  const directory = mkdtempSync(join(tmpdir(), "bootcast-prepare-"));
  const image = `"$0" cli/main.ts boot-image build --no-input --data-dir "$1"`;
  const build = `"$0" scripts/golden/build.ts && ${image} && ${image} --arch arm64 --quick`;
  const child = spawn("nice", ["-n", "19", "sh", "-c", build, process.execPath, directory], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (bytes: Buffer) => said.push(bytes));
  const [code] = await once(child, "close");
  rmSync(directory, { recursive: true, force: true });
  return code === 0 ? undefined : `The lab could not be prepared:\n${Buffer.concat(said)}`;
}
