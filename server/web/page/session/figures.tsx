import type { SessionBody } from "../../../api/schemas.ts";
import { formatClock } from "../format.ts";
import { Chart } from "../parts/chart.tsx";
import { Fact } from "../parts/fact.tsx";
import { Icon } from "../parts/icon.tsx";
import { Bar, State } from "../parts/state.tsx";
import { as, say } from "../preferences.ts";
import type { SessionFigures } from "../session-figures.ts";
import { nowMs } from "../store.ts";
import { texts } from "../texts.ts";

type FiguresProps = {
  session: SessionBody;
  figures: SessionFigures;
  rates: readonly number[];
  leftMs: number | undefined;
};

/** The numbers that everybody asks for. */
export function Figures({ session, figures, rates, leftMs }: FiguresProps) {
  const isActive = session.state === "active";
  const percent = isActive ? figures.percent : figures.all === 0 ? 0 : (figures.done * 100) / figures.all;
  const tookMs = (session.endedAtMs ?? nowMs.value) - session.createdAtMs;
  return (
    <section class="card figures no-print" aria-label={say(texts.progress)}>
      <div class="figures-main">
        <span class="figures-percent">{as.percent(percent)}</span>
        <span class="figures-words">
          {isActive ? (
            <State
              state={session.halted === null ? "receiving" : "waiting"}
              word={say(session.halted === null ? texts.sessionStates.active : texts.halted)}
            />
          ) : (
            <State
              state={
                session.state === "cancelled" ? "offline" : figures.failed > 0 && figures.done === 0 ? "failed" : "done"
              }
              word={say(texts.sessionStates[session.state])}
            />
          )}
          <span>
            {say(texts.ofHosts(figures.done, figures.all))}
            {figures.failed > 0 && <span class="bad"> · {say(texts.failedCount(figures.failed))}</span>}
          </span>
        </span>
      </div>
      {isActive ? (
        <Bar percent={percent} label={say(texts.progressOf(say(texts.session(session.id))))} />
      ) : (
        <Outcome figures={figures} />
      )}
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
            <Fact name={say(texts.rate)}>{as.rate(figures.rateBytesPerSecond)}</Fact>
            <Fact name={say(texts.loss)}>{as.share(figures.lossShare)}</Fact>
            <Fact name={say(texts.timeLeft)}>{leftMs === undefined ? "–" : formatClock(leftMs)}</Fact>
          </>
        )}
        <Fact name={say(texts.duration)}>{formatClock(tookMs)}</Fact>
        {isActive && <Fact name={say(texts.sent)}>{as.bytes(figures.sentBytes)}</Fact>}
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
            {say(texts.rate)}: {stream.rateWhy}
          </p>
        ),
      )}
    </section>
  );
}

/** How it ended, as a bar: so many are done, so many failed, and the rest was not begun. */
function Outcome({ figures: { done, failed, all } }: { figures: SessionFigures }) {
  const parts = [
    ["good", done],
    ["bad", failed],
    ["quiet", all - done - failed],
  ] as const;
  return (
    // The numbers stand beside it.
    <div class="strip-bar" aria-hidden="true">
      {parts.map(([tone, count]) =>
        count === 0 ? null : <div key={tone} class={`strip-part tone-${tone}`} style={{ flexGrow: count }} />,
      )}
    </div>
  );
}
