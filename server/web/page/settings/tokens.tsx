import { useState } from "preact/hooks";
import type { MadeTokenBody, TokenBody } from "../../../api/access-schemas.ts";
import { get, send } from "../api.ts";
import { Field } from "../parts/fields.tsx";
import { FormDialog } from "../parts/form-dialog.tsx";
import { as, say } from "../preferences.ts";
import { nowMs } from "../store.ts";
import { texts } from "../texts.ts";
import { useLive } from "../use-live.ts";
import { NamedList } from "./named-list.tsx";
import { RoleChoice } from "./role-choice.tsx";
import { Secret } from "./secret.tsx";

/** What programs log in with. */
export function Tokens() {
  const live = useLive("tokens", async () => (await get<{ tokens: TokenBody[] }>("/tokens")).tokens, {
    wants: ({ kind }) => kind.startsWith("token."),
  });
  const [made, setMade] = useState<MadeTokenBody>();
  return (
    <NamedList
      title={texts.tokens}
      path="/tokens"
      live={live}
      none={texts.noTokens}
      add={texts.addToken}
      adding={(close) => (
        <AddToken
          onClose={close}
          onMade={(token) => {
            close();
            setMade(token);
            live.refresh();
          }}
        />
      )}
      removeWhat={texts.removeTokenWhat}
      about={({ role, madeBy, usedAtMs }) => (
        <span class="sub">
          {role} · {say(texts.madeBy)} {madeBy} · {say(texts.lastUsed)}{" "}
          {usedAtMs === null ? say(texts.never) : as.ago(nowMs.value - usedAtMs)}
        </span>
      )}
    >
      {made !== undefined && <Secret label={`${made.token.name}. ${say(texts.tokenMade)}`} value={made.secret} />}
    </NamedList>
  );
}

function AddToken({ onClose, onMade }: { onClose: () => void; onMade: (made: MadeTokenBody) => void }) {
  const [name, setName] = useState("");
  const [role, setRole] = useState<TokenBody["role"]>("viewer");
  const add = async () => onMade(await send<MadeTokenBody>("POST", "/tokens", { name, role, expiresAtMs: null }));
  return (
    <FormDialog
      title={say(texts.addToken)}
      doIt={say(texts.makeToken)}
      isReady={name !== ""}
      onClose={onClose}
      onDo={add}
    >
      <Field name={say(texts.name)} value={name} onInput={setName} isRequired />
      <RoleChoice role={role} onChange={setRole} />
    </FormDialog>
  );
}
