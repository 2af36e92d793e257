import { useState } from "preact/hooks";
import type { MeBody } from "../../../api/access-schemas.ts";
import { type Refusal, send, useLogin } from "../api.ts";
import { Head } from "../parts/head.tsx";
import { Problem, refusalOf } from "../parts/notice.tsx";
import { as, say, theme } from "../preferences.ts";
import { Audit } from "../settings/audit.tsx";
import { Notifications } from "../settings/notifications.tsx";
import { People } from "../settings/people.tsx";
import { Tokens } from "../settings/tokens.tsx";
import { isAdmin, logOut, me, nowMs, status } from "../store.ts";
import { texts } from "../texts.ts";
import { LanguageChoice } from "./login.tsx";

export function SettingsPage() {
  return (
    <>
      <Head title={say(texts.settings)} />
      <div class="columns">
        <Look />
        {me.value?.kind === "user" && <MyPassword />}
      </div>
      {isAdmin.value && (
        <div class="columns">
          <People />
          <div class="stack">
            <Tokens />
            <Notifications />
          </div>
        </div>
      )}
      <Server />
      {isAdmin.value && <Audit />}
    </>
  );
}

function Look() {
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
      <div class="segments" role="radiogroup" aria-label={say(texts.theme)}>
        {(["auto", "light", "dark"] as const).map((one) => (
          <label key={one} class={theme.value === one ? "segment segment-on" : "segment"}>
            <input
              type="radio"
              name="theme"
              checked={theme.value === one}
              onChange={() => {
                theme.value = one;
              }}
            />
            <span>{say(texts.themes[one])}</span>
          </label>
        ))}
      </div>
    </section>
  );
}

function MyPassword() {
  const [before, setBefore] = useState("");
  const [password, setPassword] = useState("");
  const [isDone, setDone] = useState(false);
  const [refusal, setRefusal] = useState<Refusal>();
  const change = async () => {
    setRefusal(undefined);
    setDone(false);
    try {
      useLogin(await send<MeBody>("PUT", "/me/password", { before, password }));
      setBefore("");
      setPassword("");
      setDone(true);
    } catch (error) {
      setRefusal(refusalOf(error));
    }
  };
  return (
    <section class="card" aria-label={say(texts.myPassword)}>
      <h2>{say(texts.myPassword)}</h2>
      {refusal !== undefined && <Problem fault={refusal} />}
      <form
        class="fields"
        onSubmit={(event) => {
          event.preventDefault();
          void change();
        }}
      >
        <label>
          <span>{say(texts.before)}</span>
          <input
            type="password"
            autocomplete="current-password"
            required
            value={before}
            onInput={({ currentTarget }) => setBefore(currentTarget.value)}
          />
        </label>
        <label>
          <span>{say(texts.after)}</span>
          <input
            type="password"
            autocomplete="new-password"
            minLength={10}
            required
            value={password}
            onInput={({ currentTarget }) => setPassword(currentTarget.value)}
          />
        </label>
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

function Server() {
  const now = status.value.value;
  if (now === undefined) return null;
  const dhcp: Readonly<Record<string, (typeof texts.dhcpWords)[keyof typeof texts.dhcpWords]>> = texts.dhcpWords;
  const words = dhcp[now.dhcp];
  return (
    <section class="card" aria-label={say(texts.server)}>
      <h2>{say(texts.server)}</h2>
      <dl class="facts">
        <div>
          <dt>bootcast</dt>
          <dd>
            {now.version}, {say(texts.running(as.span(nowMs.value - now.startedAtMs)))}
          </dd>
        </div>
        <div>
          <dt>{say(texts.address)}</dt>
          <dd>
            {[...now.https.servers, ...now.addresses].map((address) => (
              <code key={address}>{address} </code>
            ))}
          </dd>
        </div>
        <div>
          <dt>{say(texts.dhcp)}</dt>
          <dd>{words === undefined ? now.dhcp : say(words)}</dd>
        </div>
        <div>
          <dt>{say(texts.dataFolder)}</dt>
          <dd>
            <code>{now.dataDir}</code>
          </dd>
        </div>
        <div class="facts-long">
          <dt>{say(texts.fingerprint)}</dt>
          <dd>
            <code class="wrap">{now.https.fingerprint}</code>{" "}
            <a href="/api/v1/authority.pem" download="bootcast-authority.pem">
              {say(texts.authority)}
            </a>
          </dd>
        </div>
      </dl>
    </section>
  );
}
