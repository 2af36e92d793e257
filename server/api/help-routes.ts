import { createHash } from "node:crypto";
import type { HttpServer } from "../http/http.ts";

/** A page of the documentation, or what it shows. */
export type HelpFile = { readonly path: string; readonly content: string | Uint8Array };

const types: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
  png: "image/png",
};

type Served = { readonly type: string; readonly content: string | Uint8Array; readonly tag: string };

/**
 * `/help`: the documentation, for a network without the Internet. It is public anyway, and whoever cannot log in needs
 * it most.
 *
 * @param read called once, when somebody first asks
 */
export function helpRoutes(http: HttpServer, read: () => Promise<readonly HelpFile[]>): void {
  let files: Promise<ReadonlyMap<string, Served>> | undefined;
  const all = () => {
    files ??= read().then(byPath, (error) => {
      files = undefined;
      throw error;
    });
    return files;
  };
  for (const url of ["/help", "/help/*"]) {
    http.get(url, { config: { role: "anyone" } }, async (request, reply) => {
      const path = (request.params as { "*"?: string })["*"] ?? "";
      const found = (await all()).get(path);
      if (found === undefined) return reply.callNotFound();
      const { type, content, tag } = found;
      void reply.header("etag", tag).header("cache-control", "no-cache");
      if (request.headers["if-none-match"] === tag) return reply.code(304).send();
      return reply.type(type).send(content);
    });
  }
}

/** Pages are asked for without ".html", and the first one as nothing at all. */
function byPath(files: readonly HelpFile[]): Map<string, Served> {
  return new Map(
    files.map(({ path, content }) => {
      const extension = path.slice(path.lastIndexOf(".") + 1);
      const asked = extension === "html" ? path.slice(0, -".html".length) : path;
      const tag = `"${createHash("sha256").update(content).digest("base64url").slice(0, 22)}"`;
      return [asked === "index" ? "" : asked, { type: types[extension] ?? "text/plain; charset=utf-8", content, tag }];
    }),
  );
}
