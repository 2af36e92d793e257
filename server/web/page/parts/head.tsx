import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";

/** The head of a page. */
export function Head({
  title,
  note,
  children,
}: {
  title: string;
  note?: string | undefined;
  children?: ComponentChildren;
}) {
  useEffect(() => {
    document.title = `${title} · bootcast`;
  }, [title]);
  return (
    <div class="head">
      <div class="head-words">
        <h1>{title}</h1>
        {note !== undefined && <p class="head-note">{note}</p>}
      </div>
      <div class="head-actions">{children}</div>
    </div>
  );
}
