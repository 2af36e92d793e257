import type { HostLogBody } from "../../../api/host-schemas.ts";
import { get } from "../api.ts";
import { as, say } from "../preferences.ts";
import { texts } from "../texts.ts";
import { useLive } from "../use-live.ts";

/** The end of what a host's agent wrote down, the last time that it was through or failed. */
export function AgentLog({ id }: { id: string }) {
  const live = useLive(
    `log ${id}`,
    async () => (await get<{ log: HostLogBody | null }>(`/hosts/${encodeURIComponent(id)}/log`)).log ?? undefined,
    { wants: ({ hostId, kind }) => hostId === id && kind === "host.state" },
  );
  const log = live.value.value;
  if (log === undefined) return null;
  return (
    <section class="card" aria-label={say(texts.agentLog)}>
      <h2>{say(texts.agentLog)}</h2>
      <p class="muted">{say(texts.agentLogSent(as.date(log.atMs)))}</p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it. */}
      <ol class="console" tabIndex={0}>
        {log.log.split("\n").map((line, number) => {
          const { at, isBad, text } = entryOf(line);
          return (
            <li key={`${number} ${line.length}`} class={isBad ? "console-bad" : ""}>
              <time>{at}</time> {text}
            </li>
          );
        })}
      </ol>
    </section>
  );
}

type Entry = { readonly time?: number; readonly level?: number; readonly msg?: string; readonly err?: unknown };

const WARNING = 40;

function entryOf(line: string): { readonly at: string; readonly isBad: boolean; readonly text: string } {
  try {
    const { time, level = 0, msg = "", err, ...rest } = JSON.parse(line) as Entry;
    const { message = "" } = (err ?? {}) as { readonly message?: string };
    const more = Object.keys(rest).length === 0 ? "" : JSON.stringify(rest);
    const at = time === undefined ? "" : new Date(time).toISOString().slice(11, 19);
    return { at, isBad: level >= WARNING, text: [msg, message, more].filter(Boolean).join(" ") };
  } catch {
    return { at: "", isBad: false, text: line };
  }
}
