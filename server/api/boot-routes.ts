import { Readable } from "node:stream";
import { Type } from "typebox";
import type { TracedEntry } from "../boot-trace/boot-trace.ts";
import { type BootTraceService, isWanted } from "../boot-trace/service.ts";
import type { TraceFilter } from "../boot-trace/store.ts";
import type { DhcpCounters } from "../dhcp/settings.ts";
import type { Hosts } from "../hosts/hosts.ts";
import type { HttpServer } from "../http/http.ts";
import { BootBody, type RecentBootsBody, TraceBody, type TraceEntryBody } from "./boot-schemas.ts";

export type BootRouteOptions = {
  readonly trace: BootTraceService;
  readonly hosts: Hosts;
  /** Counters since the start; `dhcp` is undefined when it is off. */
  counters(): { readonly dhcp: DhcpCounters | undefined; readonly tftp: Readonly<Record<string, number>> };
};

const MOST_ENTRIES = 10_000;
/** A quiet feed says so, so that its reader knows a quiet room from a dead server. */
const HEARTBEAT_MS = 10_000;
/** A reader that is so far behind is let go; it comes back with the number of the last entry that it has. */
const MOST_UNREAD_BYTES = 4 * 1024 * 1024;

const TraceQuery = Type.Object({
  /** Name or id of a host, or a MAC address, also one that is no host yet. */
  host: Type.Optional(Type.String()),
  since: Type.Integer({ minimum: 0, default: 0 }),
  after: Type.Integer({ minimum: 0, default: 0 }),
  limit: Type.Integer({ minimum: 1, maximum: MOST_ENTRIES, default: 1000 }),
  /** Only the last boot of the host: from its firmware's first packet. */
  boot: Type.Optional(Type.Literal("last")),
});

/** `GET /api/v1/boot` and `GET /api/v1/boot/trace`: how machines boot, for people and programs. */
export function bootTraceRoutes(http: HttpServer, options: BootRouteOptions): void {
  const { trace, hosts } = options;

  http.get("/api/v1/boot", { config: { role: "viewer" }, schema: { response: { 200: BootBody } } }, async () => {
    const { dhcp, tftp } = options.counters();
    return {
      recent: recentBoots(trace),
      dhcp: dhcp === undefined ? null : { answered: { ...dhcp.answered }, dropped: { ...dhcp.dropped } },
      tftp: { ...tftp },
      trace: { notStored: trace.notStored },
    };
  });

  // With "Accept: text/event-stream" the answer never ends: what was, then what comes.
  http.get(
    "/api/v1/boot/trace",
    { config: { role: "viewer" }, schema: { querystring: TraceQuery, response: { 200: TraceBody } } },
    async (request, reply) => {
      const { host, since, after, limit, boot } = request.query;
      const macs = host === undefined ? undefined : await macsOf(host, trace, hosts);
      const filter = { macs, sinceMs: since, afterId: after, limit };
      if (!request.headers.accept?.includes("text/event-stream")) {
        const entries = await trace.list(filter);
        return { entries: (boot === "last" ? lastBoot(entries) : entries).map((entry) => entryBody(entry, trace)) };
      }
      const lastEventId = Number(request.headers["last-event-id"] ?? after);
      const afterId = Number.isSafeInteger(lastEventId) && lastEventId >= 0 ? lastEventId : after;
      const isLetIn = async () => (await request.isStillLetIn?.()) ?? true;
      const feed = traceFeed(trace, { ...filter, afterId, limit: MOST_ENTRIES }, isLetIn);
      reply.raw.once("close", () => feed.destroy());
      return reply
        .type("text/event-stream")
        .header("cache-control", "no-store")
        .serializer((sent: unknown) => sent as string)
        .send(feed as never);
    },
  );
}

/** Who tried to boot lately, with the names of those that are known. */
export function recentBoots(trace: BootTraceService): RecentBootsBody {
  const { withinMs, tried, refused } = trace.log.machines();
  return { withinMs, tried, refused: refused.map((one) => ({ ...one, ...nameOf(one.mac, trace) })) };
}

/** @throws {Fault} HOST_UNKNOWN */
async function macsOf(word: string, trace: BootTraceService, hosts: Hosts): Promise<string[]> {
  const mac = word.toLowerCase().replaceAll("-", ":");
  // A machine that never registered has no name; its address is enough.
  if (/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac)) return [mac];
  const { id, mac: own } = await hosts.find(word);
  return [...new Set([own, ...trace.hosts.macsOf(id)])];
}

function lastBoot(entries: readonly TracedEntry[]): TracedEntry[] {
  const last = entries.findLast(({ boot }) => boot !== undefined)?.boot;
  return last === undefined ? [] : entries.filter(({ boot }) => boot === last);
}

/**
 * Server-sent events: what is known first, then what comes, each once.
 *
 * @param isLetIn asked with each heartbeat; the feed ends when it says no
 */
export function traceFeed(
  trace: Pick<BootTraceService, "log" | "list" | "hosts">,
  filter: TraceFilter,
  isLetIn: () => Promise<boolean>,
  heartbeatMs = HEARTBEAT_MS,
): Readable {
  const feed = new Readable({ read: () => undefined });
  let lastId = filter.afterId ?? 0;
  let waiting: TracedEntry[] | undefined = [];
  const send = (entry: TracedEntry) => {
    if (!isWanted(entry, { ...filter, afterId: lastId })) return;
    lastId = entry.id;
    if (feed.readableLength > MOST_UNREAD_BYTES) feed.destroy();
    else feed.push(`id: ${entry.id}\ndata: ${JSON.stringify(entryBody(entry, trace))}\n\n`);
  };
  const unsubscribe = trace.log.subscribe((entry) => (waiting === undefined ? send(entry) : waiting.push(entry)));
  const heartbeat = setInterval(() => {
    isLetIn().then(
      (isStill) => {
        if (isStill) feed.push(": nothing new\n\n");
        else feed.destroy();
      },
      (error) => feed.destroy(error as Error),
    );
  }, heartbeatMs);
  feed.once("close", () => {
    unsubscribe();
    clearInterval(heartbeat);
  });
  // A comment at once, so that the client sees the headers before the first entry.
  feed.push(": bootcast boot trace\n\n");
  trace.list(filter).then(
    (known) => {
      for (const entry of known) send(entry);
      for (const entry of waiting ?? []) send(entry);
      waiting = undefined;
    },
    (error) => feed.destroy(error as Error),
  );
  return feed;
}

function entryBody(entry: TracedEntry, trace: Pick<BootTraceService, "hosts">): TraceEntryBody {
  const { detail, ...rest } = entry;
  return { ...rest, ...nameOf(entry.mac, trace), ...(detail === undefined ? {} : { detail: { ...detail } }) };
}

function nameOf(mac: string | undefined, trace: Pick<BootTraceService, "hosts">): { host?: string } {
  const host = mac === undefined ? undefined : trace.hosts.of(mac);
  return host === undefined ? {} : { host: host.name };
}
