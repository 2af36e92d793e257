import type { StoredEvent } from "../events.ts";

/** What people can be told of, in their words. */
export const topics = [
  "host-new",
  "host-failed",
  "session-started",
  "session-ended",
  "schedule",
  "problem",
  "server",
] as const;
export type Topic = (typeof topics)[number];

/** What each means, for lists and forms. */
export const topicWords: Readonly<Record<Topic, string>> = {
  "host-new": "a machine appeared that nobody knew",
  "host-failed": "a host failed its order",
  "session-started": "an order was given",
  "session-ended": "an order is done or was stopped",
  schedule: "a schedule began, ended, or did not take place",
  problem: "something on this server or its network needs a person",
  server: "the server started",
};

/** What somebody is told who did not choose. */
export const defaultTopics: readonly Topic[] = ["host-failed", "session-ended", "schedule", "problem"];

const topicOfKind: Readonly<Record<string, Topic>> = {
  "deploy.host-failed": "host-failed",
  "deploy.created": "session-started",
  "deploy.ended": "session-ended",
  "deploy.cancelled": "session-ended",
  "deploy.halted": "problem",
  "schedule.started": "schedule",
  "schedule.ended": "schedule",
  "schedule.missed": "schedule",
  "schedule.skipped": "schedule",
  "dhcp.other-server": "problem",
  "host.twice": "problem",
  "dhcp.conflict": "problem",
  "menu.locked": "problem",
  "notify.given-up": "problem",
  "server.started": "server",
};

/** What an event is about; undefined: nothing that anybody is told of. */
export function topicOf({ kind, data }: Pick<StoredEvent, "kind" | "data">): Topic | undefined {
  if (kind === "host.registered") return data["isNew"] === true ? "host-new" : undefined;
  // It also tells what is well again.
  if (kind === "doctor.changed") return listOf(data["appeared"]).length > 0 ? "problem" : undefined;
  return Object.hasOwn(topicOfKind, kind) ? topicOfKind[kind] : undefined;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
