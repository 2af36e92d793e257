import type { HostBody } from "../../../api/host-schemas.ts";
import { formatClock } from "../format.ts";
import { Bar, State } from "../parts/state.tsx";
import { as, say } from "../preferences.ts";
import { hashOf } from "../route.ts";
import { isMoving, lookOf } from "../states.ts";
import { isOperator, leftMsOf, nowMs, select, selection } from "../store.ts";
import { texts } from "../texts.ts";

/** From here on a room is seen as a whole only with small tiles. */
const MANY = 60;

/** A tile for each host: name, one state word, one bar, one number. To be read from three metres away. */
export function HostTiles({ hosts, inRoom }: { hosts: readonly HostBody[]; inRoom: number }) {
  return (
    <ul class={inRoom > MANY ? "tiles tiles-many" : "tiles"}>
      {hosts.map((host) => (
        <Tile key={host.id} host={host} />
      ))}
    </ul>
  );
}

function Tile({ host }: { host: HostBody }) {
  const isOn = selection.value.has(host.id);
  const { state } = host.status;
  const { tone } = lookOf(state);
  return (
    <li class={`tile tone-${tone} ${isOn ? "tile-on" : ""}`}>
      <div class="tile-head">
        <a class="tile-name" href={hashOf({ page: "host", id: host.id })}>
          {host.name}
        </a>
        {isOperator.value && (
          <label class="tile-select">
            <input
              type="checkbox"
              checked={isOn}
              onChange={({ currentTarget }) => select([host.id], currentTarget.checked)}
            />
            <span class="sr">{say(texts.selectOne(host.name))}</span>
          </label>
        )}
      </div>
      <div class="tile-state">
        <State state={state} />
        {isMoving(state) && host.percent !== null && <span class="tile-percent">{as.percent(host.percent)}</span>}
      </div>
      {isMoving(state) && <Bar percent={host.percent} label={say(texts.progressOf(host.name))} tone={tone} />}
      <p class={isMoving(state) ? "tile-note" : "tile-note tile-note-long"} title={noteOf(host)}>
        {noteOf(host)}
      </p>
    </li>
  );
}

/** What matters now: time left, why it failed, what it waits for and since when. */
export function noteOf({ id, status, fault, lastSeenMs }: HostBody): string {
  if (status.state === "failed" && fault !== null) return fault.what;
  const leftMs = isMoving(status.state) ? leftMsOf(id) : undefined;
  if (leftMs !== undefined) return say(texts.left(formatClock(leftMs)));
  if (status.state === "done" || (status.state === "offline" && status.detail === "")) return seenWords(lastSeenMs);
  if (isMoving(status.state) && status.detail !== "") return status.detail;
  const since = say(texts.since(as.span(nowMs.value - status.sinceMs)));
  return status.detail === "" ? since : `${status.detail.replace(/\.$/, "")} · ${since}`;
}

/** When it was seen last; a host that somebody added may never have been. */
export function seenWords(lastSeenMs: number): string {
  return lastSeenMs === 0 ? say(texts.neverSeen) : as.ago(nowMs.value - lastSeenMs);
}
