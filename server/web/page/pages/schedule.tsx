import { useState } from "preact/hooks";
import type { ScheduleBody } from "../../../api/schedule-schemas.ts";
import { send } from "../api.ts";
import { Confirm } from "../parts/dialog.tsx";
import { Fact } from "../parts/fact.tsx";
import { Head } from "../parts/head.tsx";
import { Icon } from "../parts/icon.tsx";
import { Empty, Loading, Problem } from "../parts/notice.tsx";
import { State } from "../parts/state.tsx";
import { as, language, say } from "../preferences.ts";
import { hashOf } from "../route.ts";
import { AddSchedule } from "../schedule/add-schedule.tsx";
import { daysOf, weekOf } from "../schedule-times.ts";
import { isOperator, nowMs, schedules } from "../store.ts";
import { texts } from "../texts.ts";
import { useAttempt } from "../use-attempt.ts";

/** What is ordered by itself: the week, and each schedule with its last and next times. */
export function SchedulePage() {
  const [isAdding, setAdding] = useState(false);
  const found = schedules.value.value;
  if (found === undefined) {
    const refusal = schedules.refusal.value;
    return refusal === undefined ? <Loading /> : <Problem fault={refusal} onRetry={() => schedules.refresh()} />;
  }
  const add = isOperator.value && (
    <button type="button" class="button button-main" onClick={() => setAdding(true)}>
      <Icon name="plus" /> {say(texts.addSchedule)}
    </button>
  );
  return (
    <>
      <Head title={say(texts.schedule)}>{found.length > 0 && add}</Head>
      {found.length === 0 ? (
        <Empty icon="schedule" title={say(texts.scheduleEmpty)}>
          <p>{say(texts.scheduleEmptyHow)}</p>
          {add}
        </Empty>
      ) : (
        <>
          <Week found={found} />
          {found.map((schedule) => (
            <ScheduleCard key={schedule.name} schedule={schedule} />
          ))}
        </>
      )}
      {isAdding && <AddSchedule onClose={() => setAdding(false)} />}
    </>
  );
}

function Week({ found }: { found: readonly ScheduleBody[] }) {
  const due = found
    .filter(({ isPaused }) => !isPaused)
    .flatMap(({ name, next }) =>
      next.map(({ dueAtMs, refused }) => ({ name, dueAtMs, isRefused: refused !== undefined })),
    );
  // Once a minute is often enough.
  const minuteMs = Math.floor(nowMs.value / 60_000) * 60_000;
  return (
    <section class="card" aria-label={say(texts.week)}>
      <h2>{say(texts.week)}</h2>
      <ol class="week">
        {weekOf(due, minuteMs).map((day) => (
          <li key={day.atMs} class="day">
            <p class="day-name">
              {new Date(day.atMs).toLocaleDateString(language.value, { weekday: "short", day: "numeric" })}
            </p>
            {day.due.map(({ name, dueAtMs, isRefused }) => (
              <p key={`${name} ${dueAtMs}`} class={isRefused ? "due due-not" : "due"}>
                <b>{new Date(dueAtMs).toLocaleTimeString(language.value, { timeStyle: "short", hour12: false })}</b>{" "}
                {name}
              </p>
            ))}
          </li>
        ))}
      </ol>
    </section>
  );
}

function ScheduleCard({ schedule }: { schedule: ScheduleBody }) {
  const [isRemoving, setRemoving] = useState(false);
  const { refusal, attempt } = useAttempt();
  const { name, isPaused, deploy, next, runs } = schedule;
  const path = `/schedules/${encodeURIComponent(name)}`;
  const change = (work: () => Promise<unknown>) =>
    void attempt(async () => {
      await work();
      schedules.refresh();
    });
  const first = next.find(({ refused }) => refused === undefined);
  return (
    <section class="card schedule" aria-label={name}>
      <div class="card-head">
        <div>
          <h2>
            {name} {isPaused && <span class="pill pill-care">{say(texts.paused)}</span>}
          </h2>
          <p class="muted">
            {timesOf(schedule)} · {deploy.image} → {deploy.to === "any" ? say(texts.anyHost) : deploy.to.join(" ")}
          </p>
        </div>
        {isOperator.value && (
          <div class="head-actions">
            <button
              type="button"
              class="button"
              aria-label={`${say(isPaused ? texts.resume : texts.pause)} (${name})`}
              onClick={() => change(() => send("PATCH", path, { isPaused: !isPaused }))}
            >
              <Icon name={isPaused ? "play" : "pause"} /> {say(isPaused ? texts.resume : texts.pause)}
            </button>
            <button
              type="button"
              class="button"
              aria-label={`${say(texts.remove)} (${name})`}
              onClick={() => setRemoving(true)}
            >
              {say(texts.remove)}
            </button>
          </div>
        )}
      </div>
      {refusal !== undefined && <Problem fault={refusal} />}
      <dl class="facts">
        <Fact name={say(texts.nextRuns)}>{isPaused || first === undefined ? "–" : as.date(first.dueAtMs)}</Fact>
        <Fact name={say(texts.lastRuns)}>{runs.length === 0 ? say(texts.noRuns) : <Runs runs={runs} />}</Fact>
      </dl>
      {isRemoving && (
        <Confirm
          title={say(texts.removeTitle(name))}
          what={say(texts.removeScheduleWhat)}
          doIt={say(texts.removeNow)}
          onClose={() => setRemoving(false)}
          onDo={() => {
            setRemoving(false);
            change(() => send("DELETE", path));
          }}
        />
      )}
    </section>
  );
}

function Runs({ runs }: { runs: ScheduleBody["runs"] }) {
  return (
    <ul>
      {runs.map((run) => (
        <li key={run.dueAtMs}>
          <State state={run.state === "done" ? "done" : run.state === "failed" ? "failed" : "idle"} word={run.state} />{" "}
          {run.deployId === null ? (
            as.date(run.dueAtMs)
          ) : (
            <a href={hashOf({ page: "session", id: run.deployId })}>{as.date(run.dueAtMs)}</a>
          )}
          {run.why !== "" && <span class="sub">{run.why}</span>}
        </li>
      ))}
    </ul>
  );
}

function timesOf({ cron, timeZone }: ScheduleBody): string {
  const known = daysOf(cron);
  return known === undefined
    ? `${cron} (${timeZone})`
    : `${say(texts.dayWords[known.days])}, ${known.time} (${timeZone})`;
}
