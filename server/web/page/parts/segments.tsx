import { useId } from "preact/hooks";
import { Icon } from "./icon.tsx";

type SegmentsProps<Value extends string> = {
  name: string;
  value: Value;
  options: readonly (readonly [value: Value, words: string])[];
  onChange: (value: Value) => void;
  /** A drawing of the value's name before each word, which stands alone on a phone. */
  hasIcons?: boolean;
  /** The values are languages, and each word is in its own. */
  areLanguages?: boolean;
};

/** One of a few, all of them in sight. */
export function Segments<Value extends string>(props: SegmentsProps<Value>) {
  const { name, value, options, onChange, hasIcons = false, areLanguages = false } = props;
  const group = useId();
  return (
    <div class="segments" role="radiogroup" aria-label={name}>
      {options.map(([one, words]) => (
        <label key={one} class={value === one ? "segment segment-on" : "segment"}>
          <input type="radio" name={group} checked={value === one} onChange={() => onChange(one)} />
          {hasIcons && <Icon name={one} />}
          <span class={hasIcons ? "segment-word" : undefined} lang={areLanguages ? one : undefined}>
            {words}
          </span>
        </label>
      ))}
    </div>
  );
}
