import { useState } from "preact/hooks";
import type { LinkBody, UserBody } from "../../../api/access-schemas.ts";
import { get, send } from "../api.ts";
import { Field, Select } from "../parts/fields.tsx";
import { FormDialog } from "../parts/form-dialog.tsx";
import { say } from "../preferences.ts";
import { me } from "../store.ts";
import { texts } from "../texts.ts";
import { useLive } from "../use-live.ts";
import { LineButton, NamedList } from "./named-list.tsx";
import { RoleChoice, roleOptions } from "./role-choice.tsx";
import { Secret } from "./secret.tsx";

type Role = UserBody["role"];

/** Who may log in, and what each may do. */
export function People() {
  const live = useLive("users", async () => (await get<{ users: UserBody[] }>("/users")).users, {
    wants: ({ kind }) => kind.startsWith("user."),
  });
  const [link, setLink] = useState<LinkBody>();
  const makeLink = async (user: string) =>
    setLink(await send<LinkBody>("POST", `/users/${encodeURIComponent(user)}/link`));
  const isMe = ({ name }: UserBody) => name === me.value?.name;
  return (
    <NamedList
      title={texts.people}
      path="/users"
      live={live}
      add={texts.addUser}
      adding={(close, attempt) => (
        <AddUser
          onClose={close}
          onAdded={(name) => {
            close();
            void attempt(() => makeLink(name));
          }}
        />
      )}
      removeWhat={texts.removeUserWhat}
      // Nobody locks himself out.
      canRemove={(user) => !isMe(user)}
      about={(user) => <span class="sub">{say(accessOf(user))}</span>}
      actions={(user, attempt) => (
        <>
          <Select
            name={`${say(texts.role)} (${user.name})`}
            value={user.role}
            options={roleOptions()}
            isDisabled={isMe(user)}
            onChange={(role) => void attempt(() => send("PATCH", `/users/${encodeURIComponent(user.name)}`, { role }))}
          />
          <LineButton text={texts.makeLink} of={user.name} onClick={() => void attempt(() => makeLink(user.name))} />
        </>
      )}
    >
      {link !== undefined && <Secret label={say(texts.linkMade(link.user))} value={link.links[0] ?? link.code} />}
    </NamedList>
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
