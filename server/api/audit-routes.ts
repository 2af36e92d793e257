import { Type } from "typebox";
import type { EventLog } from "../events.ts";
import type { HttpServer } from "../http/http.ts";
import { EventBody } from "./schemas.ts";

const AuditQuery = Type.Object({
  limit: Type.Integer({ minimum: 1, maximum: 1000, default: 100 }),
  /** Only entries before this one: `next` of the page before. */
  cursor: Type.Optional(Type.Integer({ minimum: 1 })),
  /** Only what this person or token did. */
  actor: Type.Optional(Type.String({ maxLength: 200 })),
});
const AuditBody = Type.Object({
  entries: Type.Array(EventBody),
  next: Type.Optional(Type.Number()),
});
export type AuditBody = Type.Static<typeof AuditBody>;

/** `GET /api/v1/audit`: who changed what, and who was not let in; the newest first. */
export function auditRoutes(http: HttpServer, { events }: { readonly events: EventLog }): void {
  http.get(
    "/api/v1/audit",
    { config: { role: "admin" }, schema: { querystring: AuditQuery, response: { 200: AuditBody } } },
    async ({ query }) => {
      const { limit, cursor, actor } = query;
      const found = await events.audit({ before: cursor, actor, limit: limit + 1 });
      const entries = found.slice(0, limit).map((event) => ({ ...event, data: { ...event.data } }));
      return { entries, ...(found.length > limit ? { next: entries.at(-1)!.id } : {}) };
    },
  );
}
