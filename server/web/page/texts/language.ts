/** A text in each language of the pages: English, German. */
export type Text = readonly [english: string, german: string];

/** Texts by their names; with values in them they are functions. */
export type TextTree = { readonly [name: string]: Text | ((...values: never[]) => Text) | TextTree };

export const languages = ["en", "de"] as const;
export type Language = (typeof languages)[number];

/** The text in that language. */
export function inLanguage(text: Text, language: Language): string {
  return text[languages.indexOf(language)]!;
}

/** The language of the pages for somebody whose browser prefers these ("de-AT", "en"). */
export function languageFor(preferred: readonly string[]): Language {
  const known = preferred.map((one) => one.slice(0, 2).toLowerCase()).find((one) => languages.some((l) => l === one));
  return known === "de" ? "de" : "en";
}

/** "1 version", "12 versions". */
export function count(n: number, one: Text, many: Text): Text {
  const word = n === 1 ? one : many;
  return [`${n} ${word[0]}`, `${n} ${word[1]}`];
}
