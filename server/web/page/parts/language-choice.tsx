import { language, say } from "../preferences.ts";
import type { Language } from "../texts/language.ts";
import { texts } from "../texts.ts";
import { Segments } from "./segments.tsx";

/** Each in its own words, for who reads only that. */
const names: readonly (readonly [Language, string])[] = [
  ["en", "English"],
  ["de", "Deutsch"],
];

export function LanguageChoice() {
  return (
    <Segments
      name={say(texts.language)}
      value={language.value}
      options={names}
      areLanguages
      onChange={(one) => {
        language.value = one;
      }}
    />
  );
}
