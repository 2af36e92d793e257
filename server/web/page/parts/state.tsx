import { say } from "../preferences.ts";
import { lookOf, wordOf } from "../states.ts";
import { Icon } from "./icon.tsx";

/** Shape, word and colour of a state. */
export function State({ state, word }: { state: string; word?: string | undefined }) {
  const { tone, icon } = lookOf(state);
  return (
    <span class={`state tone-${tone}`}>
      <Icon name={icon} />
      <span>{word ?? say(wordOf(state))}</span>
    </span>
  );
}

type BarProps = { percent: number | null; label: string; tone?: string };

/** How far something is; null: it goes on, and nobody knows how far it is. */
export function Bar({ percent, label, tone = "busy" }: BarProps) {
  const known =
    percent === null ? {} : { "aria-valuenow": Math.round(percent), "aria-valuetext": `${Math.round(percent)} %` };
  return (
    <div
      class={`bar tone-${tone} ${percent === null ? "bar-open" : ""}`}
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      {...known}
    >
      <div class="bar-fill" style={{ width: percent === null ? "100%" : `${percent}%` }} />
    </div>
  );
}
