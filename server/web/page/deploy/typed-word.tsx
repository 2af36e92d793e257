import { useEffect, useRef } from "preact/hooks";
import { say } from "../preferences.ts";
import { texts } from "../texts.ts";

type TypedWordProps = { words: readonly string[]; value: string; onInput: (value: string) => void };

/** The word that stands between a plan and erased disks. The keyboard is there as soon as it is shown. */
export function TypedWord({ words, value, onInput }: TypedWordProps) {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus(), []);
  return (
    <label class="typed">
      <span class="typed-words">{say(texts.typeToErase(words[0] ?? ""))}</span>
      <input
        ref={input}
        value={value}
        onInput={({ currentTarget }) => onInput(currentTarget.value)}
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
      />
    </label>
  );
}
