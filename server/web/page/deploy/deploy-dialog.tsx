import { useState } from "preact/hooks";
import type { DeployPlanBody } from "../../../api/schemas.ts";
import { type Refusal, send } from "../api.ts";
import { Dialog } from "../parts/dialog.tsx";
import { Problem, refusalOf } from "../parts/notice.tsx";
import { say } from "../preferences.ts";
import { hashOf } from "../route.ts";
import { clearSelection, hosts, images, sessions } from "../store.ts";
import { texts } from "../texts.ts";
import { Choose } from "./choose.tsx";
import { Plan } from "./plan.tsx";
import { type Choice, confirmedRequest, firstChoice, isConfirmed, requestOf } from "./request.ts";
import { type DeployWish, deployWish } from "./wish.ts";

/** Image, plan, typed word: nothing is ordered before the last. */
export function DeployDialog({ wish }: { wish: DeployWish }) {
  const [choice, setChoice] = useState<Choice>(() => firstChoice(wish, images.value.peek() ?? []));
  const [plan, setPlan] = useState<DeployPlanBody>();
  const [typed, setTyped] = useState("");
  const [isBusy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<Refusal>();
  // One dialog is one order, however often it is sent.
  const [key] = useState(() => crypto.randomUUID());
  const close = () => {
    deployWish.value = undefined;
  };

  const attempt = async (work: () => Promise<void>) => {
    setBusy(true);
    setRefusal(undefined);
    try {
      await work();
    } catch (error) {
      setRefusal(refusalOf(error));
    } finally {
      setBusy(false);
    }
  };
  const makePlan = () =>
    attempt(async () => setPlan(await send<DeployPlanBody>("POST", "/deploys/plan", requestOf(choice, wish.again))));
  const order = (shown: DeployPlanBody) =>
    attempt(async () => {
      const { deployId } = await send<{ deployId: number }>(
        "POST",
        "/deploys",
        // For exactly the hosts, the version and the disks that were shown.
        confirmedRequest(requestOf(choice, wish.again), shown),
        key,
      );
      clearSelection();
      sessions.refresh();
      close();
      location.hash = hashOf({ page: "session", id: deployId });
    });

  const names = (hosts.value.value ?? []).filter(({ id }) => choice.hostIds.has(id)).map(({ name }) => name);
  const to = names.length === 0 ? "…" : names.length <= 3 ? names.join(", ") : say(texts.hosts(names.length));
  const word = plan === undefined || plan.hosts.length === 0 ? "" : plan.confirmation;
  return (
    <Dialog title={`${say(texts.deployTitle)} ${say(texts.deployTo(to))}`} onClose={close} isWide>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (plan === undefined) void makePlan();
          else if (isConfirmed(typed, word)) void order(plan);
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
        <footer class="dialog-foot">
          {plan === undefined ? (
            <>
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
            </>
          ) : (
            <>
              {word !== "" && (
                <label class="typed">
                  <span class="typed-words">{say(texts.typeToErase(word))}</span>
                  <input
                    value={typed}
                    onInput={({ currentTarget }) => setTyped(currentTarget.value)}
                    autocomplete="off"
                    autocapitalize="off"
                    spellcheck={false}
                    ref={(input) => input?.focus()}
                  />
                </label>
              )}
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
              <button type="submit" class="button button-danger" disabled={isBusy || !isConfirmed(typed, word)}>
                {say(texts.eraseNow)}
              </button>
            </>
          )}
        </footer>
      </form>
    </Dialog>
  );
}
