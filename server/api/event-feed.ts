import { EventEmitter, once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { FastifyReply, FastifyRequest } from "fastify";
import { type EventFilter, type EventLog, isAboutAccess, type StoredEvent } from "../events.ts";

/** A quiet feed says so, so that its reader knows a quiet room from a dead server. */
const HEARTBEAT_MS = 10_000;
/** What a slow reader has not taken is read from the table again, so it costs no memory. */
const MOST_WAITING = 1000;
const PAGE = 500;
/** A busy room has hundreds of events a second: what comes so soon after another is sent with it. */
const REST_MS = 100;

/**
 * Server-sent events that never end by themselves: those after `filter.after` first, then live ones, each once and in
 * their order.
 *
 * @param isLetIn asked in each `heartbeatMs`, however much happens; the feed ends when it says no
 */
export async function* eventFeed(
  events: EventLog,
  filter: EventFilter & { readonly after: number },
  options: {
    readonly signal: AbortSignal;
    isLetIn(): Promise<boolean>;
    readonly heartbeatMs?: number;
    readonly restMs?: number;
  },
): AsyncGenerator<string> {
  const { signal, heartbeatMs = HEARTBEAT_MS, restMs = REST_MS } = options;
  const came = new EventEmitter();
  let waiting: StoredEvent[] = [];
  // The table has some that are not waiting: at first, and when too many came.
  let isBehind = true;
  const unsubscribe = events.subscribe((event) => {
    if (waiting.length < MOST_WAITING) waiting.push(event);
    else isBehind = true;
    came.emit("event");
  });
  let lastId = filter.after;
  let askedMs = performance.now();
  try {
    // At once, so that the client sees the headers before the first event.
    yield ": bootcast events\n\n";
    while (!signal.aborted) {
      // A busy feed is never quiet, and its reader may have been logged out all the same.
      if (performance.now() - askedMs >= heartbeatMs) {
        if (!(await options.isLetIn())) return;
        askedMs = performance.now();
      }
      const hadWaiting = waiting;
      waiting = [];
      let news: StoredEvent[];
      if (isBehind) {
        news = await events.list({ ...filter, after: lastId, limit: PAGE });
        isBehind = news.length === PAGE;
        // What waited is in the table, or comes behind this page.
        if (!isBehind) news.push(...hadWaiting);
      } else {
        news = hadWaiting;
      }
      const texts: string[] = [];
      for (const event of news) {
        if (event.id <= lastId) continue;
        lastId = event.id;
        if (isWanted(event, filter)) texts.push(textOf(event));
      }
      if (texts.length > 0) {
        yield texts.join("");
        if (!isBehind && waiting.length === 0) await rest(restMs, signal);
      }
      if (isBehind || waiting.length > 0) continue;
      const beat = AbortSignal.any([signal, AbortSignal.timeout(heartbeatMs)]);
      const isQuiet = await once(came, "event", { signal: beat }).then(
        () => false,
        () => true,
      );
      if (!isQuiet) continue;
      if (signal.aborted || !(await options.isLetIn())) return;
      askedMs = performance.now();
      yield ": nothing new\n\n";
    }
  } finally {
    unsubscribe();
  }
}

/** By event: every browser is sent the same. */
const texts = new WeakMap<StoredEvent, string>();

function textOf(event: StoredEvent): string {
  const known = texts.get(event);
  if (known !== undefined) return known;
  const text = `id: ${event.id}\nevent: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`;
  texts.set(event, text);
  return text;
}

async function rest(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal, ref: false }).catch(() => undefined);
}

function isWanted(event: StoredEvent, filter: EventFilter): boolean {
  if (filter.deployId !== undefined && event.deployId !== filter.deployId) return false;
  if (filter.hostId !== undefined && event.hostId !== filter.hostId) return false;
  if (filter.hasAccess === false && isAboutAccess(event)) return false;
  return filter.hasBoots !== false || !event.kind.startsWith("boot.");
}

/** Whether the client wants a feed and not a list. */
export function wantsFeed(request: FastifyRequest): boolean {
  return request.headers.accept?.includes("text/event-stream") ?? false;
}

/** After which event a feed goes on: a browser that was cut off says so by itself. */
export function lastEventId(request: FastifyRequest, otherwise: number): number {
  const given = Number(request.headers["last-event-id"] ?? otherwise);
  return Number.isSafeInteger(given) && given >= 0 ? given : otherwise;
}

/** The headers of a feed. */
export function feedReply(reply: FastifyReply): FastifyReply {
  return reply
    .type("text/event-stream")
    .header("cache-control", "no-store")
    .serializer((sent: unknown) => sent as string);
}
