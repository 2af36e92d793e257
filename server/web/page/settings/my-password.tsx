import { useState } from "preact/hooks";
import type { MeBody } from "../../../api/access-schemas.ts";
import { send, useLogin } from "../api.ts";
import { PasswordField } from "../parts/fields.tsx";
import { Problem } from "../parts/notice.tsx";
import { say } from "../preferences.ts";
import { texts } from "../texts.ts";
import { useAttempt } from "../use-attempt.ts";

/** Changes the password of who is logged in; other browsers of theirs are logged out. */
export function MyPassword() {
  const [before, setBefore] = useState("");
  const [password, setPassword] = useState("");
  const [isDone, setDone] = useState(false);
  const { refusal, attempt } = useAttempt();
  const change = async () => {
    setDone(false);
    useLogin(await send<MeBody>("PUT", "/me/password", { before, password }));
    setBefore("");
    setPassword("");
    setDone(true);
  };
  return (
    <section class="card" aria-label={say(texts.myPassword)}>
      <h2>{say(texts.myPassword)}</h2>
      {refusal !== undefined && <Problem fault={refusal} />}
      <form
        class="fields"
        onSubmit={(event) => {
          event.preventDefault();
          void attempt(change);
        }}
      >
        <PasswordField name={say(texts.before)} value={before} onInput={setBefore} />
        <PasswordField name={say(texts.after)} value={password} onInput={setPassword} isNew />
        <button type="submit" class="button">
          {say(texts.changePassword)}
        </button>
        <p role="status" class="good">
          {isDone && say(texts.passwordChanged)}
        </p>
      </form>
    </section>
  );
}
