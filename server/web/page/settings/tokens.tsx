import { useState } from "preact/hooks";
import type { MadeTokenBody, TokenBody } from "../../../api/access-schemas.ts";
import { get, type Refusal, send } from "../api.ts";
import { Confirm } from "../parts/dialog.tsx";
import { Field, FormDialog } from "../parts/form-dialog.tsx";
import { Loading, Problem, refusalOf } from "../parts/notice.tsx";
import { as, say } from "../preferences.ts";
import { nowMs } from "../store.ts";
import { texts } from "../texts.ts";
import { useLive } from "../use-live.ts";
import { RoleChoice } from "./role-choice.tsx";
import { Secret } from "./secret.tsx";

/** What programs log in with. */
export function Tokens() {
  const live = useLive("tokens", async () => (await get<{ tokens: TokenBody[] }>("/tokens")).tokens, {
    wants: ({ kind }) => kind.startsWith("token."),
  });
  const [open, setOpen] = useState<"add" | { readonly remove: string }>();
  const [made, setMade] = useState<MadeTokenBody>();
  const [refusal, setRefusal] = useState<Refusal>();
  const remove = async (name: string) => {
    setOpen(undefined);
    try {
      await send("DELETE", `/tokens/${encodeURIComponent(name)}`);
      live.refresh();
    } catch (error) {
      setRefusal(refusalOf(error));
    }
  };
  const tokens = live.value.value;
  return (
    <section class="card" aria-label={say(texts.tokens)}>
      <div class="card-head">
        <h2>{say(texts.tokens)}</h2>
        <button type="button" class="button" onClick={() => setOpen("add")}>
          {say(texts.addToken)}
        </button>
      </div>
      {refusal !== undefined && <Problem fault={refusal} />}
      {made !== undefined && <Secret label={`${made.token.name}. ${say(texts.tokenMade)}`} value={made.secret} />}
      {tokens === undefined ? (
        <Loading />
      ) : tokens.length === 0 ? (
        <p class="muted">{say(texts.noTokens)}</p>
      ) : (
        <ul class="lines">
          {tokens.map(({ name, role, madeBy, usedAtMs }) => (
            <li key={name} class="line">
              <div class="line-words">
                <strong>{name}</strong>
                <span class="sub">
                  {role} · {say(texts.madeBy)} {madeBy} · {say(texts.lastUsed)}{" "}
                  {usedAtMs === null ? say(texts.never) : as.ago(nowMs.value - usedAtMs)}
                </span>
              </div>
              <button
                type="button"
                class="button"
                aria-label={`${say(texts.remove)} (${name})`}
                onClick={() => setOpen({ remove: name })}
              >
                {say(texts.remove)}
              </button>
            </li>
          ))}
        </ul>
      )}
      {open === "add" && (
        <AddToken
          onClose={() => setOpen(undefined)}
          onMade={(token) => {
            setOpen(undefined);
            setMade(token);
            live.refresh();
          }}
        />
      )}
      {typeof open === "object" && (
        <Confirm
          title={say(texts.removeUserTitle(open.remove))}
          what={say(texts.removeTokenWhat)}
          doIt={say(texts.removeNow)}
          onClose={() => setOpen(undefined)}
          onDo={() => remove(open.remove)}
        />
      )}
    </section>
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
