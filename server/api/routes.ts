import { Readable } from "node:stream";
import { Type } from "typebox";
import type { DeployStreams } from "../deploy-streams.ts";
import type { Deploys } from "../deploys.ts";
import type { EventLog, StoredEvent } from "../events.ts";
import type { Host } from "../host-record.ts";
import type { Hosts } from "../hosts.ts";
import type { HttpServer } from "../http.ts";
import type { Sessions } from "../sessions.ts";
import {
  DeployPlanBody,
  DeployRequestBody,
  EventBody,
  HostBody,
  HostChangeBody,
  ImageBody,
  SessionBody,
  StatusBody,
} from "./schemas.ts";

export type ApiOptions = {
  readonly hosts: Hosts;
  readonly deploys: Deploys;
  readonly sessions: Sessions;
  readonly streams: DeployStreams;
  readonly events: EventLog;
  listImages(): Promise<ImageBody[]>;
  status(): Promise<StatusBody>;
};

const OneHost = Type.Object({ host: Type.String() });
const OneSession = Type.Object({ session: Type.Integer({ minimum: 1 }) });
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
 * It has no authentication yet, and it gives orders to erase disks. So it is
 * only ever mounted on the UNIX socket in the data directory, which the file
 * system protects, and never on a network port.
 */
export function apiRoutes(http: HttpServer, options: ApiOptions): void {
  const { hosts, deploys, sessions, streams, events } = options;

  http.get("/api/v1/status", { config: { role: "viewer" }, schema: { response: { 200: StatusBody } } }, () =>
    options.status(),
  );

  http.get(
    "/api/v1/hosts",
    { config: { role: "viewer" }, schema: { response: { 200: Type.Object({ hosts: Type.Array(HostBody) }) } } },
    async () => ({
      hosts: (await hosts.list()).map(hostBody),
    }),
  );

  http.get(
    "/api/v1/hosts/:host",
    { config: { role: "viewer" }, schema: { params: OneHost, response: { 200: HostBody } } },
    async (request) => hostBody(await hosts.find(request.params.host)),
  );

  http.patch(
    "/api/v1/hosts/:host",
    { config: { role: "operator" }, schema: { params: OneHost, body: HostChangeBody, response: { 200: HostBody } } },
    async (request) => {
      const { name, diskRule } = request.body;
      let host = await hosts.find(request.params.host);
      if (diskRule !== undefined) host = await hosts.setDiskRule(host.id, diskRule);
      if (name !== undefined) host = await hosts.rename(host.id, name);
      return hostBody(host);
    },
  );

  http.delete(
    "/api/v1/hosts/:host",
    { config: { role: "operator" }, schema: { params: OneHost, response: { 200: HostBody } } },
    async (request) => hostBody(await hosts.forget(request.params.host)),
  );

  http.get(
    "/api/v1/images",
    { config: { role: "viewer" }, schema: { response: { 200: Type.Object({ images: Type.Array(ImageBody) }) } } },
    async () => ({ images: await options.listImages() }),
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
    { config: { role: "viewer" }, schema: { response: { 200: Type.Object({ sessions: Type.Array(SessionBody) }) } } },
    async () => ({ sessions: writable(await sessions.list()) }),
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
      const filter = { limit, deployId: session, hostId, hasBoots: boots };
      if (!request.headers.accept?.includes("text/event-stream")) {
        return { events: writable(await events.list({ after, ...filter })) };
      }
      const lastEventId = Number(request.headers["last-event-id"] ?? after);
      const feed = eventFeed(events, { after: Number.isSafeInteger(lastEventId) ? lastEventId : after, ...filter });
      reply.raw.once("close", () => feed.destroy());
      return reply
        .type("text/event-stream")
        .header("cache-control", "no-store")
        .serializer((sent: unknown) => sent as string)
        .send(feed as never);
    },
  );
}

/** Server-sent events: those in the table first, then live ones, each once. */
function eventFeed(
  events: EventLog,
  filter: { after: number; deployId: number | undefined; hostId: string | undefined; hasBoots: boolean },
): Readable {
  const feed = new Readable({ read: () => undefined });
  let lastId = filter.after;
  let live: StoredEvent[] | undefined = [];
  const send = (event: StoredEvent) => {
    if (event.id <= lastId) return;
    lastId = event.id;
    if (filter.deployId !== undefined && event.deployId !== filter.deployId) return;
    if (filter.hostId !== undefined && event.hostId !== filter.hostId) return;
    if (!filter.hasBoots && event.kind.startsWith("boot.")) return;
    feed.push(`id: ${event.id}\nevent: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`);
  };
  const unsubscribe = events.subscribe((event) => (live === undefined ? send(event) : live.push(event)));
  feed.once("close", unsubscribe);
  // A comment at once, so that the client sees the headers before the first event.
  feed.push(": bootcast events\n\n");
  (async () => {
    for (;;) {
      const stored = await events.list({
        after: lastId,
        limit: 1000,
        deployId: filter.deployId,
        hostId: filter.hostId,
        hasBoots: filter.hasBoots,
      });
      for (const event of stored) send(event);
      if (stored.length < 1000) break;
    }
    for (const event of live ?? []) send(event);
    live = undefined;
  })().catch((error) => feed.destroy(error as Error));
  return feed;
}

function hostBody(host: Host): HostBody {
  const { inventory, waitingSinceMs: _, ...rest } = host;
  return { ...rest, memoryBytes: inventory.memoryBytes, firmware: inventory.firmware, disks: inventory.disks };
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
