import type { ComponentChildren } from "preact";
import { say } from "../preferences.ts";
import { texts } from "../texts.ts";
import { useAttempt } from "../use-attempt.ts";
import { Dialog } from "./dialog.tsx";
import { Problem } from "./notice.tsx";

type FormDialogProps = {
  title: string;
  /** On its button. */
  doIt: string;
  isReady: boolean;
  isWide?: boolean;
  onClose: () => void;
  /** What it is refused with is shown in it. */
  onDo: () => Promise<void>;
  children: ComponentChildren;
};

/** A dialog that asks for something, sends it, and stays open when it is refused. */
export function FormDialog({ title, doIt, isReady, isWide = false, onClose, onDo, children }: FormDialogProps) {
  const { refusal, isBusy, attempt } = useAttempt();
  return (
    <Dialog title={title} onClose={onClose} isWide={isWide}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void attempt(onDo);
        }}
      >
        <div class="dialog-body">
          {refusal !== undefined && <Problem fault={refusal} />}
          <div class="fields">{children}</div>
        </div>
        <footer class="dialog-foot">
          <button type="button" class="button" onClick={onClose}>
            {say(texts.cancel)}
          </button>
          <button type="submit" class="button button-main" disabled={!isReady || isBusy}>
            {doIt}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
