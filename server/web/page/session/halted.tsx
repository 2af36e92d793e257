import type { SessionBody } from "../../../api/schemas.ts";
import { send } from "../api.ts";
import { Icon } from "../parts/icon.tsx";
import { Problem } from "../parts/notice.tsx";
import { say } from "../preferences.ts";
import { isOperator } from "../store.ts";
import { texts } from "../texts.ts";
import { useAttempt } from "../use-attempt.ts";

/** It stopped by itself: a person looks, and goes on or gives up. */
export function Halted({ session, onChanged }: { session: SessionBody; onChanged: () => void }) {
  const { refusal, attempt } = useAttempt();
  if (session.halted === null || session.state !== "active") return null;
  const goOn = async () => {
    await send("POST", `/sessions/${session.id}/start`);
    onChanged();
  };
  return (
    <>
      {refusal !== undefined && <Problem fault={refusal} />}
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
          <button type="button" class="button" onClick={() => void attempt(goOn)}>
            <Icon name="play" /> {say(texts.goOn)}
          </button>
        )}
      </section>
    </>
  );
}
