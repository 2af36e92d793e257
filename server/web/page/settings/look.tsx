import { LanguageChoice } from "../parts/language-choice.tsx";
import { Segments } from "../parts/segments.tsx";
import { say, theme, themes } from "../preferences.ts";
import { logOut } from "../store.ts";
import { texts } from "../texts.ts";

/** Language and colours, as this browser keeps them. */
export function Look() {
  return (
    <section class="card" aria-label={say(texts.look)}>
      <div class="card-head">
        <h2>{say(texts.look)}</h2>
        <button type="button" class="button on-phone" onClick={() => void logOut()}>
          {say(texts.logOut)}
        </button>
      </div>
      <p class="label">{say(texts.language)}</p>
      <LanguageChoice />
      <p class="label">{say(texts.theme)}</p>
      <Segments
        name={say(texts.theme)}
        value={theme.value}
        options={themes.map((one) => [one, say(texts.themes[one])])}
        onChange={(one) => {
          theme.value = one;
        }}
      />
    </section>
  );
}
