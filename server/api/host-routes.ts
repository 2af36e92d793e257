import { Type } from "typebox";
import { parseDiskRule } from "../../agent/contract.ts";
import type { Database } from "../db/database.ts";
import type { HostDesk } from "../hosts/host-desk.ts";
import type { HostImports } from "../hosts/host-import.ts";
import { logOf } from "../hosts/host-log.ts";
import type { HostOverview, HostView } from "../hosts/host-overview.ts";
import type { Host } from "../hosts/host-record.ts";
import { hostStates } from "../hosts/host-status.ts";
import { readNote } from "../hosts/host-words.ts";
import type { Hosts } from "../hosts/hosts.ts";
import { inventoryHistory } from "../hosts/inventory-history.ts";
import type { Waker } from "../hosts/wake.ts";
import type { HttpServer } from "../http/http.ts";
import {
  GroupChangeBody,
  GroupsBody,
  HostBody,
  HostChangeBody,
  HostImportBody,
  HostLogBody,
  HostRowBody,
  ImportedBody,
  InventoryHistoryBody,
  LabelChangeBody,
  LockBody,
  SelectedBody,
  WokenBody,
} from "./host-schemas.ts";
import { Next, PageQuery, pageOf } from "./page.ts";
import { Nullable, oneOf } from "./schemas.ts";
import { jsonOf, jsonReply, SharedAnswers } from "./shared-answers.ts";

export type HostRouteOptions = {
  readonly db: Database;
  readonly hosts: Hosts;
  readonly desk: HostDesk;
  readonly imports: HostImports;
  readonly overview: HostOverview;
  readonly waker: Pick<Waker, "wake">;
};

/** A list of every host that there can be, with notes. */
const IMPORT_LIMIT_BYTES = 4 * 1024 * 1024;

const OneHost = Type.Object({ host: Type.String() });
const HostsBody = Type.Object({ hosts: Type.Array(HostBody) });
const HostQuery = Type.Object({
  ...PageQuery.properties,
  /** Only these: words as in `to` of other requests, with spaces between. */
  select: Type.Optional(Type.String({ maxLength: 10_000 })),
  state: Type.Optional(oneOf(hostStates)),
});
const HistoryQuery = Type.Object({
  limit: Type.Integer({ minimum: 1, maximum: 200, default: 50 }),
  cursor: Type.Optional(Type.Integer({ minimum: 1 })),
});

const operator = { role: "operator" } as const;
const viewer = { role: "viewer" } as const;

