import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { DeployRequestBody, EventBody, SessionBody } from "../../../api/schemas.ts";
import { get, type Refusal, send } from "../api.ts";
import { deployWish } from "../deploy/wish.ts";
import { Estimate } from "../estimate.ts";
import { formatClock } from "../format.ts";
import { Chart } from "../parts/chart.tsx";
import { Confirm } from "../parts/dialog.tsx";
import { EventList } from "../parts/event-list.tsx";
import { Head } from "../parts/head.tsx";
import { Icon } from "../parts/icon.tsx";
import { Loading, Problem, refusalOf } from "../parts/notice.tsx";
import { Bar, State } from "../parts/state.tsx";
import { as, say } from "../preferences.ts";
import { hashOf } from "../route.ts";
import { Report } from "../session/report.tsx";
import { canStart, figuresOf, hostPercent, type SessionFigures } from "../session-figures.ts";
import { lookOf } from "../states.ts";
import { isOperator, nowMs, sessions } from "../store.ts";
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

function imageOf({ image, imageVersion }: SessionBody): string {
  return imageVersion === 0 ? image : `${image} v${imageVersion}`;
}

function SessionHead({ session, onChanged }: { session: SessionBody; onChanged: () => void }) {
  const isStopping = useSignal(false);
  const refusal = useSignal<Refusal | undefined>(undefined);
  const failed = session.hosts.filter(({ order }) => order === "failed");
  const to = session.to === "any" ? say(texts.anyHost) : (session.target ?? say(texts.hosts(session.hosts.length)));
  const attempt = async (work: () => Promise<unknown>) => {
    refusal.value = undefined;
    try {
      await work();
      onChanged();
      sessions.refresh();
    } catch (error) {
      refusal.value = refusalOf(error);
    }
  };
  const stop = async () => {
    isStopping.value = false;
    await attempt(() => send("POST", `/sessions/${session.id}/stop`));
  };
  const startNow = () => attempt(() => send("POST", `/sessions/${session.id}/start`));
  const retry = () =>
    attempt(async () => {
      const again = await get<DeployRequestBody>(`/sessions/${session.id}/retry`);
      deployWish.value = { hostIds: failed.map(({ id }) => id), again };
    });
  return (
    <>
      <Head
        title={`${say(texts.session(session.id))}`}
        note={`${say(texts.kinds[session.kind])} · ${imageOf(session)} · ${to}`}
      >
        {isOperator.value && failed.length > 0 && session.kind === "deploy" && (
          <button type="button" class="button" onClick={() => void retry()}>
            <Icon name="turn" /> {say(texts.retryFailed(failed.length))}
          </button>
        )}
        {isOperator.value && canStart(session) && (
          <button type="button" class="button button-main" onClick={() => void startNow()}>
            <Icon name="play" /> {say(texts.startNow)}
          </button>
        )}
        <button type="button" class="button" onClick={() => print()}>
          <Icon name="print" /> {say(texts.printReport)}
        </button>
        {isOperator.value && session.state === "active" && (
          <button
            type="button"
            class="button button-danger-quiet"
            onClick={() => {
              isStopping.value = true;
            }}
          >
            <Icon name="stop" /> {say(texts.stop)}
          </button>
        )}
      </Head>
      {refusal.value !== undefined && <Problem fault={refusal.value} />}
      {isStopping.value && (
        <Confirm
          title={say(texts.stopTitle(session.id))}
          what={say(texts.stopWhat)}
          doIt={say(texts.stopNow)}
          keep={say(texts.keepOn)}
          onClose={() => {
            isStopping.value = false;
          }}
          onDo={stop}
        />
      )}
    </>
  );
}

/** It stopped by itself: a person looks, and goes on or gives up. */
function Halted({ session, onChanged }: { session: SessionBody; onChanged: () => void }) {
  const refusal = useSignal<Refusal | undefined>(undefined);
  if (session.halted === null || session.state !== "active") return null;
  const goOn = async () => {
    try {
      await send("POST", `/sessions/${session.id}/start`);
      onChanged();
    } catch (error) {
      refusal.value = refusalOf(error);
    }
  };
  return (
    <>
      {refusal.value !== undefined && <Problem fault={refusal.value} />}
      <section class="card care-card halted no-print" aria-label={say(texts.halted)}>
        <Icon name="pause" size={28} />
        <div>
          <h2>{session.halted.what}</h2>
          <p>{session.halted.why}</p>
          <p>
            <strong>{say(texts.whatToDo)}:</strong> {session.halted.fix}
          </p>
        </div>
        {isOperator.value && (
          <button type="button" class="button" onClick={() => void goOn()}>
            <Icon name="play" /> {say(texts.goOn)}
          </button>
        )}
      </section>
    </>
  );
}

