import { useEffect, useState } from "preact/hooks";
import type { Refusal } from "../api.ts";
import { Mark } from "../parts/icon.tsx";
import { Command, Problem, refusalOf } from "../parts/notice.tsx";
import { language, say } from "../preferences.ts";
import { logIn } from "../store.ts";
import type { Language } from "../texts/language.ts";
import { texts } from "../texts.ts";

export function LoginPage() {
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const [refusal, setRefusal] = useState<Refusal>();
  const [isBusy, setBusy] = useState(false);
  useEffect(() => {
    document.title = "bootcast";
  }, []);
  const enter = async () => {
    setBusy(true);
    setRefusal(undefined);
    try {
      await logIn(user, password);
    } catch (error) {
      setPassword("");
      setRefusal(refusalOf(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <main class="login">
      <div class="login-art">
        <Waves />
      </div>
      <div class="login-card">
        <div class="login-brand">
          <Mark size={48} />
          <h1>bootcast</h1>
        </div>
        <p class="login-tag">{say(texts.tagline)}</p>
        {refusal !== undefined && <Problem fault={refusal} />}
        <form
          class="fields"
          onSubmit={(event) => {
            event.preventDefault();
            void enter();
          }}
        >
          <label>
            <span>{say(texts.user)}</span>
            <input
              name="user"
              value={user}
              autocomplete="username"
              autocapitalize="off"
              spellcheck={false}
              required
              onInput={({ currentTarget }) => setUser(currentTarget.value)}
            />
          </label>
          <label>
            <span>{say(texts.password)}</span>
            <input
              name="password"
              type="password"
              value={password}
              autocomplete="current-password"
              required
              onInput={({ currentTarget }) => setPassword(currentTarget.value)}
            />
          </label>
          <button type="submit" class="button button-main button-large" disabled={isBusy}>
            {say(texts.logIn)}
          </button>
        </form>
        <details class="more">
          <summary>{say(texts.noPassword)}</summary>
          <p>{say(texts.noPasswordHow)}</p>
          <Command>bootcast user link</Command>
        </details>
        <LanguageChoice />
      </div>
    </main>
  );
}

const names: Readonly<Record<Language, string>> = { en: "English", de: "Deutsch" };

export function LanguageChoice() {
  return (
    <div class="segments" role="radiogroup" aria-label={say(texts.language)}>
      {(Object.keys(names) as Language[]).map((one) => (
        <label key={one} class={language.value === one ? "segment segment-on" : "segment"}>
          <input
            type="radio"
            name="language"
            checked={language.value === one}
            onChange={() => {
              language.value = one;
            }}
          />
          <span lang={one}>{names[one]}</span>
        </label>
      ))}
    </div>
  );
}

/** One sender, and waves that reach everybody. */
function Waves() {
  return (
    <svg viewBox="0 0 400 400" aria-hidden="true" focusable="false">
      {[60, 110, 160, 210, 260, 310, 360].map((radius) => (
        <circle key={radius} cx="200" cy="400" r={radius} />
      ))}
    </svg>
  );
}
