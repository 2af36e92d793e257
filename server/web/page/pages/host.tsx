import { useSignal } from "@preact/signals";
import { useState } from "preact/hooks";
import type { TraceBody } from "../../../api/boot-schemas.ts";
import type { HostBootBody } from "../../../api/host-boot-routes.ts";
import type { HostBody, InventoryHistoryBody } from "../../../api/host-schemas.ts";
import type { EventBody } from "../../../api/schemas.ts";
import { get, type Refusal, send } from "../api.ts";
import { CaptureDialog } from "../deploy/capture-dialog.tsx";
import { deployWish } from "../deploy/wish.ts";
import { AgentLog } from "../parts/agent-log.tsx";
import { Confirm } from "../parts/dialog.tsx";
import { EventList } from "../parts/event-list.tsx";
import { Field } from "../parts/fields.tsx";
import { FormDialog } from "../parts/form-dialog.tsx";
import { Head } from "../parts/head.tsx";
import { Icon } from "../parts/icon.tsx";
import { Loading, Problem, refusalOf } from "../parts/notice.tsx";
import { Bar, State } from "../parts/state.tsx";
import { as, say } from "../preferences.ts";
import { noteOf, seenWords } from "../room/host-tiles.tsx";
import { isMoving, lookOf } from "../states.ts";
import { hosts, isOperator, nowMs } from "../store.ts";
import type { Text } from "../texts/language.ts";
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

function HostHead({ host }: { host: HostBody }) {
  const open = useSignal<"rename" | "forget" | "capture" | undefined>(undefined);
  const refusal = useSignal<Refusal | undefined>(undefined);
  const close = () => {
    open.value = undefined;
  };
  const forget = async () => {
    close();
    try {
      await send("DELETE", `/hosts/${encodeURIComponent(host.id)}`);
      hosts.refresh();
      location.hash = "#/";
    } catch (error) {
      refusal.value = refusalOf(error);
    }
  };
  return (
    <>
      <Head title={host.name} note={[host.vendor, host.model].filter(Boolean).join(" ")}>
        {isOperator.value && (
          <>
            <button
              type="button"
              class="button button-main"
              onClick={() => {
                deployWish.value = { hostIds: [host.id] };
              }}
            >
              <Icon name="down" /> {say(texts.deploy)}
            </button>
            <button
              type="button"
              class="button"
              onClick={() => {
                open.value = "capture";
              }}
            >
              <Icon name="up" /> {say(texts.capture)}
            </button>
            <button
              type="button"
              class="button"
              onClick={() => {
                open.value = "rename";
              }}
            >
              {say(texts.rename)}
            </button>
            <button
              type="button"
              class="button"
              onClick={() => {
                open.value = "forget";
              }}
            >
              {say(texts.forget)}
            </button>
          </>
        )}
      </Head>
      {refusal.value !== undefined && <Problem fault={refusal.value} />}
      {open.value === "rename" && <Rename host={host} onClose={close} />}
      {open.value === "capture" && <CaptureDialog hostId={host.id} onClose={close} />}
      {open.value === "forget" && (
        <Confirm
          title={say(texts.forgetTitle(host.name))}
          what={say(texts.forgetWhat)}
          doIt={say(texts.forgetNow)}
          onClose={close}
          onDo={forget}
        />
      )}
    </>
  );
}

function Rename({ host, onClose }: { host: HostBody; onClose: () => void }) {
  const [name, setName] = useState(host.name);
  const [note, setNote] = useState(host.note ?? "");
  const save = async () => {
    await send("PATCH", `/hosts/${encodeURIComponent(host.id)}`, {
      ...(name === host.name ? {} : { name }),
      note: note === "" ? null : note,
    });
    hosts.refresh();
    onClose();
  };
  return (
    <FormDialog title={say(texts.rename)} doIt={say(texts.save)} isReady={name !== ""} onClose={onClose} onDo={save}>
      <Field name={say(texts.name)} value={name} onInput={setName} isRequired />
      <Field name={say(texts.note)} value={note} onInput={setNote} />
    </FormDialog>
  );
}