type FiguresProps = {
  session: SessionBody;
  figures: SessionFigures;
  rates: readonly number[];
  leftMs: number | undefined;
};

function Figures({ session, figures, rates, leftMs }: FiguresProps) {
  const isActive = session.state === "active";
  const tookMs = (session.endedAtMs ?? nowMs.value) - session.createdAtMs;
  return (
    <section class="card figures no-print" aria-label={say(texts.progress)}>
      <div class="figures-main">
        <span class="figures-percent">
          {as.percent(isActive ? figures.percent : figures.all === 0 ? 0 : (figures.done * 100) / figures.all)}
        </span>
        <span class="figures-words">
          {isActive ? (
            <State
              state={session.halted === null ? "receiving" : "waiting"}
              word={say(session.halted === null ? texts.sessionStates.active : texts.halted)}
            />
          ) : (
            <State
              state={session.state === "cancelled" ? "offline" : figures.failed > 0 ? "failed" : "done"}
              word={say(texts.sessionStates[session.state])}
            />
          )}
          <span>
            {say(texts.ofHosts(figures.done, figures.all))}
            {figures.failed > 0 && <span class="bad"> · {say(texts.failedCount(figures.failed))}</span>}
          </span>
        </span>
      </div>
      <Bar
        percent={isActive ? figures.percent : figures.all === 0 ? 0 : (figures.done * 100) / figures.all}
        label={say(texts.progressOf(say(texts.session(session.id))))}
        tone={isActive ? "busy" : figures.failed > 0 ? "bad" : "good"}
      />
      {isActive && session.startedAtMs === null && session.startAtMs !== null && (
        <p class="care figures-wait">
          <Icon name="schedule" /> {say(texts.beginsAt(as.date(session.startAtMs)))}
        </p>
      )}
      {isActive && figures.waitingFor !== "" && (
        <p class="care figures-wait">
          <Icon name="hourglass" /> {say(texts.waitsFor(figures.waitingFor))}
        </p>
      )}
      <dl class="numbers">
        {isActive && (
          <>
            <Fact name={say(texts.rate)} value={as.rate(figures.rateBytesPerSecond)} />
            <Fact name={say(texts.loss)} value={as.share(figures.lossShare)} />
            <Fact name={say(texts.timeLeft)} value={leftMs === undefined ? "–" : formatClock(leftMs)} />
          </>
        )}
        <Fact name={say(texts.duration)} value={formatClock(tookMs)} />
        {isActive && <Fact name={say(texts.sent)} value={as.bytes(figures.sentBytes)} />}
        {isActive && session.streams.length > 0 && (
          <div class="numbers-chart">
            <dt>{say(texts.rateOver)}</dt>
            <dd>
              <Chart values={rates} label={`${say(texts.rateOver)}: ${as.rate(figures.rateBytesPerSecond)}`} />
            </dd>
          </div>
        )}
      </dl>
      {session.streams.map(({ figures: stream }) =>
        stream.rateWhy === "" ? null : (
          <p key={stream.streamId} class="muted">
            {stream.rateWhy}
          </p>
        ),
      )}
    </section>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

/** Who is slow, and why: the reason is never left to guessing. */
function Stragglers({ session }: { session: SessionBody }) {
  const found = session.hosts.filter(({ slow }) => slow !== "");
  if (found.length === 0) return null;
  return (
    <section class="card care-card no-print" aria-label={say(texts.stragglers)}>
      <h2>
        <Icon name="hourglass" /> {say(texts.stragglers)}
      </h2>
      <ul>
        {found.map(({ id, name, slow }) => (
          <li key={id}>
            <strong>{name}</strong>: {slow}
          </li>
        ))}
      </ul>
    </section>
  );
}

function SessionHosts({ session }: { session: SessionBody }) {
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
          {session.hosts.map((host) => {
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
