import type { ListedSessionBody } from "../../../api/schemas.ts";
import { Head } from "../parts/head.tsx";
import { Empty, Loading, Problem } from "../parts/notice.tsx";
import { State } from "../parts/state.tsx";
import { as, say } from "../preferences.ts";
import { SessionCard } from "../room/running-now.tsx";
import { hashOf } from "../route.ts";
import { listedFigures } from "../session-figures.ts";
import { sessions } from "../store.ts";
import { texts } from "../texts.ts";

/** What runs, and what ran. */
export function SessionsPage() {
  const found = sessions.value.value;
  if (found === undefined) {
    const refusal = sessions.refusal.value;
    return refusal === undefined ? <Loading /> : <Problem fault={refusal} onRetry={() => sessions.refresh()} />;
  }
  const running = found.filter(({ state }) => state === "active");
  const over = found.filter(({ state }) => state !== "active");
  return (
    <>
      <Head title={say(texts.sessions)} />
      {found.length === 0 && (
        <Empty icon="sessions" title={say(texts.sessionsEmpty)}>
          <p>{say(texts.sessionsEmptyHow)}</p>
          <a class="button button-main" href="#/">
            {say(texts.toRoom)}
          </a>
        </Empty>
      )}
      {running.length > 0 && (
        <section class="running" aria-label={say(texts.runningNow)}>
          {running.map((session) => (
            <SessionCard key={session.id} session={session} />
          ))}
        </section>
      )}
      {over.length > 0 && (
        <div class="table-frame">
          <table class="table">
            <thead>
              <tr>
                <th scope="col">{say(texts.session("")).trim()}</th>
                <th scope="col">{say(texts.image)}</th>
                <th scope="col">{say(texts.result)}</th>
                <th scope="col" class="wide">
                  {say(texts.begun)}
                </th>
                <th scope="col" class="wide">
                  {say(texts.duration)}
                </th>
              </tr>
            </thead>
            <tbody>
              {over.map((session) => (
                <Over key={session.id} session={session} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}

function Over({ session }: { session: ListedSessionBody }) {
  const { done, failed, all } = listedFigures(session);
  const state = session.state === "cancelled" ? "offline" : failed > 0 ? "failed" : "done";
  const word = session.state === "cancelled" ? say(texts.sessionStates.cancelled) : say(texts.ofHosts(done, all));
  return (
    <tr>
      <th scope="row">
        <a href={hashOf({ page: "session", id: session.id })}>{session.id}</a>
      </th>
      <td>
        {session.image}
        {session.imageVersion > 0 && ` v${session.imageVersion}`}
        <span class="sub">{say(texts.kinds[session.kind])}</span>
      </td>
      <td>
        <State state={state} word={word} />
      </td>
      <td class="wide">{as.date(session.createdAtMs)}</td>
      <td class="wide">{session.endedAtMs === null ? "" : as.span(session.endedAtMs - session.createdAtMs)}</td>
    </tr>
  );
}
