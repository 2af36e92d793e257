import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef } from "preact/hooks";
import { say } from "../preferences.ts";
import { texts } from "../texts.ts";
import { Icon } from "./icon.tsx";

const ASKED = ".dialog-body :is(input, select, textarea)";

type DialogProps = {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
  isWide?: boolean;
};

/**
 * The browser's own modal dialog: it keeps the keyboard inside, Escape closes it, and what opened it has the focus
 * again. It begins at what is asked for, or else at the button that changes nothing.
 */
export function Dialog({ title, onClose, children, isWide = false }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  const id = useId();
  // At once: a dialog that is taken away before it is closed gives the focus to nobody.
  useLayoutEffect(() => {
    const dialog = element.current!;
    dialog.showModal();
    dialog.querySelector<HTMLElement>(`${ASKED}, .dialog-foot button`)?.focus();
    return () => dialog.close();
  }, []);
  return (
    <dialog
      ref={element}
      class={isWide ? "dialog dialog-wide" : "dialog"}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <header class="dialog-head">
        <h2 id={id}>{title}</h2>
        <button type="button" class="button-icon" aria-label={say(texts.close)} onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      {children}
    </dialog>
  );
}

type ConfirmProps = {
  title: string;
  what: string;
  doIt: string;
  keep?: string;
  onClose: () => void;
  onDo: () => void | Promise<void>;
};

/** For what can be mended: one more click, and no typing. */
export function Confirm({ title, what, doIt, keep = say(texts.cancel), onClose, onDo }: ConfirmProps) {
  return (
    <Dialog title={title} onClose={onClose}>
      <div class="dialog-body">
        <p>{what}</p>
      </div>
      <footer class="dialog-foot">
        <button type="button" class="button" onClick={onClose}>
          {keep}
        </button>
        <button type="button" class="button button-danger" onClick={() => void onDo()}>
          {doIt}
        </button>
      </footer>
    </Dialog>
  );
}
