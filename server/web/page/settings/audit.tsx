import type { AuditBody } from "../../../api/audit-routes.ts";
import { get } from "../api.ts";
import { EventList } from "../parts/event-list.tsx";
import { Loading } from "../parts/notice.tsx";
import { say } from "../preferences.ts";
import { texts } from "../texts.ts";
import { useLive } from "../use-live.ts";

/** Who changed what, and who was not let in. */
export function Audit() {
  const live = useLive("audit", () => get<AuditBody>("/audit?limit=50"), {
    wants: ({ actor, kind }) => actor !== null || kind.startsWith("user.") || kind === "access.refused",
  });
  return (
    <section class="card" aria-label={say(texts.audit)}>
      <h2>{say(texts.audit)}</h2>
      {live.value.value === undefined ? <Loading /> : <EventList events={live.value.value.entries} />}
    </section>
  );
}