/** The hosts of `/api/v1`: what they are, and what people say of them. */
export function hostRoutes(http: HttpServer, options: HostRouteOptions): void {
  const { db, hosts, desk, imports, overview, waker } = options;
  const bodies = async (list: readonly Host[]) => (await overview.of(list)).map(hostBody);
  const bodyOf = async (host: Host) => (await bodies([host]))[0]!;
  // Every open page asks for the same list every two seconds while something moves.
  const shared = new SharedAnswers();

  http.get(
    "/api/v1/hosts",
    {
      config: viewer,
      schema: {
        summary: "The hosts, by name",
        querystring: HostQuery,
        response: { 200: Type.Object({ hosts: Type.Array(HostBody), next: Next }) },
      },
    },
    async ({ query }, reply) => {
      const answer = await shared.of(JSON.stringify(query), async () => {
        const { select, state, ...page } = query;
        const words = select?.split(/\s+/).filter((word) => word !== "") ?? [];
        const list = words.length === 0 ? await hosts.list() : await hosts.select(words);
        const wanted = (await bodies(list)).filter((host) => state === undefined || host.status.state === state);
        const { items, ...next } = pageOf(wanted, page, { keyOf: ({ name }) => name });
        return jsonOf(reply, { hosts: items, ...next });
      });
      return jsonReply(reply).send(answer as never);
    },
  );

  http.get(
    "/api/v1/hosts/:host",
    { config: viewer, schema: { summary: "One host", params: OneHost, response: { 200: HostBody } } },
    async ({ params }) => bodyOf(await hosts.find(params.host)),
  );

  http.get(
    "/api/v1/hosts/:host/inventory-history",
    {
      config: viewer,
      schema: {
        summary: "What changed in a machine, and when",
        params: OneHost,
        querystring: HistoryQuery,
        response: { 200: InventoryHistoryBody },
      },
    },
    async ({ params, query: { limit, cursor } }) => {
      const { id } = await hosts.find(params.host);
      const found = await inventoryHistory(db, id, { limit: limit + 1, before: cursor });
      const page = found.slice(0, limit).map((step) => ({ ...step, changes: [...step.changes] }));
      return { history: page, ...(found.length > limit ? { next: String(page.at(-1)!.id) } : {}) };
    },
  );

  http.get(
    "/api/v1/hosts/:host/log",
    {
      // What tools said of a disk may stand in it.
      config: operator,
      schema: {
        summary: "The end of what a host's agent wrote down, the last time that it was through or failed",
        params: OneHost,
        response: { 200: Type.Object({ log: Nullable(HostLogBody) }) },
      },
    },
    async ({ params }) => ({ log: (await logOf(db, (await hosts.find(params.host)).id)) ?? null }),
  );

  http.get(
    "/api/v1/groups",
    {
      config: viewer,
      schema: { summary: "Groups and labels, and how many hosts have them", response: { 200: GroupsBody } },
    },
    async () => {
      const list = await hosts.list();
      return {
        groups: counted(list.flatMap(({ group }) => (group === null ? [] : [group]))),
        labels: counted(list.flatMap(({ labels }) => labels)),
      };
    },
  );

  http.post(
    "/api/v1/hosts",
    {
      config: operator,
      schema: { summary: "Adds a host that was never seen", body: HostRowBody, response: { 201: HostBody } },
    },
    async ({ body }, reply) => reply.code(201).send(await bodyOf(await imports.add(body))),
  );

  http.post(
    "/api/v1/hosts/import",
    {
      config: operator,
      bodyLimit: IMPORT_LIMIT_BYTES,
      schema: {
        summary: "Makes hosts as a list says: all of them, or none",
        body: HostImportBody,
        response: { 200: ImportedBody },
      },
    },
    async ({ body: { hosts: rows, isTrial = false, approves = false } }) => {
      const { added, changed, same, unapproved } = await imports.import(rows, { isTrial, approves });
      return {
        added: [...added],
        changed: changed.map(({ name, what }) => ({ name, what: [...what] })),
        same,
        unapproved: [...unapproved],
      };
    },
  );

  http.patch(
    "/api/v1/hosts/:host",
    {
      config: operator,
      schema: { summary: "Changes one host", params: OneHost, body: HostChangeBody, response: { 200: HostBody } },
    },
    async ({ params, body: { name, diskRule, note } }) => {
      const { id } = await hosts.find(params.host);
      // Before anything is changed.
      if (note !== undefined) readNote(note);
      if (diskRule !== undefined && diskRule !== null) parseDiskRule(diskRule);
      if (name !== undefined) await hosts.rename(id, name);
      if (diskRule !== undefined) await hosts.setDiskRule(id, diskRule);
      if (note !== undefined) await desk.note([id], note);
      return bodyOf(await hosts.find(id));
    },
  );

  http.delete(
    "/api/v1/hosts/:host",
    {
      config: operator,
      schema: { summary: "Forgets a host; when it appears it is new", params: OneHost, response: { 200: HostBody } },
    },
    async ({ params }) => {
      const body = await bodyOf(await hosts.find(params.host));
      await hosts.forget(body.id);
      return body;
    },
  );

  http.post(
    "/api/v1/hosts/approve",
    {
      config: operator,
      schema: { summary: "Lets hosts be given orders that erase", body: SelectedBody, response: { 200: HostsBody } },
    },
    async ({ body }) => ({ hosts: await bodies(await desk.approve(body.to)) }),
  );

  http.post(
    "/api/v1/hosts/group",
    {
      config: operator,
      schema: { summary: "Puts hosts into a group", body: GroupChangeBody, response: { 200: HostsBody } },
    },
    async ({ body }) => ({ hosts: await bodies(await desk.setGroup(body.to, body.group)) }),
  );

  http.post(
    "/api/v1/hosts/label",
    {
      config: operator,
      schema: {
        summary: "Gives hosts labels, or takes them away",
        body: LabelChangeBody,
        response: { 200: HostsBody },
      },
    },
    async ({ body: { to, add = [], remove = [] } }) => ({ hosts: await bodies(await desk.label(to, { add, remove })) }),
  );

  http.post(
    "/api/v1/hosts/lock",
    {
      config: operator,
      schema: { summary: "Nothing of these hosts is erased until then", body: LockBody, response: { 200: HostsBody } },
    },
    async ({ body: { to, reason, untilMs = null } }) => ({
      hosts: await bodies(await desk.lock(to, { reason, untilMs })),
    }),
  );

  http.post(
    "/api/v1/hosts/unlock",
    { config: operator, schema: { summary: "Ends locks", body: SelectedBody, response: { 200: HostsBody } } },
    async ({ body }) => ({ hosts: await bodies(await desk.unlock(body.to)) }),
  );

  http.post(
    "/api/v1/hosts/wake",
    {
      config: operator,
      schema: {
        summary: "Sends magic packets to every card of hosts",
        body: SelectedBody,
        response: { 200: WokenBody },
      },
    },
    async ({ body }) => {
      const { hosts: woken, through, problems } = await waker.wake(await hosts.select(body.to));
      return {
        hosts: woken.map(({ id, name, macs }) => ({ id, name, macs: [...macs] })),
        through: [...through],
        problems: [...problems],
      };
    },
  );
}

/** Each name once, by name, with how often it occurs. */
function counted(names: readonly string[]): { name: string; hosts: number }[] {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts]
    .map(([name, hosts]) => ({ name, hosts }))
    .toSorted((one, other) => (one.name < other.name ? -1 : 1));
}

function hostBody({ host, status, lock, session }: HostView): HostBody {
  const { inventory, waitingSinceMs: _, labels, ...rest } = host;
  const { memoryBytes, firmware, disks } = inventory;
  return { ...rest, labels: [...labels], status, lock, session, memoryBytes, firmware, disks };
}
