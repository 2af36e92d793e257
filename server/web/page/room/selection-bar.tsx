import { useState } from "preact/hooks";
import type { WokenBody } from "../../../api/host-schemas.ts";
import { send } from "../api.ts";
import { deployWish } from "../deploy/wish.ts";
import { Icon } from "../parts/icon.tsx";
import { Problem } from "../parts/notice.tsx";
import { say } from "../preferences.ts";
import { clearSelection, hosts, selectedHosts } from "../store.ts";
import { texts } from "../texts.ts";
import { useAttempt } from "../use-attempt.ts";
import { GroupDialog } from "./group-dialog.tsx";
import { LockDialog } from "./lock-dialog.tsx";

/** What can be done with those that are selected. */
export function SelectionBar() {
  const [open, setOpen] = useState<"lock" | "group">();
  const [told, setTold] = useState("");
  const { refusal, attempt } = useAttempt();
  const chosen = selectedHosts.value;
  if (chosen.length === 0) return null;
  const to = chosen.map(({ id }) => id);
  const tell = (work: () => Promise<string>) => {
    setTold("");
    void attempt(async () => {
      setTold(await work());
      hosts.refresh();
    });
  };
  const wake = () =>
    tell(async () => {
      const { hosts: woken, problems } = await send<WokenBody>("POST", "/hosts/wake", { to });
      return [say(texts.woken(woken.length)), ...problems].join(" ");
    });
  const change = (path: string) =>
    tell(async () => {
      await send("POST", `/hosts/${path}`, { to });
      return "";
    });
  const isLocked = chosen.every(({ lock }) => lock !== null);
  return (
    <>
      <section class="selection" aria-label={say(texts.selection)}>
        {refusal !== undefined && <Problem fault={refusal} />}
        <div class="selection-line">
          <p class="selection-count" role="status">
            {told === "" ? say(texts.selected(chosen.length)) : told}
          </p>
          {chosen.some(({ isApproved }) => !isApproved) && (
            <button type="button" class="button button-main" onClick={() => change("approve")}>
              <Icon name="tick" /> {say(texts.approve)}
            </button>
          )}
          <button
            type="button"
            class="button button-main"
            onClick={() => {
              deployWish.value = { hostIds: to };
            }}
          >
            <Icon name="down" /> {say(texts.deploy)}
          </button>
          <button type="button" class="button" onClick={wake}>
            <Icon name="power" /> {say(texts.wake)}
          </button>
          {isLocked ? (
            <button type="button" class="button" onClick={() => change("unlock")}>
              <Icon name="lock" /> {say(texts.unlock)}
            </button>
          ) : (
            <button type="button" class="button" onClick={() => setOpen("lock")}>
              <Icon name="lock" /> {say(texts.lock)}
            </button>
          )}
          <button type="button" class="button" onClick={() => setOpen("group")}>
            <Icon name="tag" /> {say(texts.groupThem)}
          </button>
          <button type="button" class="button-icon" aria-label={say(texts.clearSelection)} onClick={clearSelection}>
            <Icon name="close" />
          </button>
        </div>
      </section>
      {open === "lock" && <LockDialog to={to} onClose={() => setOpen(undefined)} />}
      {open === "group" && <GroupDialog chosen={chosen} onClose={() => setOpen(undefined)} />}
    </>
  );
}
