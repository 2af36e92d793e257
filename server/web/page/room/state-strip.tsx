import type { Signal } from "@preact/signals";
import type { HostBody } from "../../../api/host-schemas.ts";
import { State } from "../parts/state.tsx";
import { say } from "../preferences.ts";
import { countStates, lookOf } from "../states.ts";
import { texts } from "../texts.ts";

type StripProps = { hosts: readonly HostBody[]; only: Signal<string | undefined> };

/** The whole room as one bar, and how many hosts are in each state; pressing one shows only those. */
export function StateStrip({ hosts, only }: StripProps) {
  const counts = countStates(hosts.map(({ status }) => status.state));
  return (
    <section class="strip" aria-label={say(texts.roomState)}>
      <div class="strip-bar" aria-hidden="true">
        {counts.map(({ state, count }) => (
          <div key={state} class={`strip-part tone-${lookOf(state).tone}`} style={{ flexGrow: count }} />
        ))}
      </div>
      <fieldset class="chips">
        <legend class="sr">{say(texts.showOnly)}</legend>
        {counts.map(({ state, count }) => (
          <button
            key={state}
            type="button"
            class="chip"
            aria-pressed={only.value === state}
            onClick={() => {
              only.value = only.value === state ? undefined : state;
            }}
          >
            <strong>{count}</strong> <State state={state} />
          </button>
        ))}
      </fieldset>
    </section>
  );
}