function Facts({ host, boot }: { host: HostBody; boot: HostBootBody | undefined }) {
  const words: Readonly<Record<string, Text>> = texts.bootWords;
  const boots = boot === undefined ? undefined : words[boot.boots];
  return (
    <section class="card" aria-label={say(texts.facts)}>
      <h2>{say(texts.facts)}</h2>
      <dl class="facts">
        <Fact name={texts.mac} value={host.mac} isCode />
        <Fact name={texts.serial} value={host.serial} isCode />
        <Fact name={texts.vendor} value={host.vendor} />
        <Fact name={texts.model} value={host.model} />
        <Fact name={texts.memory} value={as.bytes(host.memoryBytes)} />
        <Fact name={texts.firmware} value={host.firmware.toUpperCase()} />
        {boots !== undefined && <Fact name={texts.bootsNow} value={say(boots)} />}
        <Fact name={texts.diskRule} value={host.diskRule ?? say(texts.diskRuleDefault)} />
        <Fact name={texts.lastSeen} value={seenWords(host.lastSeenMs)} />
        {host.group !== null && <Fact name={texts.groupName} value={host.group} />}
        {host.labels.length > 0 && <Fact name={texts.labels} value={host.labels.join(", ")} />}
        {host.note !== null && <Fact name={texts.note} value={host.note} />}
        <Fact name={texts.firstSeen} value={as.date(host.firstSeenMs)} />
      </dl>
      <h3>{say(texts.disks)}</h3>
      <ul class="disks">
        {host.disks.map((disk) => (
          <li key={disk.path}>
            <strong>{disk.path}</strong>
            <span>{as.bytes(disk.sizeBytes)}</span>
            <span class="muted">{[disk.transport, disk.model, disk.serial].filter(Boolean).join(" · ")}</span>
            {disk.failing !== undefined && <span class="bad">{say(texts.failing(disk.failing))}</span>}
            {disk.holds !== undefined && (
              <span class="sub">
                {disk.holds.length === 0
                  ? say(texts.empty)
                  : disk.holds.map(({ kind, label }) => (label === "" ? kind : `${kind} “${label}”`)).join(", ")}
              </span>
            )}
          </li>
        ))}
        {host.disks.length === 0 && <li class="muted">{say(texts.noDisk)}</li>}
      </ul>
    </section>
  );
}

function Fact({ name, value, isCode = false }: { name: Text; value: string; isCode?: boolean }) {
  const shown = value === "" ? say(texts.unknown) : value;
  return (
    <div>
      <dt>{say(name)}</dt>
      <dd>{isCode && value !== "" ? <code>{shown}</code> : shown}</dd>
    </div>
  );
}

/** What was put in, taken out or exchanged; nothing as long as it is the same machine. */
function Changes({ id }: { id: string }) {
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

/** What it asked for while it booted, and what it was given: the end of it. */
function BootLog({ id }: { id: string }) {
  const trace = useLive(
    `trace ${id}`,
    async () =>
      (await get<TraceBody>(`/boot/trace?host=${encodeURIComponent(id)}&boot=last&limit=10000`)).entries.slice(-200),
    { wants: ({ hostId }) => hostId === id, isPolled: () => true },
  );
  const entries = trace.value.value;
  return (
    <section class="card" aria-label={say(texts.console)}>
      <h2>{say(texts.console)}</h2>
      {entries === undefined ? (
        <Loading />
      ) : entries.length === 0 ? (
        <p class="muted">{say(texts.consoleEmpty)}</p>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it.
        <ol class="console" tabIndex={0}>
          {entries.map((entry) => (
            <li key={entry.id} class={entry.isRefusal === true ? "console-bad" : ""}>
              <time>{as.time(entry.atMs, nowMs.peek())}</time> <b>{entry.service}</b> {entry.asked}
              {entry.answered !== undefined && ` → ${entry.answered}`}
              {entry.reason !== undefined && ` (${entry.reason})`}
              {entry.times !== undefined && entry.times > 1 && ` ×${entry.times}`}
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}
