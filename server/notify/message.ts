import type { FaultText } from "../../fault.ts";
import type { Database } from "../db/database.ts";
import type { StoredEvent } from "../events.ts";
import type { Topic } from "./topics.ts";

/** One thing that is told. */
export type Message = {
  /** The same each time that it is sent. */
  readonly id: string;
  readonly topic: Topic | "test";
  /** One line. */
  readonly title: string;
  /** A few lines more. */
  readonly text: string;
  /** What it is about; null for a test. */
  readonly event: StoredEvent | null;
};

/** What is known of an event besides itself. */
type About = {
  readonly host: string | undefined;
  readonly image: string | undefined;
  readonly counts: Readonly<Record<string, number>>;
  readonly failed: readonly { readonly name: string; readonly what: string }[];
};

/** Puts into words what happened. */
export async function messageOf(
  db: Pick<Database, "selectFrom">,
  target: string,
  topic: Topic,
  event: StoredEvent,
): Promise<Message> {
  const { title, text } = wordsOf(event, await aboutOf(db, event));
  return { id: `${target}-${event.id}`, topic, title, text, event };
}

/** What a test says. */
export function testMessage(id: string): Message {
  const title = "This is a test";
  const text = "Nothing happened. Somebody wanted to know whether this arrives, and it does.";
  return { id, topic: "test", title, text, event: null };
}

async function aboutOf(db: Pick<Database, "selectFrom">, { hostId, deployId, data }: StoredEvent): Promise<About> {
  const host =
    hostId === null
      ? undefined
      : await db.selectFrom("hosts").select("name").where("id", "=", hostId).executeTakeFirst();
  const told = typeof data["name"] === "string" ? data["name"] : undefined;
  const name = host?.name ?? told ?? hostId ?? undefined;
  if (deployId === null) return { host: name, image: undefined, counts: {}, failed: [] };
  const deploy = await db
    .selectFrom("deploys")
    .select(["image", "image_version"])
    .where("id", "=", deployId)
    .executeTakeFirst();
  const rows = await db
    .selectFrom("deploy_hosts")
    .innerJoin("hosts", "hosts.id", "deploy_hosts.host_id")
    .select(["host_id", "hosts.name", "deploy_hosts.state", "deploy_hosts.fault"])
    .where("deploy_id", "=", deployId)
    .orderBy("hosts.name")
    .execute();
  const counts: Record<string, number> = {};
  for (const { state } of rows) counts[state] = (counts[state] ?? 0) + 1;
  const failed = rows
    .filter((row) => row.state === "failed" && (hostId === null || row.host_id === hostId))
    .map((row) => ({ name: row.name, what: faultText(row.fault) }));
  const image =
    deploy === undefined
      ? undefined
      : deploy.image_version === 0
        ? deploy.image
        : `${deploy.image} version ${deploy.image_version}`;
  return { host: name, image, counts, failed };
}

function wordsOf(event: StoredEvent, about: About): { readonly title: string; readonly text: string } {
  const { kind, deployId, data } = event;
  const session = `Session ${deployId}`;
  const of = about.image === undefined ? "" : ` (${about.image})`;
  const schedule = `Schedule ${data["schedule"]}`;
  const why = typeof data["why"] === "string" ? data["why"] : "";
  switch (kind) {
    case "host.registered":
      return {
        title: `A new host appeared: ${about.host}`,
        text: `Its address is ${data["mac"]}.${approvalText(event, about)}`,
      };
    case "host.twice":
      return {
        title: `Two machines say that they are ${about.host}`,
        text: "One of them gets no order meanwhile. Give one of them another MAC address.",
      };
    case "deploy.host-failed":
      return { title: `${about.host} failed in session ${deployId}${of}`, text: failedText(about) };
    case "deploy.created":
      return { title: `${session} is ordered${of}`, text: hostsText(about) };
    case "deploy.ended":
      return { title: `${session} is done${of}: ${countText(about)}`, text: failedText(about) };
    case "deploy.cancelled":
      return { title: `${session} was stopped${of}: ${countText(about)}`, text: failedText(about) };
    case "deploy.halted":
      return { title: `${session} stopped by itself${of}`, text: toldFault(data["fault"]) };
    case "doctor.changed":
      return problemWords(data["appeared"]);
    case "schedule.started":
      return { title: `${schedule} begins`, text: data["lateMs"] === undefined ? "" : "Later than planned." };
    case "schedule.ended":
      return { title: `${schedule}: ${why}`, text: failedText(about) };
    case "schedule.missed":
      return { title: `${schedule} was missed`, text: `${why}${countedText(data["count"])}` };
    case "schedule.skipped":
      return { title: `${schedule} was left out`, text: why };
    case "dhcp.other-server":
      return { title: "Another DHCP or boot server answers on this network", text: detailText(data) };
    case "dhcp.conflict":
      return { title: "An address is used twice", text: detailText(data) };
    case "menu.locked":
      return { title: "The menu of machines was locked after wrong PINs", text: detailText(data) };
    case "notify.given-up":
      return { title: `${data["target"]} could not be told`, text: why };
    case "server.started":
      return { title: "The server started", text: `Version ${data["version"]}.` };
    default:
      return { title: typeof data["what"] === "string" ? data["what"] : kind, text: detailText(data) };
  }
}

/** New problems, as the doctor tells them. */
function problemWords(appeared: unknown): { readonly title: string; readonly text: string } {
  const all = Array.isArray(appeared) ? (appeared as { readonly detail?: string; readonly fix?: string }[]) : [];
  const title = all.length === 1 ? (all[0]?.detail ?? "A problem") : `${all.length} new problems`;
  return { title, text: all.map(({ detail = "", fix = "" }) => `${detail} ${fix}`.trim()).join("\n") };
}

function toldFault(fault: unknown): string {
  const { what = "", why = "", fix = "" } = (fault ?? {}) as Partial<FaultText>;
  return [what, why, fix].filter((part) => part !== "").join("\n");
}

function approvalText({ data }: StoredEvent, { host }: About): string {
  return data["isApproved"] === false ? ` If it is one of yours: bootcast host approve ${host}` : "";
}

function hostsText({ counts }: About): string {
  const all = Object.values(counts).reduce((sum, count) => sum + count, 0);
  return all === 0 ? "For any host that appears." : `For ${all} ${all === 1 ? "host" : "hosts"}.`;
}

function countText({ counts }: About): string {
  const parts = ["done", "failed", "cancelled", "running", "pending"].filter((state) => counts[state] !== undefined);
  return parts.map((state) => `${counts[state]} ${state}`).join(", ") || "no host came";
}

function failedText({ failed }: About): string {
  return failed.map(({ name, what }) => `${name}: ${what}`).join("\n");
}

function countedText(count: unknown): string {
  return typeof count === "number" && count > 1 ? ` (${count} times)` : "";
}

function detailText(data: StoredEvent["data"]): string {
  return Object.entries(data)
    .filter(([, value]) => ["string", "number", "boolean"].includes(typeof value))
    .map(([key, value]) => `${key}: ${value}`)
    .join("\n");
}

function faultText(fault: string | null): string {
  if (fault === null) return "no reason is known";
  const { what, fix } = JSON.parse(fault) as { what: string; fix: string };
  return `${what} ${fix}`;
}
