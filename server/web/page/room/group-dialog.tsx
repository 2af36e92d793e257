import { useId, useState } from "preact/hooks";
import type { HostBody } from "../../../api/host-schemas.ts";
import { send } from "../api.ts";
import { Field } from "../parts/fields.tsx";
import { FormDialog } from "../parts/form-dialog.tsx";
import { say } from "../preferences.ts";
import { hosts } from "../store.ts";
import { texts } from "../texts.ts";

/** Puts hosts into a group; an empty name takes them out of theirs. */
export function GroupDialog({ chosen, onClose }: { chosen: readonly HostBody[]; onClose: () => void }) {
  const [group, setGroup] = useState(chosen[0]?.group ?? "");
  const list = useId();
  const known = [...new Set((hosts.value.value ?? []).flatMap((host) => host.group ?? []))].toSorted();
  const save = async () => {
    await send("POST", "/hosts/group", { to: chosen.map(({ id }) => id), group: group === "" ? null : group });
    hosts.refresh();
    onClose();
  };
  return (
    <FormDialog
      title={say(texts.groupTitle(chosen.length))}
      doIt={say(texts.save)}
      isReady
      onClose={onClose}
      onDo={save}
    >
      <Field name={say(texts.groupName)} value={group} onInput={setGroup} list={list} placeholder="room-b" />
      <datalist id={list}>
        {known.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      <p class="muted">{say(texts.groupNone)}</p>
    </FormDialog>
  );
}
