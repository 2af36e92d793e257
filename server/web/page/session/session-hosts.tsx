import type { SessionBody } from "../../../api/schemas.ts";
import { formatClock } from "../format.ts";
import { Icon } from "../parts/icon.tsx";
import { Bar, State } from "../parts/state.tsx";
import { as, say } from "../preferences.ts";
import { hashOf } from "../route.ts";
import { hostPercent, troubleFirst } from "../session-figures.ts";
import { lookOf } from "../states.ts";
import { texts } from "../texts.ts";

/** Each host: what it does, how far it is, and why it is not further. */
export function SessionHosts({ session }: { session: SessionBody }) {
  const isActive = session.state === "active";
  if (session.hosts.length === 0) return null;
  return (
    <div class="table-frame no-print">
      <table class="table">
        <thead>
          <tr>
            <th scope="col">{say(texts.host)}</th>
            <th scope="col">{say(texts.state)}</th>
            <th scope="col" class="wide">
              {say(texts.progress)}
            </th>
            {isActive && (
              <th scope="col" class="number wide">
                {say(texts.loss)}
              </th>
            )}
            <th scope="col" class="number">
              {say(texts.duration)}
            </th>
          </tr>
        </thead>
        <tbody>
          {troubleFirst(session.hosts).map((host) => {
            const state = host.order === "running" ? host.state : host.order === "cancelled" ? "offline" : host.order;
            return (
              <tr key={host.id}>
                <th scope="row">
                  <a href={hashOf({ page: "host", id: host.id })}>{host.name}</a>
                  {host.wave !== null && <span class="sub">{say(texts.wave(host.wave))}</span>}
                </th>
                <td>
                  <State
                    state={state}
                    word={host.order === "cancelled" ? say(texts.orderWords.cancelled) : undefined}
                  />
                </td>
                <td class="wide">
                  {host.order === "running" && (
                    <Bar
                      percent={hostPercent(host)}
                      label={say(texts.progressOf(host.name))}
                      tone={lookOf(host.state).tone}
                    />
                  )}
                  <span class={host.fault === null ? "sub" : "sub bad"}>{detailOf(host)}</span>
                </td>
                {isActive && <td class="number wide">{host.lossShare === null ? "" : as.share(host.lossShare)}</td>}
                <td class="number">{host.totalMs === 0 ? "" : formatClock(host.totalMs)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function detailOf(host: SessionBody["hosts"][number]): string {
  const { fault, order, detail, kept, heldBy, leftMs } = host;
  if (fault !== null) return `${fault.what} ${fault.why} ${fault.fix}`;
  if (heldBy !== "") return heldBy;
  if (order === "running" && leftMs !== null) return say(texts.left(formatClock(leftMs)));
  if (order === "pending") return say(texts.waitsAtServer);
  if (order === "done" && kept !== null)
    return say(texts.keptBytes(as.bytes(kept.bytes), as.bytes(kept.receivedBytes)));
  return detail;
}

/** Of many slow ones so many are named at once: what is below must not be pushed away. */
const SHOWN_SLOW = 6;

/** Who is slow, and why: the reason is never left to guessing. */
export function Stragglers({ session }: { session: SessionBody }) {
  const found = troubleFirst(session.hosts).filter(({ slow }) => slow !== "");
  if (found.length === 0) return null;
  const more = found.slice(SHOWN_SLOW);
  return (
    <section class="card care-card no-print" aria-label={say(texts.stragglers)}>
      <h2>
        <Icon name="hourglass" /> {say(texts.stragglers)}
      </h2>
      <SlowHosts hosts={found.slice(0, SHOWN_SLOW)} />
      {more.length > 0 && (
        <details class="more">
          <summary>{say(texts.moreStragglers(more.length))}</summary>
          <SlowHosts hosts={more} />
        </details>
      )}
    </section>
  );
}

function SlowHosts({ hosts }: { hosts: SessionBody["hosts"] }) {
  return (
    <ul>
      {hosts.map(({ id, name, slow }) => (
        <li key={id}>
          <strong>{name}</strong>: {slow}
        </li>
      ))}
    </ul>
  );
}
