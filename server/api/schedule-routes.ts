import { Type } from "typebox";
import { currentActor } from "../access/actor.ts";
import type { HttpServer } from "../http/http.ts";
import { ownTimeZone } from "../schedules/local-time.ts";
import type { Schedule, ScheduleRun } from "../schedules/schedule.ts";
import type { NewSchedule, Schedules } from "../schedules/schedules.ts";
import { Next, PageQuery, pageOf } from "./page.ts";
import {
  NewScheduleBody,
  OccurrenceBody,
  ScheduleBody,
  ScheduleChangeBody,
  SchedulePlanBody,
  ScheduleRunBody,
} from "./schedule-schemas.ts";
import type { DeployRequestBody } from "./schemas.ts";
import { writable } from "./writable.ts";

const OneSchedule = Type.Object({ schedule: Type.String({ minLength: 1, maxLength: 63 }) });
const NextQuery = Type.Object({ count: Type.Integer({ minimum: 1, maximum: 100, default: 10 }) });
const RunQuery = Type.Object({
  limit: Type.Integer({ minimum: 1, maximum: 200, default: 50 }),
  /** `next` of the page before. */
  cursor: Type.Optional(Type.Integer({ minimum: 1 })),
});
const DEFAULT_WINDOW_MS = 2 * 3_600_000;
/** How many times are shown with a schedule. */
const SHOWN = 5;

/** Orders that are given again and again: `/api/v1/schedules`. */
export function scheduleRoutes(http: HttpServer, { schedules }: { readonly schedules: Schedules }): void {
  const bodyOf = async (schedule: Schedule): Promise<ScheduleBody> => {
    const { request, handledUntilMs: _, ...rest } = schedule;
    return {
      ...rest,
      quietHours: [...rest.quietHours],
      deploy: request as DeployRequestBody,
      next: schedules.next(schedule, SHOWN),
      runs: (await schedules.runs(schedule.name, { limit: SHOWN })).map(runBody),
    };
  };

  http.get(
    "/api/v1/schedules",
    {
      config: { role: "viewer" },
      schema: {
        querystring: PageQuery,
        response: { 200: Type.Object({ schedules: Type.Array(ScheduleBody), next: Next }) },
      },
    },
    async ({ query }) => {
      const { items, ...next } = pageOf(await schedules.list(), query, { keyOf: ({ name }) => name });
      return { schedules: await Promise.all(items.map(bodyOf)), ...next };
    },
  );

  http.post(
    "/api/v1/schedules/plan",
    { config: { role: "operator" }, schema: { body: NewScheduleBody, response: { 200: SchedulePlanBody } } },
    async ({ body }) => {
      const wanted = wantedOf(body);
      const plan = await schedules.plan(wanted);
      const next = schedules.nextOf(wanted, SHOWN);
      return { next, plan: plan === undefined ? null : writable(plan) };
    },
  );

  http.post(
    "/api/v1/schedules",
    { config: { role: "operator" }, schema: { body: NewScheduleBody, response: { 201: ScheduleBody } } },
    async ({ body }, reply) => reply.code(201).send(await bodyOf(await schedules.add(wantedOf(body)))),
  );

  http.get(
    "/api/v1/schedules/:schedule",
    { config: { role: "viewer" }, schema: { params: OneSchedule, response: { 200: ScheduleBody } } },
    async ({ params }) => bodyOf(await schedules.find(params.schedule)),
  );

  http.patch(
    "/api/v1/schedules/:schedule",
    {
      config: { role: "operator" },
      schema: { params: OneSchedule, body: ScheduleChangeBody, response: { 200: ScheduleBody } },
    },
    async ({ params, body }) => bodyOf(await schedules.pause(params.schedule, body.isPaused)),
  );

  http.delete(
    "/api/v1/schedules/:schedule",
    { config: { role: "operator" }, schema: { params: OneSchedule, response: { 200: Type.Object({}) } } },
    async ({ params }) => {
      await schedules.remove(params.schedule);
      return {};
    },
  );

  http.get(
    "/api/v1/schedules/:schedule/next",
    {
      config: { role: "viewer" },
      schema: {
        params: OneSchedule,
        querystring: NextQuery,
        response: { 200: Type.Object({ next: Type.Array(OccurrenceBody) }) },
      },
    },
    async ({ params, query }) => ({ next: schedules.next(await schedules.find(params.schedule), query.count) }),
  );

  http.get(
    "/api/v1/schedules/:schedule/runs",
    {
      config: { role: "viewer" },
      schema: {
        params: OneSchedule,
        querystring: RunQuery,
        response: { 200: Type.Object({ runs: Type.Array(ScheduleRunBody), next: Next }) },
      },
    },
    async ({ params, query: { limit, cursor } }) => {
      const { name } = await schedules.find(params.schedule);
      const found = await schedules.runs(name, { limit: limit + 1, before: cursor });
      const page = found.slice(0, limit).map(runBody);
      return { runs: page, ...(found.length > limit ? { next: String(page.at(-1)!.dueAtMs) } : {}) };
    },
  );
}

function runBody({ schedule: _, leftOut, ...run }: ScheduleRun): ScheduleRunBody {
  return { ...run, leftOut: [...leftOut] };
}

/** With what is meant where nothing is said. */
function wantedOf(body: NewScheduleBody): NewSchedule {
  return {
    name: body.name,
    cron: body.cron,
    timeZone: body.timeZone ?? ownTimeZone(),
    windowMs: body.windowMs ?? DEFAULT_WINDOW_MS,
    isWaking: body.isWaking ?? true,
    wakeBeforeMs: body.wakeBeforeMs ?? 0,
    quietHours: body.quietHours ?? [],
    missed: body.missed ?? "run",
    skipsUsed: body.skipsUsed ?? false,
    request: { ...body.deploy, erase: body.deploy.erase ?? "none" },
    madeBy: currentActor()?.name ?? "the server",
  };
}
