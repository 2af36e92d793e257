import type { DoctorBody } from "../../../api/doctor-routes.ts";
import { send } from "../api.ts";
import { Head } from "../parts/head.tsx";
import { Icon } from "../parts/icon.tsx";
import { Command, Empty, Loading, Problem } from "../parts/notice.tsx";
import { State } from "../parts/state.tsx";
import { as, say } from "../preferences.ts";
import { doctor, isOperator, nowMs } from "../store.ts";
import { texts } from "../texts.ts";
import { useAttempt } from "../use-attempt.ts";

type Line = DoctorBody["lines"][number];

/** What somebody should mend, each with how: the same list as `bootcast doctor`. */
export function RepairsPage() {
  const { refusal, isBusy: isLooking, attempt } = useAttempt();
  const report = doctor.value.value;
  const look = async () => {
    doctor.value.value = await send<DoctorBody>("POST", "/doctor");
  };
  if (report === undefined) {
    const failed = doctor.refusal.value;
    return failed === undefined ? <Loading /> : <Problem fault={failed} onRetry={() => doctor.refresh()} />;
  }
  const troubles = report.lines
    .filter(({ status }) => status === "fail" || status === "warn")
    .toSorted((one, other) => Number(other.status === "fail") - Number(one.status === "fail"));
  return (
    <>
      <Head title={say(texts.repairs)} note={say(texts.checked(as.ago(nowMs.value - report.atMs)))}>
        {isOperator.value && (
          <button type="button" class="button" disabled={isLooking} onClick={() => void attempt(look)}>
            <Icon name="turn" /> {say(isLooking ? texts.looking : texts.lookAgain)}
          </button>
        )}
      </Head>
      {refusal !== undefined && <Problem fault={refusal} />}
      {troubles.length === 0 ? (
        <Empty icon="tick" title={say(texts.allWell)}>
          <p>{say(texts.allWellHow)}</p>
        </Empty>
      ) : (
        <ul class="troubles">
          {troubles.map((line) => (
            <Trouble key={`${line.area} ${line.probe} ${line.detail}`} line={line} />
          ))}
        </ul>
      )}
      <Rest lines={report.lines.filter(({ status }) => status === "ok" || status === "skip")} />
    </>
  );
}

function Trouble({ line }: { line: Line }) {
  const isBad = line.status === "fail";
  return (
    <li class={`card trouble ${isBad ? "trouble-bad" : ""}`}>
      <div>
        <p class="trouble-head">
          <State state={isBad ? "failed" : "waiting"} word={say(texts.findingWords[line.status])} />
          <span class="muted">
            {say(texts.areas[line.area])} · {line.probe}
          </span>
        </p>
        <h2>{line.detail}</h2>
        {line.fix !== undefined && (
          <p>
            <strong>{say(texts.whatToDo)}:</strong> {line.fix}
          </p>
        )}
      </div>
    </li>
  );
}

/** What is in order, folded away: it is there for who wants to know what was looked at. */
function Rest({ lines }: { lines: readonly Line[] }) {
  if (lines.length === 0) return null;
  const good = lines.filter(({ status }) => status === "ok").length;
  return (
    <details class="card more">
      <summary>{say(texts.inOrder(good))}</summary>
      <ul class="lines">
        {lines.map((line) => (
          <li key={`${line.area} ${line.probe} ${line.detail}`} class="line">
            <State state={line.status === "ok" ? "done" : "offline"} word={say(texts.findingWords[line.status])} />
            <span class="line-words">
              {line.detail}
              <span class="sub">
                {say(texts.areas[line.area])} · {line.probe}
              </span>
            </span>
          </li>
        ))}
      </ul>
      <Command>bootcast doctor</Command>
    </details>
  );
}
