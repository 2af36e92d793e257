import { useState } from "preact/hooks";
import type { LinkBody, UserBody } from "../../../api/access-schemas.ts";
import { get, type Refusal, send } from "../api.ts";
import { Confirm } from "../parts/dialog.tsx";
import { Field, FormDialog } from "../parts/form-dialog.tsx";
import { Loading, Problem, refusalOf } from "../parts/notice.tsx";
import { say } from "../preferences.ts";
import { me } from "../store.ts";
import { texts } from "../texts.ts";
import { useLive } from "../use-live.ts";
import { RoleChoice } from "./role-choice.tsx";
import { Secret } from "./secret.tsx";

type Role = UserBody["role"];

/** Who may log in, and what each may do. */
export function People() {
  const live = useLive("users", async () => (await get<{ users: UserBody[] }>("/users")).users, {
    wants: ({ kind }) => kind.startsWith("user."),
  });
  const [open, setOpen] = useState<"add" | { readonly remove: string }>();
  const [link, setLink] = useState<LinkBody>();
  const [refusal, setRefusal] = useState<Refusal>();
  const attempt = async (work: () => Promise<unknown>) => {
    setRefusal(undefined);
    try {
      await work();
      live.refresh();
    } catch (error) {
      setRefusal(refusalOf(error));
    }
  };
  const makeLink = (user: string) =>
    attempt(async () => setLink(await send<LinkBody>("POST", `/users/${encodeURIComponent(user)}/link`)));
  const users = live.value.value;
  return (
    <section class="card" aria-label={say(texts.people)}>
      <div class="card-head">
        <h2>{say(texts.people)}</h2>
        <button type="button" class="button" onClick={() => setOpen("add")}>
          {say(texts.addUser)}
        </button>
      </div>
      {refusal !== undefined && <Problem fault={refusal} />}
      {link !== undefined && <Secret label={say(texts.linkMade(link.user))} value={link.links[0] ?? link.code} />}
      {users === undefined ? (
        <Loading />
      ) : (
        <ul class="lines">
          {users.map((user) => (
            <li key={user.name} class="line">
              <div class="line-words">
                <strong>{user.name}</strong>
                <span class="sub">{say(accessOf(user))}</span>
              </div>
              <select
                aria-label={`${say(texts.role)} (${user.name})`}
                value={user.role}
                disabled={user.name === me.value?.name}
                onChange={({ currentTarget }) =>
                  void attempt(() =>
                    send("PATCH", `/users/${encodeURIComponent(user.name)}`, { role: currentTarget.value as Role }),
                  )
                }
              >
                {(Object.keys(texts.roles) as Role[]).map((role) => (
                  <option key={role} value={role}>
                    {role}: {say(texts.roles[role])}
                  </option>
                ))}
              </select>
              <button
                type="button"
                class="button"
                aria-label={`${say(texts.makeLink)} (${user.name})`}
                onClick={() => void makeLink(user.name)}
              >
                {say(texts.makeLink)}
              </button>
              {user.name !== me.value?.name && (
                <button
                  type="button"
                  class="button"
                  aria-label={`${say(texts.remove)} (${user.name})`}
                  onClick={() => setOpen({ remove: user.name })}
                >
                  {say(texts.remove)}
                </button>
              )}
            </li>
          ))}
        </ul>
      )}
      {open === "add" && (
        <AddUser
          onClose={() => setOpen(undefined)}
          onAdded={(name) => {
            setOpen(undefined);
            void makeLink(name);
          }}
        />
      )}
      {typeof open === "object" && (
        <Confirm
          title={say(texts.removeUserTitle(open.remove))}
          what={say(texts.removeUserWhat)}
          doIt={say(texts.removeNow)}
          onClose={() => setOpen(undefined)}
          onDo={() => {
            setOpen(undefined);
            void attempt(() => send("DELETE", `/users/${encodeURIComponent(open.remove)}`));
          }}
        />
      )}
    </section>
  );
}

function accessOf({ hasPassword, hasLink }: UserBody) {
  if (hasLink) return texts.hasLink;
  return hasPassword ? texts.hasPassword : texts.hasNothing;
}

function AddUser({ onClose, onAdded }: { onClose: () => void; onAdded: (name: string) => void }) {
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>("operator");
  const add = async () => {
    await send("POST", "/users", { name, role });
    onAdded(name);
  };
  return (
    <FormDialog
      title={say(texts.addUser)}
      doIt={say(texts.makeLink)}
      isReady={name !== ""}
      onClose={onClose}
      onDo={add}
    >
      <Field name={say(texts.name)} value={name} onInput={setName} isRequired />
      <RoleChoice role={role} onChange={setRole} />
    </FormDialog>
  );
}
