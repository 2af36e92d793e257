import { useState } from "preact/hooks";
import type { DeployRequestBody, SessionBody } from "../../../api/schemas.ts";
import { get, send } from "../api.ts";
import { deployWish } from "../deploy/wish.ts";
import { Confirm } from "../parts/dialog.tsx";
import { Head } from "../parts/head.tsx";
import { Icon } from "../parts/icon.tsx";
import { Problem } from "../parts/notice.tsx";
import { say } from "../preferences.ts";
import { canStart } from "../session-figures.ts";
import { isOperator, sessions } from "../store.ts";
import { texts } from "../texts.ts";
import { useAttempt } from "../use-attempt.ts";

type SessionHeadProps = { session: SessionBody; onChanged: () => void };

/** What the session is, and what a person can do about it. */
export function SessionHead({ session, onChanged }: SessionHeadProps) {
  const [isStopping, setStopping] = useState(false);
  const { refusal, attempt } = useAttempt();
  const failed = session.hosts.filter(({ order }) => order === "failed");
  const to = session.to === "any" ? say(texts.anyHost) : (session.target ?? say(texts.hosts(session.hosts.length)));
  const change = (work: () => Promise<unknown>) =>
    attempt(async () => {
      await work();
      onChanged();
      sessions.refresh();
    });
  const stop = async () => {
    setStopping(false);
    await change(() => send("POST", `/sessions/${session.id}/stop`));
  };
  const startNow = () => change(() => send("POST", `/sessions/${session.id}/start`));
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
          <button type="button" class="button button-danger-quiet" onClick={() => setStopping(true)}>
            <Icon name="stop" /> {say(texts.stop)}
          </button>
        )}
      </Head>
      {refusal !== undefined && <Problem fault={refusal} />}
      {isStopping && (
        <Confirm
          title={say(texts.stopTitle(session.id))}
          what={say(texts.stopWhat)}
          doIt={say(texts.stopNow)}
          keep={say(texts.keepOn)}
          onClose={() => setStopping(false)}
          onDo={stop}
        />
      )}
    </>
  );
}

function imageOf({ image, imageVersion }: SessionBody): string {
  return imageVersion === 0 ? image : `${image} v${imageVersion}`;
}
