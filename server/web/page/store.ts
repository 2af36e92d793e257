import { computed, signal } from "@preact/signals";
import type { MeBody } from "../../api/access-schemas.ts";
import type { DoctorBody } from "../../api/doctor-routes.ts";
import type { HostBody } from "../../api/host-schemas.ts";
import type { ScheduleBody } from "../../api/schedule-schemas.ts";
import type { EventBody, ImageBody, ListedSessionBody, StatusBody } from "../../api/schemas.ts";
import { get, getAll, Refusal, send, useLogin, whenLoggedOut } from "./api.ts";
import { Estimate } from "./estimate.ts";
import { followFeed } from "./feed.ts";
import { Resource } from "./resource.ts";
import { type Route, routeOf } from "./route.ts";
import { isMoving } from "./states.ts";

/** All that the pages know. Components read signals; only this file writes them. */

/** Undefined: not known yet. Null: nobody is logged in. */
export const me = signal<MeBody | null | undefined>(undefined);
export const startRefusal = signal<Refusal | undefined>(undefined);
export const connection = signal<"connecting" | "live" | "lost">("connecting");
export const lostAtMs = signal(0);
/** Moves every second, for what says how long ago something was. */
export const nowMs = signal(Date.now());
export const route = signal<Route>(routeOf(location.hash));
export const selection = signal<ReadonlySet<string>>(new Set());

export const hosts = new Resource(async () => {
  const found = await getAll<HostBody>("/hosts", "hosts");
  follow(found);
  return found;
});
export const images = new Resource(() => getAll<ImageBody>("/images", "images"));
export const sessions = new Resource(
  async () => (await get<{ sessions: ListedSessionBody[] }>("/sessions?limit=50")).sessions,
);
export const doctor = new Resource(() => get<DoctorBody>("/doctor"));
export const schedules = new Resource(() => getAll<ScheduleBody>("/schedules", "schedules"));
export const status = new Resource(() => get<StatusBody>("/status"));

export const isOperator = computed(() => me.value?.role === "operator" || me.value?.role === "admin");
export const isAdmin = computed(() => me.value?.role === "admin");

/** What is asked for again whenever something happens: pages add what they show. */
type Watcher = { wants(event: EventBody): boolean; refresh(): void; readonly isPolled: () => boolean };
const watchers = new Set<Watcher>();
const estimates = new Map<string, Estimate>();
/** Percentages make no events: while something moves, it is looked at so often. */
const POLL_MS = 2000;

const kinds = (pattern: RegExp) => (event: EventBody) => pattern.test(event.kind);
watchers.add({
  wants: kinds(/^(host|deploy)\./),
  refresh: () => hosts.refresh(),
  isPolled: () =>
    ["room", "host"].includes(route.value.page) &&
    (hosts.value.peek() ?? []).some(({ status }) => isMoving(status.state)),
});
watchers.add({
  wants: kinds(/^(deploy\.|capture\.|host\.state)/),
  refresh: () => sessions.refresh(),
  isPolled: () =>
    route.value.page !== "session" && (sessions.value.peek() ?? []).some(({ state }) => state === "active"),
});
watchers.add({ wants: kinds(/^(capture|image)\./), refresh: () => images.refresh(), isPolled: () => false });
watchers.add({ wants: kinds(/^(problem|doctor|server)/), refresh: () => doctor.refresh(), isPolled: () => false });
watchers.add({ wants: kinds(/^(schedule|deploy\.ended)/), refresh: () => schedules.refresh(), isPolled: () => false });
watchers.add({
  wants: kinds(/^(server|dhcp|host\.registered)/),
  refresh: () => status.refresh(),
  isPolled: () => false,
});

/** Shows something live as long as a page is open; the answer ends it. */
export function watch(watcher: Watcher): () => void {
  watchers.add(watcher);
  watcher.refresh();
  return () => watchers.delete(watcher);
}

function follow(found: readonly HostBody[]): void {
  for (const { id, status, percent } of found) {
    if (percent === null) estimates.delete(id);
    else {
      const estimate = estimates.get(id) ?? new Estimate();
      estimates.set(id, estimate);
      estimate.add(status.state, { atMs: Date.now(), percent });
    }
  }
}

/** Until the host is through with what it does now. */
export function leftMsOf(hostId: string): number | undefined {
  return estimates.get(hostId)?.leftMs;
}

let feed: AbortController | undefined;

/** To be called once. */
export async function start(): Promise<void> {
  whenLoggedOut(forgetLogin);
  addEventListener("hashchange", () => {
    route.value = routeOf(location.hash);
  });
  setInterval(() => {
    nowMs.value = Date.now();
  }, 1000);
  setInterval(() => {
    if (document.hidden || connection.value !== "live") return;
    for (const watcher of watchers) if (watcher.isPolled()) watcher.refresh();
  }, POLL_MS);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && connection.value === "live") for (const watcher of watchers) watcher.refresh();
  });
  await enter();
}

/** Finds out who is logged in, and begins to show what is going on. */
export async function enter(): Promise<void> {
  startRefusal.value = undefined;
  try {
    begin(await get<MeBody>("/me"));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    if (error.code === "LOGIN_NEEDED") me.value = null;
    else startRefusal.value = error;
  }
}

/** @throws {Refusal} */
export async function logIn(user: string, password: string): Promise<void> {
  begin(await send<MeBody>("POST", "/login", { user, password }));
}

export async function logOut(): Promise<void> {
  try {
    await send("POST", "/logout");
  } finally {
    forgetLogin();
  }
}

function begin(found: MeBody): void {
  useLogin(found);
  me.value = found;
  feed?.abort();
  feed = new AbortController();
  connection.value = "connecting";
  void followFeed(
    {
      onEvent(event) {
        for (const watcher of watchers) if (watcher.wants(event)) watcher.refresh();
      },
      onLive() {
        connection.value = "live";
        for (const watcher of watchers) watcher.refresh();
      },
      onLost() {
        if (connection.value === "live") lostAtMs.value = Date.now();
        if (connection.value !== "connecting" || lostAtMs.value > 0) connection.value = "lost";
        // A login that is over ends the feed, and asking says so.
        void get("/me").catch(() => undefined);
      },
    },
    feed.signal,
  );
}

function forgetLogin(): void {
  feed?.abort();
  useLogin(undefined);
  selection.value = new Set();
  for (const resource of [hosts, images, sessions, status, doctor, schedules]) resource.value.value = undefined;
  me.value = null;
}

export function select(ids: Iterable<string>, isOn: boolean): void {
  const next = new Set(selection.value);
  for (const id of ids) {
    if (isOn) next.add(id);
    else next.delete(id);
  }
  selection.value = next;
}

export function clearSelection(): void {
  selection.value = new Set();
}

/** The selected hosts that are still there. */
export const selectedHosts = computed(() => (hosts.value.value ?? []).filter(({ id }) => selection.value.has(id)));
