import { useEffect, useState } from "preact/hooks";
import { PasswordField } from "../parts/fields.tsx";
import { Mark } from "../parts/icon.tsx";
import { LanguageChoice } from "../parts/language-choice.tsx";
import { Command, Problem } from "../parts/notice.tsx";
import { say } from "../preferences.ts";
import { logIn } from "../store.ts";
import { texts } from "../texts.ts";
import { useAttempt } from "../use-attempt.ts";

export function LoginPage() {
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const { refusal, isBusy, attempt } = useAttempt();
  useEffect(() => {
    document.title = "bootcast";
  }, []);
  const enter = async () => {
    try {
      await logIn(user, password);
    } catch (error) {
      setPassword("");
      throw error;
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
            void attempt(enter);
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
          <PasswordField name={say(texts.password)} value={password} onInput={setPassword} />
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
