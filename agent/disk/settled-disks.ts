import type { Clock } from "../client/backoff.ts";
import type { Disk } from "../contract.ts";
import { limits } from "../limits.ts";
import { formatDuration } from "./sizes.ts";

const LOOK_EVERY_MS = 250;

/**
 * The machine's disks, when their list has been the same for a while. A
 * controller that brings its disk late must not make the other one the only
 * choice. A list that never settles counts as it is in the end, and this is said.
 *
 * @param read what the kernel shows now
 * @param say a line for the screen
 */
export async function settledDisks(
  read: () => readonly Disk[],
  clock: Clock,
  say: (line: string) => void,
): Promise<readonly Disk[]> {
  const startedAt = clock.now();
  let disks = read();
  let sameSince = startedAt;
  while (clock.now() - sameSince < limits.disksSameMs) {
    if (clock.now() - startedAt >= limits.disksSettledMs) {
      say(`The list of disks still changes after ${formatDuration(limits.disksSettledMs)}; the newest one counts.`);
      break;
    }
    await clock.sleep(LOOK_EVERY_MS);
    const newest = read();
    if (JSON.stringify(newest) !== JSON.stringify(disks)) {
      disks = newest;
      sameSince = clock.now();
    }
  }
  return disks;
}
