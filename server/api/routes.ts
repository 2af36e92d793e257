import { Readable } from "node:stream";
import { Type } from "typebox";
import type { EventLog } from "../events.ts";
import type { Hosts } from "../hosts/hosts.ts";
import type { HttpServer } from "../http/http.ts";
import type { DeployStreams } from "../orders/deploy-streams.ts";
import type { Deploys } from "../orders/deploys.ts";
import type { Sessions } from "../orders/sessions.ts";
import { eventFeed, feedReply, lastEventId, wantsFeed } from "./event-feed.ts";
import { Next, PageQuery, pageOf } from "./page.ts";
import { DeployPlanBody, DeployRequestBody, EventBody, ImageBody, SessionBody, StatusBody } from "./schemas.ts";

export type ApiOptions = {
  readonly hosts: Hosts;
  readonly deploys: Deploys;
  readonly sessions: Sessions;
  readonly streams: DeployStreams;
  readonly events: EventLog;
  listImages(): Promise<ImageBody[]>;
  status(): Promise<StatusBody>;
};

const OneSession = Type.Object({ session: Type.Integer({ minimum: 1 }) });
/** The newest first; each is put together from its events, so there is always a limit. */
const SessionQuery = Type.Object({
  limit: Type.Integer({ minimum: 1, maximum: 200, default: 50 }),
  cursor: Type.Optional(Type.Integer({ minimum: 1 })),
});
const EventQuery = Type.Object({
  after: Type.Integer({ minimum: 0, default: 0 }),
  limit: Type.Integer({ minimum: 1, maximum: 10_000, default: 1000 }),
  session: Type.Optional(Type.Integer({ minimum: 1 })),
  host: Type.Optional(Type.String()),
  /** False leaves out the boot trace ("boot.…"), which is most of what happens. */
  boots: Type.Boolean({ default: true }),
});

/**
 * The API of people and programs, `/api/v1`.
 *
 * It gives orders to erase disks: access.ts lets nobody pass without the role
 * that a route declares, but whoever may open the UNIX socket.
 */
export function apiRoutes(http: HttpServer, options: ApiOptions): void {
  const { hosts, deploys, sessions, streams, events } = options;

  http.get("/api/v1/status", { config: { role: "viewer" }, schema: { response: { 200: StatusBody } } }, () =>
    options.status(),
  );

  http.get(
    "/api/v1/images",
    {
      config: { role: "viewer" },
      schema: { querystring: PageQuery, response: { 200: Type.Object({ images: Type.Array(ImageBody), next: Next }) } },
    },
    async ({ query }) => {
      const { items, ...next } = pageOf(await options.listImages(), query, { keyOf: imageKey });
      return { images: items, ...next };
    },
  );

  http.post(
    "/api/v1/deploys/plan",
    { config: { role: "operator" }, schema: { body: DeployRequestBody, response: { 200: DeployPlanBody } } },
    async (request) => writable(await deploys.plan(request.body)),
  );

  http.post(
    "/api/v1/deploys",
    {
      config: { role: "operator" },
      schema: {
        body: DeployRequestBody,
        response: { 201: Type.Object({ deployId: Type.Number(), plan: DeployPlanBody }) },
      },
    },
    async (request, reply) => {
      const { deployId, plan } = await deploys.create(request.body);
      request.log.info({ deployId, image: plan.image.name, to: plan.to, hosts: plan.hosts.length }, "deploy ordered");
      return reply.code(201).send({ deployId, plan: writable(plan) });
    },
  );

  http.get(
    "/api/v1/sessions",
    {
      config: { role: "viewer" },
      schema: {
        querystring: SessionQuery,
        response: { 200: Type.Object({ sessions: Type.Array(SessionBody), next: Next }) },
      },
    },
    async ({ query: { limit, cursor } }) => {
      const found = await sessions.list({ limit: limit + 1, ...(cursor === undefined ? {} : { before: cursor }) });
      const page = found.slice(0, limit);
      const next = found.length > limit ? { next: String(page.at(-1)!.id) } : {};
      return { sessions: writable(page), ...next };
    },
  );

  http.get(
    "/api/v1/sessions/:session",
    { config: { role: "viewer" }, schema: { params: OneSession, response: { 200: SessionBody } } },
    async (request) => writable(await sessions.show(request.params.session)),
  );

  http.post(
    "/api/v1/sessions/:session/stop",
    { config: { role: "operator" }, schema: { params: OneSession, response: { 200: SessionBody } } },
    async (request) => {
      const { session } = request.params;
      await deploys.cancel(session);
      await streams.close(session);
      return writable(await sessions.show(session));
    },
  );

  // With "Accept: text/event-stream" the answer never ends: what was, then what comes.
  http.get(
    "/api/v1/events",
    {
      config: { role: "viewer" },
      schema: { querystring: EventQuery, response: { 200: Type.Object({ events: Type.Array(EventBody) }) } },
    },
    async (request, reply) => {
      const { after, limit, session, host, boots } = request.query;
      const hostId = host === undefined ? undefined : (await hosts.find(host)).id;
      const filter = { deployId: session, hostId, hasBoots: boots };
      if (!wantsFeed(request)) return { events: writable(await events.list({ after, limit, ...filter })) };
      const closed = new AbortController();
      reply.raw.once("close", () => closed.abort());
      const isLetIn = async () => (await request.isStillLetIn?.()) ?? true;
      const from = { ...filter, after: lastEventId(request, after) };
      const feed = Readable.from(eventFeed(events, from, { signal: closed.signal, isLetIn }));
      return feedReply(reply).send(feed as never);
    },
  );
}

/** By name, then by version: no name has a space, and no version ten digits. */
function imageKey({ name, version }: ImageBody): string {
  return `${name} ${String(version).padStart(10, "0")}`;
}

/** Our values are read-only all the way down, the schemas' types are not: the same value with the type they want. */
function writable<T>(value: T): Mutable<T> {
  return value as Mutable<T>;
}

type Mutable<T> = T extends readonly (infer Item)[]
  ? Mutable<Item>[]
  : T extends object
    ? { -readonly [Key in keyof T]: Mutable<T[Key]> }
    : T;
