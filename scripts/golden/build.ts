import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { Fault } from "../../fault.ts";
import { assembleDisk, rootUuid } from "./disk.ts";
import { makeRoot } from "./root.ts";

const lockDeadlineMs = 900_000;

/**
 * The golden disk: a bootable raw image of a small Debian, for the lab to
 * restore. Built when it is not there yet, and kept under
 * `${XDG_CACHE_HOME:-~/.cache}/bootcast/golden-<hash of what it is made from>/`.
 *
 * @returns the image's path; treat the file as read-only
 * @throws {Fault} GOLDEN_NEEDS_ROOT, GOLDEN_LOCKED, GOLDEN_NO_MIRROR, GOLDEN_COMMAND_FAILED
 */
export async function goldenDisk(say: (text: string) => void = () => {}): Promise<string> {
  const cache = join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "bootcast");
  const directory = join(cache, `golden-${await hashOfInputs()}`);
  const path = join(directory, "golden.raw");
  if (existsSync(path)) return path;
  if (process.getuid?.() !== 0) {
    throw new Fault("GOLDEN_NEEDS_ROOT", {
      what: "The golden disk cannot be built.",
      why: "debootstrap needs root, to make the files of another system with their owners.",
      fix: "Run it as root.",
    });
  }
  await mkdir(directory, { recursive: true });
  const lock = await takeLock(join(directory, "lock"), say);
  try {
    // Somebody else may have built it while we waited.
    if (existsSync(path)) return path;
    const work = join(directory, "work");
    await rm(work, { recursive: true, force: true });
    await mkdir(join(work, "root"), { recursive: true });
    await makeRoot(join(work, "root"), rootUuid, say);
    say("putting the disk together");
    await assembleDisk(work, join(work, "root"), join(work, "golden.raw"));
    await rename(join(work, "golden.raw"), path);
    await rm(work, { recursive: true, force: true });
    return path;
  } finally {
    lock.stdin?.end();
  }
}

/** Everything in this folder decides what the disk holds. */
async function hashOfInputs(): Promise<string> {
  const hash = createHash("sha256");
  const directory = import.meta.dirname;
  for (const name of (await readdir(directory)).sort()) {
    hash.update(`${name}\n`).update(await readFile(join(directory, name)));
  }
  return hash.digest("hex").slice(0, 16);
}

/** The lock is held by a process that ends with us, however we end. */
async function takeLock(path: string, say: (text: string) => void): Promise<ChildProcess> {
  const holder = spawn("flock", [path, "cat"], { stdio: ["pipe", "pipe", "inherit"] });
  const timer = setTimeout(() => holder.kill("SIGKILL"), lockDeadlineMs);
  const waiting = setTimeout(() => say("waiting for another build of it to end"), 1_000);
  holder.stdin.on("error", () => {});
  holder.stdin.write("held\n");
  const [answer] = (await Promise.race([once(holder.stdout, "data"), once(holder, "close")])) as unknown[];
  clearTimeout(timer);
  clearTimeout(waiting);
  if (Buffer.isBuffer(answer)) return holder;
  throw new Fault("GOLDEN_LOCKED", {
    what: "The golden disk cannot be built now.",
    why: `Another build of it holds ${path} for more than ${lockDeadlineMs / 60_000} minutes, or flock failed.`,
    fix: "End the other build, or remove its folder when there is none.",
  });
}

if (import.meta.main) {
  const startedAt = performance.now();
  const say = (text: string) => {
    process.stderr.write(`golden: ${((performance.now() - startedAt) / 1000).toFixed(0)} s: ${text}\n`);
  };
  try {
    const path = await goldenDisk(say);
    const { size, blocks } = await stat(path);
    say(`ready: ${(size / 2 ** 20).toFixed(0)} MiB, of which ${((blocks * 512) / 2 ** 20).toFixed(0)} MiB are used`);
    process.stdout.write(`${path}\n`);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    process.stderr.write(`error: ${error.what} [${error.code}]\n  why: ${error.why}\n  fix: ${error.fix}\n`);
    process.exitCode = 1;
  }
}
