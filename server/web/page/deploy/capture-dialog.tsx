import { useState } from "preact/hooks";
import type { CapturePlanBody } from "../../../api/capture-schemas.ts";
import { send } from "../api.ts";
import { Dialog } from "../parts/dialog.tsx";
import { Field, SelectField } from "../parts/fields.tsx";
import { Problem } from "../parts/notice.tsx";
import { as, say } from "../preferences.ts";
import { hashOf } from "../route.ts";
import { clearSelection, hosts } from "../store.ts";
import { texts } from "../texts.ts";
import { useAttempt } from "../use-attempt.ts";

/** A machine's disk becomes an image. Nothing is erased, so nothing has to be typed twice. */
export function CaptureDialog({ hostId, onClose }: { hostId?: string; onClose: () => void }) {
  const found = hosts.value.value ?? [];
  const [host, setHost] = useState(hostId ?? found[0]?.id ?? "");
  const [image, setImage] = useState("");
  const [notes, setNotes] = useState("");
  const [plan, setPlan] = useState<CapturePlanBody>();
  const { refusal, isBusy, attempt } = useAttempt();
  const [key] = useState(() => crypto.randomUUID());
  const body = { host, ...(image === "" ? {} : { image }), ...(notes === "" ? {} : { notes }) };

  const go = async () => {
    if (plan === undefined) {
      setPlan(await send<CapturePlanBody>("POST", "/captures/plan", body));
      return;
    }
    const { deployId } = await send<{ deployId: number }>("POST", "/captures", body, key);
    clearSelection();
    onClose();
    location.hash = hashOf({ page: "session", id: deployId });
  };

  return (
    <Dialog title={say(texts.captureTitle)} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void attempt(go);
        }}
      >
        <div class="dialog-body">
          {refusal !== undefined && <Problem fault={refusal} />}
          {plan === undefined ? (
            <>
              <p>{say(texts.captureWhat)}</p>
              <div class="fields">
                <SelectField
                  name={say(texts.host)}
                  value={host}
                  options={found.map(({ id, name }) => [id, name])}
                  onChange={setHost}
                />
                <Field name={say(texts.captureName)} value={image} onInput={setImage} />
                <Field name={say(texts.captureNotes)} value={notes} onInput={setNotes} />
              </div>
            </>
          ) : (
            <CapturePlan plan={plan} />
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

function CapturePlan({ plan }: { plan: CapturePlanBody }) {
  const { image, nextVersion, host, mostDiskBytes, freeBytes, warning } = plan;
  return (
    <>
      <p class="big">{say(texts.capturePlan(image, nextVersion))}</p>
      <p>
        {host.name} · {host.disks.map(({ path, sizeBytes }) => `${path} ${as.bytes(sizeBytes)}`).join(", ")}
      </p>
      <p>{say(texts.captureSpace(as.bytes(mostDiskBytes), as.bytes(freeBytes)))}</p>
      {warning !== "" && <p class="plan-warning">{warning}</p>}
      <p class="muted">{say(texts.captureReadOnly)}</p>
    </>
  );
}
