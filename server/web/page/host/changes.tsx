import type { InventoryHistoryBody } from "../../../api/host-schemas.ts";
import { get } from "../api.ts";
import { as, say } from "../preferences.ts";
import { texts } from "../texts.ts";
import { useLive } from "../use-live.ts";

/** What was put in, taken out or exchanged; nothing as long as it is the same machine. */
export function Changes({ id }: { id: string }) {
  const live = useLive(
    `inventory ${id}`,
    async () =>
      (await get<InventoryHistoryBody>(`/hosts/${encodeURIComponent(id)}/inventory-history?limit=20`)).history.filter(
        ({ changes }) => changes.length > 0,
      ),
    { wants: ({ hostId, kind }) => hostId === id && kind === "host.registered" },
  );
  const steps = live.value.value ?? [];
  if (steps.length === 0) return null;
  return (
    <section class="card" aria-label={say(texts.changes)}>
      <h2>{say(texts.changes)}</h2>
      <ul class="lines">
        {steps.map(({ id, atMs, changes }) => (
          <li key={id} class="line">
            <span class="line-words">
              {changes.map(({ what, from, to }) => (
                <span key={what} class="change">
                  <strong>{what}</strong> {from === "" ? "–" : from} → {to === "" ? "–" : to}
                </span>
              ))}
              <span class="sub">{as.date(atMs)}</span>
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
