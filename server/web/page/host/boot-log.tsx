import type { TraceBody } from "../../../api/boot-schemas.ts";
import { get } from "../api.ts";
import { Loading } from "../parts/notice.tsx";
import { as, say } from "../preferences.ts";
import { nowMs } from "../store.ts";
import { texts } from "../texts.ts";
import { useLive } from "../use-live.ts";

/** What it asked for while it booted, and what it was given: the end of it. */
export function BootLog({ id }: { id: string }) {
  const trace = useLive(
    `trace ${id}`,
    async () =>
      (await get<TraceBody>(`/boot/trace?host=${encodeURIComponent(id)}&boot=last&limit=10000`)).entries.slice(-200),
    { wants: ({ hostId }) => hostId === id, isPolled: () => true },
  );
  const entries = trace.value.value;
  return (
    <section class="card" aria-label={say(texts.console)}>
      <h2>{say(texts.console)}</h2>
      {entries === undefined ? (
        <Loading />
      ) : entries.length === 0 ? (
        <p class="muted">{say(texts.consoleEmpty)}</p>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it.
        <ol class="console" tabIndex={0}>
          {entries.map((entry) => (
            <li key={entry.id} class={entry.isRefusal === true ? "console-bad" : ""}>
              <time>{as.time(entry.atMs, nowMs.peek())}</time> <b>{entry.service}</b> {entry.asked}
              {entry.answered !== undefined && ` → ${entry.answered}`}
              {entry.reason !== undefined && ` (${entry.reason})`}
              {entry.times !== undefined && entry.times > 1 && ` ×${entry.times}`}
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}
