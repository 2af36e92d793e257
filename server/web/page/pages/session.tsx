import { useEffect, useRef } from "preact/hooks";
import type { EventBody, SessionBody } from "../../../api/schemas.ts";
import { get } from "../api.ts";
import { Estimate } from "../estimate.ts";
import { EventList } from "../parts/event-list.tsx";
import { Loading, Problem } from "../parts/notice.tsx";
import { say } from "../preferences.ts";
import { Figures } from "../session/figures.tsx";
import { Halted } from "../session/halted.tsx";
import { Report } from "../session/report.tsx";
import { SessionHead } from "../session/session-head.tsx";
import { SessionHosts, Stragglers } from "../session/session-hosts.tsx";
import { figuresOf } from "../session-figures.ts";
import { texts } from "../texts.ts";
import { useLive } from "../use-live.ts";

/** So many looks back goes the chart of the rate. */
const MOST_RATES = 90;

export function SessionPage({ id }: { id: number }) {
  const live = useLive(`${id}`, () => get<SessionBody>(`/sessions/${id}`), {
    wants: ({ deployId }) => deployId === id,
    isPolled: (session) => session?.state === "active",
  });
  const log = useLive(
    `log ${id}`,
    async () => (await get<{ events: EventBody[] }>(`/events?session=${id}&boots=false&last=500`)).events.toReversed(),
    { wants: ({ deployId }) => deployId === id },
  );
  const rates = useRef<number[]>([]);
  const estimate = useRef(new Estimate());
  const session = live.value.value;
  // Once for each answer.
  useEffect(() => {
    if (session?.state !== "active") return;
    const { rateBytesPerSecond, percent } = figuresOf(session);
    rates.current = [...rates.current, rateBytesPerSecond].slice(-MOST_RATES);
    estimate.current.add(`${session.hosts.length}`, { atMs: Date.now(), percent });
  }, [session]);
  if (session === undefined) {
    const refusal = live.refusal.value;
    return refusal === undefined ? <Loading /> : <Problem fault={refusal} onRetry={() => live.refresh()} />;
  }
  const figures = figuresOf(session);
  const isActive = session.state === "active";
  return (
    <div class="session">
      <SessionHead session={session} onChanged={() => live.refresh()} />
      <Figures
        session={session}
        figures={figures}
        rates={rates.current}
        leftMs={isActive ? (session.leftMs ?? estimate.current.leftMs) : undefined}
      />
      <Halted session={session} onChanged={() => live.refresh()} />
      <Stragglers session={session} />
      <SessionHosts session={session} />
      <section class="card no-print" aria-label={say(texts.log)}>
        <h2>{say(texts.log)}</h2>
        {log.value.value === undefined ? <Loading /> : <EventList events={log.value.value} />}
      </section>
      <Report session={session} />
    </div>
  );
}
