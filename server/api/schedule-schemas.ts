import { Type } from "typebox";
import { runStates } from "../schedules/schedule.ts";
import { DeployPlanBody, DeployRequestBody } from "./schemas.ts";

const Nullable = <T extends Type.TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const Missed = Type.Unsafe<"run" | "skip">({ type: "string", enum: ["run", "skip"] });
const Name = Type.String({ minLength: 1, maxLength: 63 });

/** What a person gives. */
export const NewScheduleBody = Type.Object(
  {
    name: Name,
    /** Five fields: minute, hour, day of the month, month, day of the week. */
    cron: Type.String({ minLength: 9, maxLength: 100 }),
    /** Like "Europe/Berlin"; that of the server unless given. */
    timeZone: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
    /** How long after its time a host may still begin; 2 hours unless given. */
    windowMs: Type.Optional(Type.Integer({ minimum: 0 })),
    /** Whether hosts that are off are woken; true unless given. */
    isWaking: Type.Optional(Type.Boolean()),
    /** So long before its time the order is given and the hosts are woken; 0 unless given. */
    wakeBeforeMs: Type.Optional(Type.Integer({ minimum: 0 })),
    /** Hours in which nothing begins, like "mon-fri 08:00-16:00". */
    quietHours: Type.Optional(Type.Array(Type.String({ maxLength: 100 }))),
    /** A time that came while the server was down: "run" late, while its window is open (unless given), or "skip". */
    missed: Type.Optional(Missed),
    /** Whether hosts are left alone whose own system runs: somebody may be at work there; false unless given. */
    skipsUsed: Type.Optional(Type.Boolean()),
    /** What is ordered each time; "erase" is "none", which sends and writes only what differs, unless given. */
    deploy: DeployRequestBody,
  },
  { additionalProperties: false },
);

/** What is changed; times that come while it is paused are not made up for. */
export const ScheduleChangeBody = Type.Object({ isPaused: Type.Boolean() }, { additionalProperties: false });

export const OccurrenceBody = Type.Object({
  dueAtMs: Type.Number(),
  /** When the order is given and hosts are woken. */
  opensAtMs: Type.Number(),
  /** Hosts that have not begun by then are left alone. */
  endsAtMs: Type.Number(),
  /** Why it does not take place; absent: it does. */
  refused: Type.Optional(Type.String()),
});

export const ScheduleRunBody = Type.Object({
  dueAtMs: Type.Number(),
  openedAtMs: Type.Number(),
  endsAtMs: Type.Number(),
  state: Type.Unsafe<(typeof runStates)[number]>({ type: "string", enum: [...runStates] }),
  /** Its session; null: nothing was ordered. */
  deployId: Nullable(Type.Number()),
  /** Hosts that were in use, and words of it that meant nobody. */
  leftOut: Type.Array(Type.Object({ name: Type.String(), why: Type.String() })),
  why: Type.String(),
  endedAtMs: Nullable(Type.Number()),
});

export const ScheduleBody = Type.Object({
  name: Type.String(),
  cron: Type.String(),
  timeZone: Type.String(),
  windowMs: Type.Number(),
  isWaking: Type.Boolean(),
  wakeBeforeMs: Type.Number(),
  quietHours: Type.Array(Type.String()),
  missed: Missed,
  skipsUsed: Type.Boolean(),
  isPaused: Type.Boolean(),
  madeBy: Type.String(),
  createdAtMs: Type.Number(),
  deploy: DeployRequestBody,
  /** Its next times. */
  next: Type.Array(OccurrenceBody),
  /** What became of the last ones, the newest first. */
  runs: Type.Array(ScheduleRunBody),
});

export const SchedulePlanBody = Type.Object({
  next: Type.Array(OccurrenceBody),
  /** What an order would do now; null: its hosts are busy or locked. */
  plan: Nullable(DeployPlanBody),
});

export type NewScheduleBody = Type.Static<typeof NewScheduleBody>;
export type ScheduleBody = Type.Static<typeof ScheduleBody>;
export type SchedulePlanBody = Type.Static<typeof SchedulePlanBody>;
export type OccurrenceBody = Type.Static<typeof OccurrenceBody>;
export type ScheduleRunBody = Type.Static<typeof ScheduleRunBody>;
