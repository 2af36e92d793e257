import type { HostBody } from "../../../api/host-schemas.ts";
import { Bar, State } from "../parts/state.tsx";
import { say } from "../preferences.ts";
import { hashOf } from "../route.ts";
import { isMoving, lookOf } from "../states.ts";
import { isOperator, select, selection } from "../store.ts";
import { texts } from "../texts.ts";
import { noteOf, seenWords } from "./host-tiles.tsx";

/** The same hosts as a table, for large rooms and for who looks for one. */
export function HostRows({ hosts }: { hosts: readonly HostBody[] }) {
  return (
    <div class="table-frame">
      <table class="table">
        <thead>
          <tr>
            {isOperator.value && (
              <th class="narrow">
                <span class="sr">{say(texts.selection)}</span>
              </th>
            )}
            <th scope="col">{say(texts.name)}</th>
            <th scope="col">{say(texts.state)}</th>
            <th scope="col" class="wide">
              {say(texts.progress)}
            </th>
            <th scope="col" class="more-wide">
              {say(texts.model)}
            </th>
            <th scope="col" class="wide">
              {say(texts.lastSeen)}
            </th>
          </tr>
        </thead>
        <tbody>
          {hosts.map((host) => (
            <tr key={host.id} class={selection.value.has(host.id) ? "row-on" : ""}>
              {isOperator.value && (
                <td class="narrow">
                  <input
                    type="checkbox"
                    aria-label={say(texts.selectOne(host.name))}
                    checked={selection.value.has(host.id)}
                    onChange={({ currentTarget }) => select([host.id], currentTarget.checked)}
                  />
                </td>
              )}
              <th scope="row">
                <a href={hashOf({ page: "host", id: host.id })}>{host.name}</a>
                <span class="sub">{host.mac}</span>
              </th>
              <td>
                <State state={host.status.state} />
              </td>
              <td class="wide">
                {isMoving(host.status.state) && (
                  <Bar
                    percent={host.percent}
                    label={say(texts.progressOf(host.name))}
                    tone={lookOf(host.status.state).tone}
                  />
                )}
                <span class="sub">{noteOf(host)}</span>
              </td>
              <td class="more-wide">
                {host.model === "" ? say(texts.unknown) : host.model}
                <span class="sub">{host.serial}</span>
              </td>
              <td class="wide">{seenWords(host.lastSeenMs)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
