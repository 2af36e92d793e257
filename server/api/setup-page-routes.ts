import { setupPage, setupScript, setupStyle } from "../access/setup-page.ts";
import type { HttpServer } from "../http/http.ts";

const files = [
  ["/setup", "text/html; charset=utf-8", setupPage],
  ["/setup.js", "text/javascript; charset=utf-8", setupScript],
  ["/setup.css", "text/css; charset=utf-8", setupStyle],
] as const;

/** `GET /setup`: where the link for a first password leads. The code in its query is read by the page alone. */
export function setupPageRoutes(http: HttpServer): void {
  for (const [path, type, text] of files) {
    http.get(path, { config: { role: "anyone" } }, async (_, reply) =>
      reply.type(type).header("cache-control", "no-cache").send(text),
    );
  }
}
