import type { EventBody } from "../../../api/schemas.ts";
import { as, say } from "../preferences.ts";
import { wordOf } from "../states.ts";
import { hosts, nowMs } from "../store.ts";
import type { Text } from "../texts/language.ts";
import { texts } from "../texts.ts";

/** What happened, the newest first. */
export function EventList({ events, isOfHost = false }: { events: readonly EventBody[]; isOfHost?: boolean }) {
  if (events.length === 0) return <p class="muted">{say(texts.logEmpty)}</p>;
  const names = new Map((hosts.value.value ?? []).map(({ id, name }) => [id, name]));
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it.
    <ol class="events" tabIndex={0} aria-label={say(texts.log)}>
      {events.map((event) => (
        <li key={event.id} class={`event ${isBad(event) ? "event-bad" : ""}`}>
          <time dateTime={new Date(event.atMs).toISOString()}>{as.time(event.atMs, nowMs.value)}</time>
          <span class="event-text">
            {event.actor !== null && `${event.actor} · `}
            {!isOfHost && event.hostId !== null && <strong>{names.get(event.hostId) ?? String(event.hostId)} </strong>}
            {wordsOf(event)}
          </span>
        </li>
      ))}
    </ol>
  );
}

function isBad({ kind, data }: EventBody): boolean {
  return kind === "deploy.host-failed" || kind === "access.refused" || data["state"] === "failed";
}

function wordsOf({ kind, data }: EventBody): string {
  const detail = typeof data["detail"] === "string" ? data["detail"] : "";
  if (kind === "host.state") {
    const fault = data["fault"] as { what?: string; why?: string } | undefined;
    const more = fault?.what === undefined ? detail : `${fault.what} ${fault.why ?? ""}`;
    const word = say(wordOf(String(data["state"])));
    return more === "" ? word : `${word}: ${more}`;
  }
  const known: Readonly<Record<string, Text>> = texts.events;
  const text = known[kind];
  const word = text === undefined ? kind : say(text);
  const facts = ["from", "to", "name", "image", "user", "path", "code"]
    .map((field) => data[field])
    .filter((value) => typeof value === "string" && value !== "");
  return facts.length === 0 ? word : `${word} (${facts.join(", ")})`;
}
