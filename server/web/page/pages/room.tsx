import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { HostBody } from "../../../api/host-schemas.ts";
import { Head } from "../parts/head.tsx";
import { Icon } from "../parts/icon.tsx";
import { Command, Empty, Loading, Problem } from "../parts/notice.tsx";
import { Segments } from "../parts/segments.tsx";
import { say, view } from "../preferences.ts";
import { HostRows } from "../room/host-rows.tsx";
import { HostTiles } from "../room/host-tiles.tsx";
import { RunningNow } from "../room/running-now.tsx";
import { groupsOf, hostsLike } from "../room/selection.ts";
import { SelectionBar } from "../room/selection-bar.tsx";
import { StateStrip } from "../room/state-strip.tsx";
import { clearSelection, hosts, isOperator, select, selectedHosts } from "../store.ts";
import { texts } from "../texts.ts";

/** The dashboard: every machine, its one state, and what can be done with those that are selected. */
export function RoomPage() {
  const search = useSignal("");
  const onlyState = useSignal<string | undefined>(undefined);
  const found = hosts.value.value;
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const isTyping =
        event.target instanceof HTMLElement && event.target.matches("input:not([type=checkbox]), select, textarea");
      if (document.querySelector("dialog[open]") !== null || event.metaKey || event.ctrlKey || event.altKey) return;
      if (event.key === "/" && !isTyping) {
        event.preventDefault();
        field.current?.focus();
      }
      if (event.key === "Escape") clearSelection();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);

  if (found === undefined) {
    const refusal = hosts.refusal.value;
    return refusal === undefined ? <Loading /> : <Problem fault={refusal} onRetry={() => hosts.refresh()} />;
  }
  if (found.length === 0) {
    return (
      <>
        <Head title={say(texts.room)} />
        <Empty icon="room" title={say(texts.roomEmpty)}>
          <p>{say(texts.roomEmptyHow)}</p>
          <p class="muted">{say(texts.roomEmptyDoctor)}</p>
          <Command>bootcast boot trace</Command>
        </Empty>
      </>
    );
  }
  const shown = hostsLike(found, search.value, onlyState.value);
  const groups = groupsOf(shown);
  return (
    <>
      <Head title={say(texts.room)} note={say(texts.hosts(found.length))}>
        <label class="search">
          <Icon name="search" />
          <span class="sr">{say(texts.search)}</span>
          <input
            ref={field}
            type="search"
            placeholder={say(texts.search)}
            value={search.value}
            onInput={({ currentTarget }) => {
              search.value = currentTarget.value;
            }}
          />
          <span class="key" aria-hidden="true">
            /
          </span>
        </label>
        <ViewChoice />
      </Head>
      <RunningNow />
      <StateStrip hosts={found} only={onlyState} />
      {shown.length === 0 ? (
        <Empty icon="search" title={say(texts.nothingFound)}>
          <p>{say(texts.nothingFoundHow)}</p>
          <button
            type="button"
            class="button"
            onClick={() => {
              search.value = "";
              onlyState.value = undefined;
            }}
          >
            {say(texts.showAll)}
          </button>
        </Empty>
      ) : (
        groups.map(({ name, hosts }) => (
          <section key={name ?? ""} class="group" aria-label={name ?? say(texts.ungrouped)}>
            <GroupHead name={name} hosts={hosts} isOnly={groups.length === 1} />
            {view.value === "tiles" ? <HostTiles hosts={hosts} inRoom={shown.length} /> : <HostRows hosts={hosts} />}
          </section>
        ))
      )}
      {isOperator.value && <SelectionBar />}
    </>
  );
}

function GroupHead({ name, hosts, isOnly }: { name: string | null; hosts: readonly HostBody[]; isOnly: boolean }) {
  const chosen = new Set(selectedHosts.value.map(({ id }) => id));
  const isAll = hosts.every(({ id }) => chosen.has(id));
  return (
    <div class="group-head">
      {!(isOnly && name === null) && (
        <h2>
          {name ?? say(texts.ungrouped)} <span class="muted">{hosts.length}</span>
        </h2>
      )}
      {isOperator.value && (
        <label class="check">
          <input
            type="checkbox"
            checked={isAll}
            onChange={({ currentTarget }) =>
              select(
                hosts.map(({ id }) => id),
                currentTarget.checked,
              )
            }
          />
          <span>{say(texts.selectShown(hosts.length))}</span>
        </label>
      )}
    </div>
  );
}

const views = ["tiles", "rows"] as const;

function ViewChoice() {
  return (
    <Segments
      name={say(texts.view)}
      value={view.value}
      options={views.map((one) => [one, say(texts[one])])}
      hasIcons
      onChange={(one) => {
        view.value = one;
      }}
    />
  );
}
