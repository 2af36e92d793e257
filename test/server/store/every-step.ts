import { cp, mkdir, mkdtemp, readdir, rm, utimes } from "node:fs/promises";
import { join } from "node:path";
import { ImageThreads } from "../../../server/images/image-threads.ts";
import { type Failure, FaultyDisk } from "./faulty-disk.ts";

/** What is tried: `evening` changes a copy of the store `before`, and says in the end what it was promised. */
export type Tried<T> = {
  /** An empty directory for the copies, on the same file system. */
  readonly directory: string;
  readonly before: string;
  readonly evening: (path: string, disk: FaultyDisk) => Promise<T>;
};

/**
 * Runs the evening with a failure at step 1, 2, 3, … until no step is left.
 *
 * @returns how many steps there were
 */
export async function atEveryStep<T>(
  { directory, before, evening }: Tried<T>,
  failure: Failure,
  check: (path: string, promised: T, disk: FaultyDisk) => Promise<void>,
): Promise<number> {
  // While somebody holds them the threads of all steps are the same ones.
  const threads = new ImageThreads();
  try {
    for (let step = 1; ; step += 1) {
      const path = await mkdtemp(join(directory, `${failure.kind} ${step} `));
      const backups = `${path} backups`;
      await cp(before, path, { recursive: true, preserveTimestamps: true });
      await mkdir(backups);
      const disk = new FaultyDisk(step, failure, backups);
      const promised = await evening(path, disk);
      if (disk.failed === undefined) return step - 1;
      await check(path, promised, disk).catch((error: Error) => {
        error.message = `step ${step}, ${disk.failed}: ${error.message}`;
        throw error;
      });
      await rm(path, { recursive: true });
      await rm(backups, { recursive: true });
    }
  } finally {
    await threads.close();
  }
}

/** As if the files that were being written were hours old. */
export async function ageLeftovers(path: string): Promise<void> {
  const temporary = join(path, "temp");
  const twoHoursAgo = Date.now() / 1000 - 7200;
  for (const name of await readdir(temporary).catch(() => []))
    await utimes(join(temporary, name), twoHoursAgo, twoHoursAgo);
}
