import { Type } from "typebox";
import { FaultBody } from "../../agent/contract.ts";
import { currentActor } from "../access/actor.ts";
import type { HttpServer } from "../http/http.ts";
import type { Courier } from "../notify/courier.ts";
import { shownAddress, type Target, type Targets } from "../notify/targets.ts";
import { defaultTopics, topics } from "../notify/topics.ts";
import { Next, PageQuery, pageOf } from "./page.ts";

const Nullable = <T extends Type.TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const TargetKind = Type.Unsafe<"webhook" | "mail">({ type: "string", enum: ["webhook", "mail"] });
const TopicName = Type.Unsafe<(typeof topics)[number]>({ type: "string", enum: [...topics] });
const OneTarget = Type.Object({ target: Type.String({ minLength: 1, maxLength: 63 }) });

export const TargetBody = Type.Object({
  name: Type.String(),
  kind: TargetKind,
  /** Of a webhook only the beginning: the rest is often all that protects it. */
  to: Type.String(),
  topics: Type.Array(TopicName),
  isPaused: Type.Boolean(),
  /** Messages that wait. */
  waiting: Type.Number(),
  /** Messages that found no place in the queue since it was told anything last. */
  dropped: Type.Number(),
  /** When it was told something last. */
  toldAtMs: Nullable(Type.Number()),
  /** How often in a row it could not be told, and why the last time. */
  failures: Type.Number(),
  fault: Nullable(FaultBody),
  madeBy: Type.String(),
  createdAtMs: Type.Number(),
});
const NewTargetBody = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 63 }),
    kind: TargetKind,
    /** A URL, or mail addresses with commas between. */
    address: Type.String({ minLength: 1, maxLength: 2000 }),
    /** What it is told of; "host-failed", "session-ended", "schedule" and "problem" unless given. */
    topics: Type.Optional(Type.Array(TopicName)),
  },
  { additionalProperties: false },
);
export const MadeTargetBody = Type.Object({
  target: TargetBody,
  /** What a webhook's messages are signed with (Standard Webhooks); it is not shown again. Null for mail. */
  secret: Nullable(Type.String()),
});
const TargetChangeBody = Type.Object(
  { isPaused: Type.Optional(Type.Boolean()), topics: Type.Optional(Type.Array(TopicName)) },
  { additionalProperties: false, minProperties: 1 },
);
export const TestBody = Type.Object({ isTold: Type.Boolean(), fault: Nullable(FaultBody) });

export type TargetBody = Type.Static<typeof TargetBody>;
export type MadeTargetBody = Type.Static<typeof MadeTargetBody>;
export type TestBody = Type.Static<typeof TestBody>;

const admin = { config: { role: "admin" as const } };

/** Who is told what happens: `/api/v1/notifications`, for admins only, because the server goes where they say. */
export function notifyRoutes(
  http: HttpServer,
  { targets, courier }: { readonly targets: Targets; readonly courier: Courier },
): void {
  http.get(
    "/api/v1/notifications",
    {
      ...admin,
      schema: {
        querystring: PageQuery,
        response: { 200: Type.Object({ notifications: Type.Array(TargetBody), next: Next }) },
      },
    },
    async ({ query }) => {
      const { items, ...next } = pageOf(await targets.list(), query, { keyOf: ({ name }) => name });
      return { notifications: items.map(targetBody), ...next };
    },
  );

  http.post(
    "/api/v1/notifications",
    { config: { ...admin.config, isSecret: true }, schema: { body: NewTargetBody, response: { 201: MadeTargetBody } } },
    async ({ body }, reply) => {
      const madeBy = currentActor()?.name ?? "the server";
      const { target, secret } = await targets.add({ ...body, topics: body.topics ?? defaultTopics, madeBy });
      return reply.code(201).send({ target: targetBody(target), secret });
    },
  );

  http.patch(
    "/api/v1/notifications/:target",
    { ...admin, schema: { params: OneTarget, body: TargetChangeBody, response: { 200: TargetBody } } },
    async ({ params, body }) => targetBody(await targets.change(params.target, body)),
  );

  http.delete(
    "/api/v1/notifications/:target",
    { ...admin, schema: { params: OneTarget, response: { 200: Type.Object({}) } } },
    async ({ params }) => {
      await targets.remove(params.target);
      return {};
    },
  );

  http.post(
    "/api/v1/notifications/:target/test",
    { ...admin, schema: { params: OneTarget, response: { 200: TestBody } } },
    async ({ params }) => {
      const told = await courier.test(await targets.find(params.target));
      return { isTold: told.isTold, fault: told.isTold ? null : told.fault.toJSON() };
    },
  );
}

function targetBody({ address, topics: wanted, ...target }: Target): TargetBody {
  return { ...target, topics: [...wanted], to: shownAddress({ kind: target.kind, address }) };
}
