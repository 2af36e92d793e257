import { useState } from "preact/hooks";
import { say } from "../preferences.ts";
import { texts } from "../texts.ts";

/** What is shown once: to be copied by a click, or by hand where the browser lets nobody copy. */
export function Secret({ label, value }: { label: string; value: string }) {
  const [isCopied, setCopied] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(value);
      setCopied(true);
    } catch {
      setCopied(false);
    }
  };
  return (
    <div class="secret" role="status">
      <p>{label}</p>
      <div class="secret-line">
        <input readOnly value={value} aria-label={label} onFocus={({ currentTarget }) => currentTarget.select()} />
        <button type="button" class="button" onClick={() => void copy()}>
          {say(isCopied ? texts.copied : texts.copy)}
        </button>
      </div>
    </div>
  );
}
