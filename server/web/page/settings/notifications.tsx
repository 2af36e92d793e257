import { useState } from "preact/hooks";
import type { MadeTargetBody, TargetBody, TestBody } from "../../../api/notify-routes.ts";
import { getAll, type Refusal, send } from "../api.ts";
import { Confirm } from "../parts/dialog.tsx";
import { Field, FormDialog } from "../parts/form-dialog.tsx";
import { Loading, Problem, refusalOf } from "../parts/notice.tsx";
import { say } from "../preferences.ts";
import { texts } from "../texts.ts";
import { useLive } from "../use-live.ts";
import { Secret } from "./secret.tsx";

type Kind = TargetBody["kind"];

/** Who is told what happens; each can be tried. */
export function Notifications() {
  const live = useLive("notifications", () => getAll<TargetBody>("/notifications", "notifications"), {
    wants: ({ kind }) => kind.startsWith("notif"),
  });
  const [open, setOpen] = useState<"add" | { readonly remove: string }>();
  const [made, setMade] = useState<MadeTargetBody>();
  const [told, setTold] = useState("");
  const [fault, setFault] = useState<Refusal | NonNullable<TestBody["fault"]>>();
  const attempt = async (work: () => Promise<unknown>) => {
    setFault(undefined);
    setTold("");
    try {
      await work();
      live.refresh();
    } catch (error) {
      setFault(refusalOf(error));
    }
  };
  const test = (name: string) =>
    attempt(async () => {
      const answer = await send<TestBody>("POST", `/notifications/${encodeURIComponent(name)}/test`);
      if (answer.fault === null) setTold(say(texts.testTold(name)));
      else setFault(answer.fault);
    });
  const targets = live.value.value;
  return (
    <section class="card" aria-label={say(texts.notifications)}>
      <div class="card-head">
        <h2>{say(texts.notifications)}</h2>
        <button type="button" class="button" onClick={() => setOpen("add")}>
          {say(texts.addNotification)}
        </button>
      </div>
      {fault !== undefined && <Problem fault={fault} />}
      <p role="status" class="good">
        {told}
      </p>
      {typeof made?.secret === "string" && <Secret label={say(texts.secretOnce)} value={made.secret} />}
      {targets === undefined ? (
        <Loading />
      ) : targets.length === 0 ? (
        <p class="muted">{say(texts.noNotifications)}</p>
      ) : (
        <ul class="lines">
          {targets.map(({ name, kind, to, fault: last }) => (
            <li key={name} class="line">
              <div class="line-words">
                <strong>{name}</strong>
                <span class="sub">
                  {say(texts.notifyKinds[kind])} · {to}
                </span>
                {last !== null && <span class="sub bad">{last.what}</span>}
              </div>
              <button
                type="button"
                class="button"
                aria-label={`${say(texts.test)} (${name})`}
                onClick={() => void test(name)}
              >
                {say(texts.test)}
              </button>
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
        <AddTarget
          onClose={() => setOpen(undefined)}
          onMade={(target) => {
            setOpen(undefined);
            setMade(target);
            live.refresh();
          }}
        />
      )}
      {typeof open === "object" && (
        <Confirm
          title={say(texts.removeUserTitle(open.remove))}
          what={say(texts.removeTargetWhat)}
          doIt={say(texts.removeNow)}
          onClose={() => setOpen(undefined)}
          onDo={() => {
            setOpen(undefined);
            void attempt(() => send("DELETE", `/notifications/${encodeURIComponent(open.remove)}`));
          }}
        />
      )}
    </section>
  );
}

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
      <label>
        <span>{say(texts.notifyKind)}</span>
        <select value={kind} onChange={({ currentTarget }) => setKind(currentTarget.value as Kind)}>
          {(Object.keys(texts.notifyKinds) as Kind[]).map((one) => (
            <option key={one} value={one}>
              {say(texts.notifyKinds[one])}
            </option>
          ))}
        </select>
      </label>
      <Field name={say(texts.notifyAddress)} value={address} onInput={setAddress} isRequired />
    </FormDialog>
  );
}
