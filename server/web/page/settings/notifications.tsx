import { useState } from "preact/hooks";
import type { MadeTargetBody, TargetBody, TestBody } from "../../../api/notify-routes.ts";
import { getAll, send } from "../api.ts";
import { Field, optionsOf, SelectField } from "../parts/fields.tsx";
import { FormDialog } from "../parts/form-dialog.tsx";
import { Problem } from "../parts/notice.tsx";
import { say } from "../preferences.ts";
import { texts } from "../texts.ts";
import { useLive } from "../use-live.ts";
import { LineButton, NamedList } from "./named-list.tsx";
import { Secret } from "./secret.tsx";

type Tried = TestBody & { readonly name: string };

/** Who is told what happens; each can be tried. */
export function Notifications() {
  const live = useLive("notifications", () => getAll<TargetBody>("/notifications", "notifications"), {
    wants: ({ kind }) => kind.startsWith("notif"),
  });
  const [made, setMade] = useState<MadeTargetBody>();
  const [tried, setTried] = useState<Tried>();
  const test = async (name: string) => {
    setTried(undefined);
    const answer = await send<TestBody>("POST", `/notifications/${encodeURIComponent(name)}/test`);
    setTried({ ...answer, name });
  };
  return (
    <NamedList
      title={texts.notifications}
      path="/notifications"
      live={live}
      none={texts.noNotifications}
      add={texts.addNotification}
      adding={(close) => (
        <AddTarget
          onClose={close}
          onMade={(target) => {
            close();
            setMade(target);
            live.refresh();
          }}
        />
      )}
      removeWhat={texts.removeTargetWhat}
      about={({ kind, to, fault }) => (
        <>
          <span class="sub">
            {say(texts.notifyKinds[kind])} · {to}
          </span>
          {fault !== null && <span class="sub bad">{fault.what}</span>}
        </>
      )}
      actions={({ name }, attempt) => (
        <LineButton text={texts.test} of={name} onClick={() => void attempt(() => test(name))} />
      )}
    >
      {tried?.fault != null && <Problem fault={tried.fault} />}
      <p role="status" class="good">
        {tried?.fault === null && say(texts.testTold(tried.name))}
      </p>
      {typeof made?.secret === "string" && <Secret label={say(texts.secretOnce)} value={made.secret} />}
    </NamedList>
  );
}

type Kind = TargetBody["kind"];

function AddTarget({ onClose, onMade }: { onClose: () => void; onMade: (made: MadeTargetBody) => void }) {
  const [name, setName] = useState("");
  const [kind, setKind] = useState<Kind>("mail");
  const [address, setAddress] = useState("");
  const add = async () => onMade(await send<MadeTargetBody>("POST", "/notifications", { name, kind, address }));
  return (
    <FormDialog
      title={say(texts.notifications)}
      doIt={say(texts.save)}
      isReady={name !== "" && address !== ""}
      onClose={onClose}
      onDo={add}
    >
      <Field name={say(texts.name)} value={name} onInput={setName} isRequired />
      <SelectField
        name={say(texts.notifyKind)}
        value={kind}
        options={optionsOf(texts.notifyKinds)}
        onChange={setKind}
      />
      <Field name={say(texts.notifyAddress)} value={address} onInput={setAddress} isRequired />
    </FormDialog>
  );
}
