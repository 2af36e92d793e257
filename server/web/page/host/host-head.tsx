import { useState } from "preact/hooks";
import type { HostBody } from "../../../api/host-schemas.ts";
import { send } from "../api.ts";
import { CaptureDialog } from "../deploy/capture-dialog.tsx";
import { deployWish } from "../deploy/wish.ts";
import { Confirm } from "../parts/dialog.tsx";
import { Field } from "../parts/fields.tsx";
import { FormDialog } from "../parts/form-dialog.tsx";
import { Head } from "../parts/head.tsx";
import { Icon } from "../parts/icon.tsx";
import { Problem } from "../parts/notice.tsx";
import { say } from "../preferences.ts";
import { hosts, isOperator } from "../store.ts";
import { texts } from "../texts.ts";
import { useAttempt } from "../use-attempt.ts";

/** What the machine is called, and what a person can do with it. */
export function HostHead({ host }: { host: HostBody }) {
  const [open, setOpen] = useState<"rename" | "forget" | "capture">();
  const { refusal, attempt } = useAttempt();
  const close = () => setOpen(undefined);
  const forget = async () => {
    await send("DELETE", `/hosts/${encodeURIComponent(host.id)}`);
    hosts.refresh();
    location.hash = "#/";
  };
  return (
    <>
      <Head title={host.name} note={[host.vendor, host.model].filter(Boolean).join(" ")}>
        {isOperator.value && (
          <>
            <button
              type="button"
              class="button button-main"
              onClick={() => {
                deployWish.value = { hostIds: [host.id] };
              }}
            >
              <Icon name="down" /> {say(texts.deploy)}
            </button>
            <button type="button" class="button" onClick={() => setOpen("capture")}>
              <Icon name="up" /> {say(texts.capture)}
            </button>
            <button type="button" class="button" onClick={() => setOpen("rename")}>
              {say(texts.rename)}
            </button>
            <button type="button" class="button" onClick={() => setOpen("forget")}>
              {say(texts.forget)}
            </button>
          </>
        )}
      </Head>
      {refusal !== undefined && <Problem fault={refusal} />}
      {open === "rename" && <Rename host={host} onClose={close} />}
      {open === "capture" && <CaptureDialog hostId={host.id} onClose={close} />}
      {open === "forget" && (
        <Confirm
          title={say(texts.forgetTitle(host.name))}
          what={say(texts.forgetWhat)}
          doIt={say(texts.forgetNow)}
          onClose={close}
          onDo={() => {
            close();
            void attempt(forget);
          }}
        />
      )}
    </>
  );
}

function Rename({ host, onClose }: { host: HostBody; onClose: () => void }) {
  const [name, setName] = useState(host.name);
  const [note, setNote] = useState(host.note ?? "");
  const save = async () => {
    await send("PATCH", `/hosts/${encodeURIComponent(host.id)}`, {
      ...(name === host.name ? {} : { name }),
      note: note === "" ? null : note,
    });
    hosts.refresh();
    onClose();
  };
  return (
    <FormDialog title={say(texts.rename)} doIt={say(texts.save)} isReady={name !== ""} onClose={onClose} onDo={save}>
      <Field name={say(texts.name)} value={name} onInput={setName} isRequired />
      <Field name={say(texts.note)} value={note} onInput={setNote} />
    </FormDialog>
  );
}
