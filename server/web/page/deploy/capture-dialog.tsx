import { useState } from "preact/hooks";
import type { CapturePlanBody } from "../../../api/capture-schemas.ts";
import { type Refusal, send } from "../api.ts";
import { Dialog } from "../parts/dialog.tsx";
import { Problem, refusalOf } from "../parts/notice.tsx";
import { as, say } from "../preferences.ts";
import { hashOf } from "../route.ts";
import { clearSelection, hosts } from "../store.ts";
import { texts } from "../texts.ts";

/** A machine's disk becomes an image. Nothing is erased, so nothing has to be typed twice. */
export function CaptureDialog({ hostId, onClose }: { hostId?: string; onClose: () => void }) {
  const found = hosts.value.value ?? [];
  const [host, setHost] = useState(hostId ?? found[0]?.id ?? "");
  const [image, setImage] = useState("");
  const [notes, setNotes] = useState("");
  const [plan, setPlan] = useState<CapturePlanBody>();
  const [refusal, setRefusal] = useState<Refusal>();
  const [isBusy, setBusy] = useState(false);
  const [key] = useState(() => crypto.randomUUID());
  const body = { host, ...(image === "" ? {} : { image }), ...(notes === "" ? {} : { notes }) };

  const go = async () => {
    setBusy(true);
    setRefusal(undefined);
    try {
      if (plan === undefined) setPlan(await send<CapturePlanBody>("POST", "/captures/plan", body));
      else {
        const { deployId } = await send<{ deployId: number }>("POST", "/captures", body, key);
        clearSelection();
        onClose();
        location.hash = hashOf({ page: "session", id: deployId });
      }
    } catch (error) {
      setRefusal(refusalOf(error));
    } finally {
      setBusy(false);
    }
  };

  return (
    <Dialog title={say(texts.captureTitle)} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void go();
        }}
      >
        <div class="dialog-body">
          {refusal !== undefined && <Problem fault={refusal} />}
          {plan === undefined ? (
            <>
              <p>{say(texts.captureWhat)}</p>
              <div class="fields">
                <label>
                  <span>{say(texts.host)}</span>
                  <select value={host} onChange={({ currentTarget }) => setHost(currentTarget.value)}>
                    {found.map(({ id, name }) => (
                      <option key={id} value={id}>
                        {name}
                      </option>
                    ))}
                  </select>
                </label>
                <label>
                  <span>{say(texts.captureName)}</span>
                  <input
                    value={image}
                    onInput={({ currentTarget }) => setImage(currentTarget.value)}
                    autocomplete="off"
                    spellcheck={false}
                  />
                </label>
                <label>
                  <span>{say(texts.captureNotes)}</span>
                  <input value={notes} onInput={({ currentTarget }) => setNotes(currentTarget.value)} />
                </label>
              </div>
            </>
          ) : (
            <>
              <p class="big">{say(texts.capturePlan(plan.image, plan.nextVersion))}</p>
              <p>
                {plan.host.name} ·{" "}
                {plan.host.disks.map(({ path, sizeBytes }) => `${path} ${as.bytes(sizeBytes)}`).join(", ")}
              </p>
              <p>{say(texts.captureSpace(as.bytes(plan.mostDiskBytes), as.bytes(plan.freeBytes)))}</p>
              {plan.warning !== "" && <p class="plan-warning">{plan.warning}</p>}
              <p class="muted">{say(texts.captureReadOnly)}</p>
            </>
          )}
        </div>
        <footer class="dialog-foot">
          <button type="button" class="button" onClick={plan === undefined ? onClose : () => setPlan(undefined)}>
            {say(plan === undefined ? texts.cancel : texts.back)}
          </button>
          <button type="submit" class="button button-main" disabled={isBusy || host === ""}>
            {say(plan === undefined ? texts.showPlan : texts.captureOrder)}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
