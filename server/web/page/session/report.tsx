import type { SessionBody } from "../../../api/schemas.ts";
import { formatClock } from "../format.ts";
import { Fact } from "../parts/fact.tsx";
import { Mark } from "../parts/icon.tsx";
import { as, say } from "../preferences.ts";
import { figuresOf, troubleFirst } from "../session-figures.ts";
import { hosts, nowMs } from "../store.ts";
import { texts } from "../texts.ts";
import { useImageDetail } from "../use-image-detail.ts";

/** On paper only: what was done to which machine, for the folder in the cupboard. */
export function Report({ session }: { session: SessionBody }) {
  const known = new Map((hosts.value.value ?? []).map((host) => [host.id, host]));
  const { done, failed, all } = figuresOf(session);
  const detail = useImageDetail(session.image, session.imageVersion);
  return (
    <section class="report" aria-hidden="true">
      <header>
        <Mark />
        <div>
          <h2>
            {say(texts.report)}: {say(texts.session(session.id))}
          </h2>
          <p>{as.date(nowMs.peek())}</p>
        </div>
      </header>
      <dl class="numbers">
        <Fact name={say(texts.image)}>
          {session.image} v{session.imageVersion}
        </Fact>
        {detail !== undefined && (
          <div>
            <dt>{say(texts.hash)}</dt>
            <dd class="report-hash">{detail.manifestDigest}</dd>
          </div>
        )}
        <Fact name={say(texts.started)}>{as.date(session.createdAtMs)}</Fact>
        <Fact name={say(texts.ended)}>{session.endedAtMs === null ? "–" : as.date(session.endedAtMs)}</Fact>
        <Fact name={say(texts.result)}>
          {say(texts.ofHosts(done, all))}
          {failed > 0 && `, ${say(texts.failedCount(failed))}`}
        </Fact>
      </dl>
      <table class="table">
        <thead>
          <tr>
            <th>{say(texts.host)}</th>
            <th>{say(texts.model)}</th>
            <th>{say(texts.serial)}</th>
            <th>{say(texts.mac)}</th>
            <th>{say(texts.duration)}</th>
            <th>{say(texts.result)}</th>
          </tr>
        </thead>
        <tbody>
          {troubleFirst(session.hosts).map(({ id, name, order, fault, totalMs }) => (
            <tr key={id}>
              <th>{name}</th>
              <td>{known.get(id)?.model}</td>
              <td>{known.get(id)?.serial}</td>
              <td>{known.get(id)?.mac}</td>
              <td>{totalMs === 0 ? "" : formatClock(totalMs)}</td>
              <td>
                {say(texts.orderWords[order])}
                {fault !== null && `: ${fault.what} [${fault.code}]`}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
