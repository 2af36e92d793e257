import { Readable } from "node:stream";
import { Type } from "typebox";
import type { EventLog } from "../events.ts";
import type { Hosts } from "../hosts/hosts.ts";
import type { HttpServer } from "../http/http.ts";
import { eventFeed, feedReply, lastEventId, wantsFeed } from "./event-feed.ts";
import { Next, PageQuery, pageOf } from "./page.ts";
import { EventBody, ImageBody, StatusBody } from "./schemas.ts";
import { type SessionRoutesOptions, sessionRoutes } from "./session-routes.ts";
import { writable } from "./writable.ts";

export type ApiOptions = SessionRoutesOptions & {
  readonly hosts: Hosts;
  readonly events: EventLog;
  listImages(): Promise<ImageBody[]>;
  status(): Promise<StatusBody>;
};

const EventQuery = Type.Object({
  after: Type.Integer({ minimum: 0, default: 0 }),
  limit: Type.Integer({ minimum: 1, maximum: 10_000, default: 1000 }),
  /** Only so many, the newest; a feed begins with them. */
  last: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })),
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
  const { hosts, events } = options;

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

  sessionRoutes(http, options);

  // With "Accept: text/event-stream" the answer never ends: what was, then what comes.
  http.get(
    "/api/v1/events",
    {
      config: { role: "viewer" },
      schema: { querystring: EventQuery, response: { 200: Type.Object({ events: Type.Array(EventBody) }) } },
    },
    async (request, reply) => {
      const { after, limit, last, session, host, boots } = request.query;
      const hostId = host === undefined ? undefined : (await hosts.find(host)).id;
      // As the audit log and the lists of users, tokens and notifications.
      const hasAccess = request.caller?.role === "admin";
      const filter = { deployId: session, hostId, hasBoots: boots, hasAccess };
      if (!wantsFeed(request)) return { events: writable(await events.list({ after, limit, last, ...filter })) };
      const closed = new AbortController();
      reply.raw.once("close", () => closed.abort());
      const isLetIn = async () => (await request.isStillLetIn?.()) ?? true;
      const [first] = last === undefined ? [] : await events.list({ after, last, ...filter });
      const from = { ...filter, after: lastEventId(request, first === undefined ? after : first.id - 1) };
      const feed = Readable.from(eventFeed(events, from, { signal: closed.signal, isLetIn }));
      return feedReply(reply).send(feed as never);
    },
  );
}

/** By name, then by version: no name has a space, and no version ten digits. */
function imageKey({ name, version }: ImageBody): string {
  return `${name} ${String(version).padStart(10, "0")}`;
}
