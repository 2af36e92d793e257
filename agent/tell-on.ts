import type { Clock } from "./client/backoff.ts";
import { formatDuration } from "./disk/sizes.ts";

/** Programs that check or grow a file system say nothing for hours; a person should not take them for hung. */
const TELL_EVERY_MS = 30_000;

/** Says what is done now, and while it goes on, for how long it has. */
export async function tellOn<Result>(
  line: string,
  { clock, say }: { readonly clock: Pick<Clock, "now">; say(line: string): void },
  work: () => Promise<Result>,
): Promise<Result> {
  say(line);
  const startedAtMs = clock.now();
  const telling = setInterval(() => {
    say(`${line}: still at it after ${formatDuration(clock.now() - startedAtMs)}`);
  }, TELL_EVERY_MS);
  try {
    return await work();
  } finally {
    clearInterval(telling);
  }
}
