import { useState } from "preact/hooks";
import type { NewScheduleBody, SchedulePlanBody } from "../../../api/schedule-schemas.ts";
import { send } from "../api.ts";
import { Plan } from "../deploy/plan.tsx";
import { confirmingWords, isConfirmed } from "../deploy/request.ts";
import { TypedWord } from "../deploy/typed-word.tsx";
import { Field, optionsOf, ownWords, SelectField } from "../parts/fields.tsx";
import { FormDialog } from "../parts/form-dialog.tsx";
import { as, say } from "../preferences.ts";
import { cronOf, type Days } from "../schedule-times.ts";
import { images, schedules } from "../store.ts";
import { texts } from "../texts.ts";

const HOUR_MS = 3_600_000;

/** What is ordered again and again: the plan and the typed word come before it, as with any order. */
export function AddSchedule({ onClose }: { onClose: () => void }) {
  const known = [...new Set((images.value.value ?? []).map(({ name }) => name))];
  const [name, setName] = useState("");
  const [image, setImage] = useState(known[0] ?? "");
  const [to, setTo] = useState("");
  const [days, setDays] = useState<Days>("workdays");
  const [time, setTime] = useState("22:00");
  const [ownCron, setOwnCron] = useState("0 22 * * 1-5");
  const [hours, setHours] = useState("2");
  const [isWaking, setWaking] = useState(true);
  const [plan, setPlan] = useState<SchedulePlanBody>();
  const [typed, setTyped] = useState("");
  const wanted: NewScheduleBody = {
    name,
    cron: days === "own" ? ownCron : cronOf(days, time),
    timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    windowMs: Math.round(Number(hours) * HOUR_MS),
    isWaking,
    deploy: { image, to: to.split(/\s+/).filter((word) => word !== "") },
  };
  // A plan for "any" has no hosts yet.
  const words = plan?.plan == null ? [name] : [plan.plan.confirmation, ...confirmingWords(plan.plan)];
  const go = async () => {
    if (plan === undefined) {
      setPlan(await send<SchedulePlanBody>("POST", "/schedules/plan", wanted));
      return;
    }
    await send("POST", "/schedules", wanted);
    schedules.refresh();
    onClose();
  };
  if (plan !== undefined) {
    const next = plan.next[0];
    return (
      <FormDialog
        title={name}
        doIt={say(texts.scheduleOrder)}
        isReady={isConfirmed(typed, words)}
        isWide
        onClose={onClose}
        onDo={go}
      >
        {next !== undefined && <p class="big">{say(texts.schedulePlan(as.date(next.dueAtMs)))}</p>}
        {plan.plan !== null && <Plan plan={plan.plan} />}
        <TypedWord words={words} value={typed} onInput={setTyped} />
      </FormDialog>
    );
  }
  return (
    <FormDialog
      title={say(texts.addSchedule)}
      doIt={say(texts.showPlan)}
      isReady={name !== "" && image !== "" && to.trim() !== ""}
      onClose={onClose}
      onDo={go}
    >
      <Field name={say(texts.scheduleName)} value={name} onInput={setName} placeholder="kiosks" isRequired />
      <SelectField name={say(texts.image)} value={image} options={ownWords(known)} onChange={setImage} />
      <Field name={say(texts.scheduleTo)} value={to} onInput={setTo} placeholder="room-b" isRequired />
      <SelectField name={say(texts.scheduleDays)} value={days} options={optionsOf(texts.dayWords)} onChange={setDays} />
      {days === "own" ? (
        <Field name={say(texts.cron)} value={ownCron} onInput={setOwnCron} isRequired />
      ) : (
        <Field name={say(texts.scheduleTime)} value={time} onInput={setTime} type="time" isRequired />
      )}
      <Field name={say(texts.scheduleWindow)} value={hours} onInput={setHours} type="number" isRequired />
      <label class="check">
        <input type="checkbox" checked={isWaking} onChange={({ currentTarget }) => setWaking(currentTarget.checked)} />
        <span>{say(texts.scheduleWake)}</span>
      </label>
    </FormDialog>
  );
}
