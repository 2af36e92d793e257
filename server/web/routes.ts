import { createHash } from "node:crypto";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { HttpServer } from "../http/http.ts";

/** A file of the pages, as the browser asks for it. */
export type PageFile = {
  /** "/", "/page.js" */
  readonly path: string;
  readonly content: Uint8Array;
};

/** What there is: whoever reads them gives exactly these. */
export const pagePaths = ["/", "/page.js", "/page.css", "/icon.svg"] as const;

const types: Readonly<Record<(typeof pagePaths)[number], string>> = {
  "/": "text/html; charset=utf-8",
  "/page.js": "text/javascript; charset=utf-8",
  "/page.css": "text/css; charset=utf-8",
  "/icon.svg": "image/svg+xml",
};

/** A file in one encoding. The tag is another one for each. */
type Sent = { readonly bytes: Buffer; readonly tag: string };
type Served = { readonly plain: Sent; readonly packed: Sent };

/**
 * The pages for people, at `/`. They are the same for everybody and hold nothing of the site: what they show comes from
 * `/api/v1`, which asks who it is.
 *
 * @param read called once, when somebody first asks
 */
export function pageRoutes(http: HttpServer, read: () => Promise<readonly PageFile[]>): void {
  let files: Promise<ReadonlyMap<string, Served>> | undefined;
  const all = () => {
    files ??= read().then(served, (error) => {
      files = undefined;
      throw error;
    });
    return files;
  };
  for (const path of pagePaths) {
    http.get(path, { config: { role: "anyone" } }, async (request, reply) => {
      const { plain, packed } = (await all()).get(path)!;
      const { bytes, tag } = acceptsGzip(request.headers["accept-encoding"]) ? packed : plain;
      // Asked each time, and answered with nothing when it is still the same: an update is seen at once.
      void reply.headers({ etag: tag, "cache-control": "no-cache", vary: "accept-encoding" });
      if (namesTag(request.headers["if-none-match"], tag)) return reply.code(304).send();
      if (bytes === packed.bytes) void reply.header("content-encoding", "gzip");
      return reply.type(types[path]).send(bytes);
    });
  }
}

async function served(files: readonly PageFile[]): Promise<Map<string, Served>> {
  const found = new Map<string, Served>();
  for (const { path, content } of files) {
    const bytes = Buffer.from(content);
    const digest = createHash("sha256").update(bytes).digest("base64url").slice(0, 22);
    found.set(path, {
      plain: { bytes, tag: `"${digest}"` },
      packed: { bytes: await promisify(gzip)(bytes, { level: 9 }), tag: `"${digest}-gzip"` },
    });
  }
  return found;
}

function acceptsGzip(header: string | string[] | undefined): boolean {
  return String(header ?? "")
    .split(",")
    .some((one) => /^\s*gzip\s*(;\s*q=(?!0(\.0*)?\s*$)|$)/i.test(one));
}

function namesTag(header: string | undefined, tag: string): boolean {
  return (header ?? "").split(",").some((one) => one.trim().replace(/^W\//, "") === tag);
}
