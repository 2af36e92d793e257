import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { Refusal } from "../api.ts";
import { say } from "../preferences.ts";
import { texts } from "../texts.ts";
import { Dialog } from "./dialog.tsx";
import { Problem, refusalOf } from "./notice.tsx";

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
  const [refusal, setRefusal] = useState<Refusal>();
  const [isBusy, setBusy] = useState(false);
  const send = async () => {
    setBusy(true);
    setRefusal(undefined);
    try {
      await onDo();
    } catch (error) {
      setRefusal(refusalOf(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog title={title} onClose={onClose} isWide={isWide}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void send();
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

type FieldProps = {
  name: string;
  value: string;
  onInput: (value: string) => void;
  type?: "text" | "number" | "time" | "datetime-local";
  placeholder?: string;
  list?: string;
  isRequired?: boolean;
};

/** A line of text with its name above it. */
export function Field({ name, value, onInput, type = "text", placeholder, list, isRequired = false }: FieldProps) {
  return (
    <label>
      <span>{name}</span>
      <input
        type={type}
        value={value}
        required={isRequired}
        placeholder={placeholder}
        list={list}
        autocomplete="off"
        autocapitalize="off"
        onInput={({ currentTarget }) => onInput(currentTarget.value)}
      />
    </label>
  );
}
