import { useState } from "preact/hooks";
import type { DeployPlanBody } from "../../../api/schemas.ts";
import { send } from "../api.ts";
import { Dialog } from "../parts/dialog.tsx";
import { Problem } from "../parts/notice.tsx";
import { say } from "../preferences.ts";
import { hashOf } from "../route.ts";
import { clearSelection, hosts, images, sessions } from "../store.ts";
import { texts } from "../texts.ts";
import { useAttempt } from "../use-attempt.ts";
import { Choose } from "./choose.tsx";
import { Plan } from "./plan.tsx";
import {
  type Choice,
  confirmedRequest,
  confirmingWords,
  firstChoice,
  isConfirmed,
  requestOf,
  wordsFor,
} from "./request.ts";
import { TypedWord } from "./typed-word.tsx";
import { type DeployWish, deployWish } from "./wish.ts";

/** Image, plan, typed word: nothing is ordered before the last. */
export function DeployDialog({ wish }: { wish: DeployWish }) {
  const [choice, setChoice] = useState<Choice>(() => firstChoice(wish, images.value.peek() ?? []));
  const [plan, setPlan] = useState<DeployPlanBody>();
  const [typed, setTyped] = useState("");
  const { refusal, isBusy, attempt } = useAttempt();
  // One dialog is one order, however often it is sent.
  const [key] = useState(() => crypto.randomUUID());
  const known = hosts.value.value ?? [];
  const close = () => {
    deployWish.value = undefined;
  };
  const request = () => requestOf(choice, wordsFor(choice.hostIds, known), wish.again);
  const makePlan = async () => setPlan(await send<DeployPlanBody>("POST", "/deploys/plan", request()));
  const order = async (shown: DeployPlanBody) => {
    // For exactly the hosts, the version and the disks that were shown.
    const confirmed = confirmedRequest(request(), shown);
    const { deployId } = await send<{ deployId: number }>("POST", "/deploys", confirmed, key);
    clearSelection();
    sessions.refresh();
    close();
    location.hash = hashOf({ page: "session", id: deployId });
  };

  const names = known.filter(({ id }) => choice.hostIds.has(id)).map(({ name }) => name);
  const to = names.length === 0 ? "…" : names.length <= 3 ? names.join(", ") : say(texts.hosts(names.length));
  const words = plan === undefined ? [] : confirmingWords(plan);
  return (
    <Dialog title={`${say(texts.deployTitle)} ${say(texts.deployTo(to))}`} onClose={close} isWide>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (plan === undefined) void attempt(makePlan);
          else if (isConfirmed(typed, words)) void attempt(() => order(plan));
        }}
      >
        <div class="dialog-body">
          {refusal !== undefined && <Problem fault={refusal} />}
          {plan === undefined ? (
            <Choose choice={choice} hasFixedHosts={wish.hostIds.length > 0} onChange={setChoice} />
          ) : (
            <Plan plan={plan} />
          )}
        </div>
        {plan === undefined ? (
          <footer key="choose" class="dialog-foot">
            <button type="button" class="button" onClick={close}>
              {say(texts.cancel)}
            </button>
            <button
              type="submit"
              class="button button-main"
              disabled={isBusy || choice.image === "" || choice.hostIds.size === 0}
            >
              {say(isBusy ? texts.makingPlan : texts.showPlan)}
            </button>
          </footer>
        ) : (
          <footer key="order" class="dialog-foot">
            {words.length > 0 && <TypedWord words={words} value={typed} onInput={setTyped} />}
            <button
              type="button"
              class="button"
              onClick={() => {
                setPlan(undefined);
                setTyped("");
              }}
            >
              {say(texts.back)}
            </button>
            <button type="submit" class="button button-danger" disabled={isBusy || !isConfirmed(typed, words)}>
              {say(texts.eraseNow)}
            </button>
          </footer>
        )}
      </form>
    </Dialog>
  );
}
