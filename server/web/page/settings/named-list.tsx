import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { send } from "../api.ts";
import { Confirm } from "../parts/dialog.tsx";
import { Loading, Problem } from "../parts/notice.tsx";
import { say } from "../preferences.ts";
import type { Resource } from "../resource.ts";
import type { Text } from "../texts/language.ts";
import { texts } from "../texts.ts";
import { type Attempt, useAttempt } from "../use-attempt.ts";

type Named = { readonly name: string };

type NamedListProps<Entry extends Named> = {
  title: Text;
  /** Where they are asked for, and where one is removed: "/tokens". */
  path: string;
  live: Resource<readonly Entry[]>;
  /** Says that there is none. */
  none?: Text;
  /** On the button that adds one. */
  add: Text;
  adding: (close: () => void, attempt: Attempt) => ComponentChildren;
  removeWhat: Text;
  canRemove?: (entry: Entry) => boolean;
  /** Under its name. */
  about: (entry: Entry) => ComponentChildren;
  /** What can be done with one, besides removing it. */
  actions?: (entry: Entry, attempt: Attempt) => ComponentChildren;
  /** What was made, or what came of a try. */
  children?: ComponentChildren;
};

/** A card with what has a name: people, tokens, who is told. Each is added in a dialog and removed after one question. */
export function NamedList<Entry extends Named>(props: NamedListProps<Entry>) {
  const { title, path, live, none, add, adding, removeWhat, canRemove, about, actions, children } = props;
  const [open, setOpen] = useState<"add" | { readonly remove: string }>();
  const { refusal, attempt } = useAttempt();
  const close = () => setOpen(undefined);
  const change: Attempt = (work) =>
    attempt(async () => {
      await work();
      live.refresh();
    });
  const entries = live.value.value;
  const failed = refusal ?? live.refusal.value;
  return (
    <section class="card" aria-label={say(title)}>
      <div class="card-head">
        <h2>{say(title)}</h2>
        <button type="button" class="button" onClick={() => setOpen("add")}>
          {say(add)}
        </button>
      </div>
      {failed !== undefined && <Problem fault={failed} />}
      {children}
      {entries === undefined && failed === undefined && <Loading />}
      {entries?.length === 0 && none !== undefined && <p class="muted">{say(none)}</p>}
      {entries !== undefined && entries.length > 0 && (
        <ul class="lines">
          {entries.map((entry) => (
            <li key={entry.name} class="line">
              <div class="line-words">
                <strong>{entry.name}</strong>
                {about(entry)}
              </div>
              {actions?.(entry, change)}
              {(canRemove?.(entry) ?? true) && (
                <LineButton text={texts.remove} of={entry.name} onClick={() => setOpen({ remove: entry.name })} />
              )}
            </li>
          ))}
        </ul>
      )}
      {open === "add" && adding(close, change)}
      {typeof open === "object" && (
        <Confirm
          title={say(texts.removeTitle(open.remove))}
          what={say(removeWhat)}
          doIt={say(texts.removeNow)}
          onClose={close}
          onDo={() => {
            close();
            void change(() => send("DELETE", `${path}/${encodeURIComponent(open.remove)}`));
          }}
        />
      )}
    </section>
  );
}

/** A button in a line; who cannot see the line hears whose it is. */
export function LineButton({ text, of, onClick }: { text: Text; of: string; onClick: () => void }) {
  return (
    <button type="button" class="button" aria-label={`${say(text)} (${of})`} onClick={onClick}>
      {say(text)}
    </button>
  );
}
