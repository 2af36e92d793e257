import { computed, effect, signal } from "@preact/signals";
import {
  formatAgo,
  formatBytes,
  formatDate,
  formatNumber,
  formatPercent,
  formatRate,
  formatShare,
  formatSpan,
  formatTime,
} from "./format.ts";
import { inLanguage, type Language, languageFor, languages, type Text } from "./texts/language.ts";

/** How this browser shows the pages: language and colours, kept in it. */

export const themes = ["auto", "light", "dark"] as const;
export type Theme = (typeof themes)[number];

export const language = signal<Language>(kept("language", languages) ?? languageFor(navigator.languages));
export const theme = signal<Theme>(kept("theme", themes) ?? "auto");
export const view = signal<"tiles" | "rows">(kept("view", ["tiles", "rows"]) ?? "tiles");
/** "en-GB" for who reads English and whose browser says so. */
const locale = computed(() => navigator.languages.find((one) => one.startsWith(language.value)) ?? language.value);

effect(() => {
  keep("language", language.value);
  document.documentElement.lang = language.value;
});
effect(() => {
  keep("theme", theme.value);
  document.documentElement.dataset["theme"] = theme.value;
});
effect(() => keep("view", view.value));

/** The text in the language of the page. */
export function say(text: Text): string {
  return inLanguage(text, language.value);
}

/** Numbers and times in the language of the page. */
export const as = {
  bytes: (bytes: number) => formatBytes(bytes, locale.value),
  rate: (bytesPerSecond: number) => formatRate(bytesPerSecond, locale.value),
  /** Never rounded up: 100 % is all of it. */
  percent: (percent: number) => formatPercent(Math.floor(percent), locale.value),
  share: (share: number) => formatShare(share, locale.value),
  number: (value: number) => formatNumber(value, locale.value),
  span: (ms: number) => formatSpan(ms, locale.value),
  ago: (ms: number) => formatAgo(ms, locale.value),
  time: (atMs: number, nowMs: number) => formatTime(atMs, nowMs, locale.value),
  date: (atMs: number) => formatDate(atMs, locale.value),
};

// A browser may refuse to keep anything.
function kept<Word extends string>(name: string, words: readonly Word[]): Word | undefined {
  try {
    const word = localStorage.getItem(`bootcast.${name}`);
    return words.find((one) => one === word);
  } catch {
    return undefined;
  }
}

function keep(name: string, word: string): void {
  try {
    localStorage.setItem(`bootcast.${name}`, word);
  } catch {
    // It is asked for again next time.
  }
}
