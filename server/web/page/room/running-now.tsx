import type { ListedSessionBody } from "../../../api/schemas.ts";
import { Icon } from "../parts/icon.tsx";
import { Bar } from "../parts/state.tsx";
import { as, say } from "../preferences.ts";
import { hashOf } from "../route.ts";
import { listedFigures } from "../session-figures.ts";
import { sessions } from "../store.ts";
import { texts } from "../texts.ts";

/** What goes on: a line for each session, with the number that everybody asks for. */
export function RunningNow() {
  const running = (sessions.value.value ?? []).filter(({ state }) => state === "active");
  if (running.length === 0) return null;
  return (
    <section class="running" aria-label={say(texts.runningNow)}>
      {running.map((session) => (
        <SessionCard key={session.id} session={session} />
      ))}
    </section>
  );
}

/** A session in one card that leads to it. */
export function SessionCard({ session }: { session: ListedSessionBody }) {
  const figures = listedFigures(session);
  const image = session.imageVersion === 0 ? session.image : `${session.image} v${session.imageVersion}`;
  return (
    <a class="card session-card" href={hashOf({ page: "session", id: session.id })}>
      <div class="session-card-head">
        <span class={`kind kind-${session.kind}`}>
          <Icon name={session.kind === "capture" ? "up" : "sessions"} size={20} />
        </span>
        <span class="session-card-words">
          <strong>{image}</strong>
          <span class="muted">
            {session.to === "any" ? say(texts.anyHost) : say(texts.ofHosts(figures.done, figures.all))}
            {figures.failed > 0 && <span class="bad"> · {say(texts.failedCount(figures.failed))}</span>}
          </span>
        </span>
        <span class="session-card-percent">{as.percent(figures.percent)}</span>
        <Icon name="next" />
      </div>
      <Bar percent={figures.percent} label={say(texts.progressOf(image))} />
      <p class="session-card-foot">
        {figures.waitingFor === "" ? (
          <>
            <span>{as.rate(figures.rateBytesPerSecond)}</span>
            <span>
              {say(texts.loss)} {as.share(figures.lossShare)}
            </span>
          </>
        ) : (
          <span class="care">
            <Icon name="hourglass" size={16} /> {say(texts.waitsFor(figures.waitingFor))}
          </span>
        )}
      </p>
    </a>
  );
}
