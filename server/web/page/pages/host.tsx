import type { HostBootBody } from "../../../api/host-boot-routes.ts";
import type { HostBody } from "../../../api/host-schemas.ts";
import type { EventBody } from "../../../api/schemas.ts";
import { get } from "../api.ts";
import { AgentLog } from "../host/agent-log.tsx";
import { BootLog } from "../host/boot-log.tsx";
import { Changes } from "../host/changes.tsx";
import { Facts } from "../host/facts.tsx";
import { HostHead } from "../host/host-head.tsx";
import { EventList } from "../parts/event-list.tsx";
import { Icon } from "../parts/icon.tsx";
import { Loading, Problem } from "../parts/notice.tsx";
import { Bar, State } from "../parts/state.tsx";
import { as, say } from "../preferences.ts";
import { noteOf } from "../room/host-tiles.tsx";
import { isMoving, lookOf } from "../states.ts";
import { isOperator } from "../store.ts";
import { texts } from "../texts.ts";
import { useLive } from "../use-live.ts";

/** All that is known of one machine. */
export function HostPage({ id }: { id: string }) {
  const ofHost = ({ hostId }: EventBody) => hostId === id;
  const path = `/hosts/${encodeURIComponent(id)}`;
  const live = useLive(id, () => get<HostBody>(path), {
    wants: ofHost,
    isPolled: (host) => host !== undefined && isMoving(host.status.state),
  });
  const boot = useLive(`boot ${id}`, () => get<HostBootBody>(`${path}/boot`), { wants: ofHost });
  const history = useLive(
    `history ${id}`,
    async () =>
      (
        await get<{ events: EventBody[] }>(`/events?host=${encodeURIComponent(id)}&boots=false&last=200`)
      ).events.toReversed(),
    { wants: ofHost },
  );
  const host = live.value.value;
  if (host === undefined) {
    const refusal = live.refusal.value;
    return refusal === undefined ? <Loading /> : <Problem fault={refusal} onRetry={() => live.refresh()} />;
  }
  return (
    <>
      <HostHead host={host} />
      {host.fault !== null && host.status.state === "failed" && <Problem fault={host.fault} />}
      <section class="card host-now" aria-label={say(texts.state)}>
        <div class="host-now-line">
          <State state={host.status.state} />
          {isMoving(host.status.state) && host.percent !== null && (
            <span class="tile-percent">{as.percent(host.percent)}</span>
          )}
          {host.status.state !== "failed" && <span class="muted">{noteOf(host)}</span>}
        </div>
        {host.lock !== null && (
          <p class="held">
            <Icon name="lock" /> {say(texts.lockedBy(host.lock.by, host.lock.reason))}
            {host.lock.untilMs !== null && `, ${say(texts.until(as.date(host.lock.untilMs)))}`}
          </p>
        )}
        {isMoving(host.status.state) && (
          <Bar percent={host.percent} label={say(texts.progressOf(host.name))} tone={lookOf(host.status.state).tone} />
        )}
      </section>
      <div class="columns">
        <Facts host={host} boot={boot.value.value} />
        <section class="card" aria-label={say(texts.history)}>
          <h2>{say(texts.history)}</h2>
          {history.value.value === undefined ? <Loading /> : <EventList events={history.value.value} isOfHost />}
        </section>
      </div>
      <Changes id={id} />
      {isOperator.value && <AgentLog id={id} />}
      <BootLog id={id} />
    </>
  );
}
