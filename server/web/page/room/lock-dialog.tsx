import { useState } from "preact/hooks";
import { send } from "../api.ts";
import { Field } from "../parts/fields.tsx";
import { FormDialog } from "../parts/form-dialog.tsx";
import { say } from "../preferences.ts";
import { hosts } from "../store.ts";
import { texts } from "../texts.ts";

/** "Exam machine until Friday": why, and until when. */
export function LockDialog({ to, onClose }: { to: readonly string[]; onClose: () => void }) {
  const [reason, setReason] = useState("");
  const [until, setUntil] = useState("");
  const lock = async () => {
    await send("POST", "/hosts/lock", { to, reason, untilMs: until === "" ? null : new Date(until).getTime() });
    hosts.refresh();
    onClose();
  };
  return (
    <FormDialog
      title={say(texts.lockTitle(to.length))}
      doIt={say(texts.lockNow)}
      isReady={reason.trim() !== ""}
      onClose={onClose}
      onDo={lock}
    >
      <p class="muted">{say(texts.lockWhat)}</p>
      <Field
        name={say(texts.lockReason)}
        value={reason}
        onInput={setReason}
        placeholder={say(texts.lockExample)}
        isRequired
      />
      <Field name={say(texts.lockUntil)} value={until} onInput={setUntil} type="datetime-local" />
    </FormDialog>
  );
}
