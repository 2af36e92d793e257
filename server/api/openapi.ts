import swagger from "@fastify/swagger";
import type { FastifySchema } from "fastify";
import { Type } from "typebox";
import type { HttpServer } from "../http/http.ts";
import { ProblemBody } from "./problem.ts";

/** Paths that people and programs use; the rest are pages. */
function isApi(url: string): boolean {
  return url.startsWith("/api/") || url === "/metrics";
}

/**
 * `GET /api/v1/openapi.json`: every route that is added after this, from the schemas by which it is checked.
 *
 * @param version bootcast's
 */
export async function openApi(http: HttpServer, version: string): Promise<void> {
  await http.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "bootcast",
        version,
        description:
          "Times are milliseconds since 1970 UTC. Lists with `limit` answer `next` while there is more: give it back as `cursor`. " +
          "A change with an `idempotency-key` header is made once, however often it is sent; where a password is sent the key makes no difference. " +
          "A path with `text/event-stream` among its answers never ends when that is accepted, and goes on after `last-event-id`.",
      },
      components: {
        securitySchemes: {
          token: { type: "http", scheme: "bearer", description: "bootcast token add NAME" },
          page: {
            type: "apiKey",
            in: "cookie",
            name: "__Host-bootcast",
            description: "with x-bootcast-csrf for changes",
          },
        },
      },
    },
    transform: ({ schema, url, route }) => {
      const role = route.config?.role ?? "admin";
      const given = (schema ?? {}) as FastifySchema & { response?: object };
      const transformed = {
        ...given,
        hide: !isApi(url),
        operationId: operationId(String(route.method), url),
        tags: [url.split("/")[3] ?? "metrics"],
        description: role === "anyone" ? "For anyone." : `For the role ${role} and above.`,
        security: role === "anyone" ? [] : [{ token: [] }, { page: [] }],
        "x-least-role": role,
        response: {
          ...(given.response ?? { 200: { description: "Done.", type: "string" } }),
          default: {
            description: "Why it was not done.",
            content: { "application/problem+json": { schema: ProblemBody } },
          },
        },
      };
      return { schema: transformed as FastifySchema, url };
    },
  });
  http.get(
    "/api/v1/openapi.json",
    { config: { role: "viewer" }, schema: { response: { 200: Type.Unknown() } } },
    async () => http.swagger(),
  );
}

/** "GET /api/v1/hosts/:host" is "getHostsHost". */
function operationId(method: string, url: string): string {
  const words = url
    .replace(/^\/api\/v1/, "")
    .split(/[^A-Za-z0-9]+/)
    .filter((word) => word !== "");
  return method.toLowerCase() + words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join("");
}
