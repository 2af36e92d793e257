import type { ReadStream } from "node:fs";
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from "fastify";
import type { Logger } from "pino";
import type { BootTrace } from "../boot-trace/boot-trace.ts";
import { fileEntry, missingEntry } from "../boot-trace/files.ts";
import { refuse } from "./answer.ts";
import { type BootFile, type BootPlaces, type BootRoot, findBootFileIn, openBootFile } from "./files.ts";
import { type ByteRange, rangeOf } from "./range.ts";

export type BootFileRouteOptions = {
  /** Everything below it is served under /boot/. */
  readonly directory: string;
  /** Further folders, each for the names below /boot/<its prefix>/; NetBoot bundles below /NetBoot/, too. */
  readonly roots?: readonly BootRoot[];
  readonly log: Logger;
  /** Is told of every request. */
  readonly trace?: BootTrace;
  /** A client that takes nothing for so long is gone. Default 60 000. */
  readonly stallMs?: number;
};

const defaultStallMs = 60_000;

/** Where a loader lies whose path was lost on the way. */
const loaderFolders = ["", "x64/", "arm64/", "ia32/"];

/**
 * The boot files by HTTP: GET, HEAD /boot/<file>. `//name` means the same as `/name` (rhboot/shim#436,
 * tinkerbell/smee#229).
 *
 * Besides, at the root: /NetBoot/… is where Macs look for the disk images of NetBoot bundles, /grub/… where a signed
 * GRUB looks for its lists, and /grubx64.efi where some firmware looks for what should be beside its loader.
 */
export const bootFileRoutes: FastifyPluginAsync<BootFileRouteOptions> = async (app, options) => {
  const places = { "/boot/": [""], "/NetBoot/": ["NetBoot/"], "/grub/": ["grub/"] };
  for (const [place, folders] of Object.entries(places)) {
    for (const url of [`${place}*`, `/${place}*`]) {
      app.route<{ Params: { "*": string } }>({
        method: ["GET", "HEAD"],
        url,
        handler: (request, reply) => sendFile(request, reply, namesIn(folders, request.params["*"]), options),
      });
    }
  }
  for (const url of ["/:name(^[\\w.-]+\\.efi$)", "//:name(^[\\w.-]+\\.efi$)"]) {
    app.route<{ Params: { name: string } }>({
      method: ["GET", "HEAD"],
      url,
      handler: (request, reply) => sendFile(request, reply, namesIn(loaderFolders, request.params.name), options),
    });
  }
};

/** A name in each folder, without empty parts. */
function namesIn(folders: readonly string[], name: string): string[] {
  return folders.map((folder) =>
    `${folder}${name}`
      .split("/")
      .filter((part) => part !== "" && part !== ".")
      .join("/"),
  );
}

async function findFirst(
  places: BootPlaces,
  names: readonly string[],
): Promise<{ readonly file: BootFile; readonly name: string } | undefined> {
  for (const name of names) {
    const file = await findBootFileIn(places, name.split("/"));
    if (file !== undefined) return { file, name };
  }
  return undefined;
}

async function sendFile(
  request: FastifyRequest,
  reply: FastifyReply,
  names: readonly string[],
  { directory, roots, log, trace, stallMs = defaultStallMs }: BootFileRouteOptions,
): Promise<FastifyReply> {
  const found = await findFirst({ directory, roots }, names);
  if (found === undefined) {
    const [name = ""] = names;
    log.info({ client: request.ip, file: name.slice(0, 200) }, "boot: not there");
    trace?.note(missingEntry("http", request.ip, name));
    return refuse(reply, 404, "There is no such boot file.");
  }
  const { file, name } = found;
  const tag = `"${file.stamp}"`;
  reply
    .header("etag", tag)
    .header("last-modified", new Date(file.modifiedMs).toUTCString())
    .header("accept-ranges", "bytes")
    .header("cache-control", "no-cache");
  if (isKnownToClient(request, file, tag)) return reply.code(304).send();

  const range = rangeOf(request.headers.range, request.headers["if-range"], { tag, sizeBytes: file.sizeBytes });
  if (range === "unsatisfiable") {
    reply.header("content-range", `bytes */${file.sizeBytes}`);
    return refuse(reply, 416, `The file has ${file.sizeBytes} bytes.`);
  }
  const { from, to }: ByteRange = range ?? { from: 0, to: file.sizeBytes };
  if (range !== undefined) reply.code(206).header("content-range", `bytes ${from}-${to - 1}/${file.sizeBytes}`);
  reply.header("content-length", to - from).type(contentTypeOf(file.path));
  if (request.method === "HEAD" || to === from) {
    const asked = { service: "http", client: request.ip, file: name, bytes: file.sizeBytes, ms: 0 } as const;
    trace?.note(fileEntry({ ...asked, isProbe: true }));
    return reply.send();
  }
  const content = await contentOf(file, { from, to });
  if (content !== undefined) {
    watch(content, to - from, { request, reply, log, trace, stallMs, name });
    return reply.send(content);
  }
  for (const header of ["content-length", "content-range", "etag", "last-modified"]) reply.removeHeader(header);
  return refuse(reply, 404, "There is no such boot file.");
}

/** A stream of the wanted bytes. The pipe to the socket waits whenever the client is slower than the disk. */
async function contentOf(file: BootFile, { from, to }: ByteRange): Promise<ReadStream | undefined> {
  const handle = await openBootFile(file);
  return handle?.createReadStream({ start: from, end: to - 1, highWaterMark: 256 * 1024 });
}

/** Ends an answer that makes no progress or cannot be completed, and logs how it ended. */
function watch(
  content: ReadStream,
  lengthBytes: number,
  context: {
    readonly request: FastifyRequest;
    readonly reply: FastifyReply;
    readonly log: Logger;
    readonly trace: BootTrace | undefined;
    readonly stallMs: number;
    readonly name: string;
  },
): void {
  const { request, reply, log, trace, stallMs, name } = context;
  const line = { client: request.ip, url: request.url.slice(0, 200) };
  const startedMs = performance.now();
  reply.raw.setTimeout(stallMs, () => {
    log.warn({ ...line, stallMs }, "boot: the client takes nothing, dropped");
    reply.raw.destroy();
  });
  content.once("end", () => {
    // The length was promised. A file that became shorter must not leave the client waiting for the rest.
    if (content.bytesRead < lengthBytes) reply.raw.destroy();
  });
  reply.raw.once("close", () => {
    const ms = Math.round(performance.now() - startedMs);
    const hasAll = reply.raw.writableFinished && content.bytesRead === lengthBytes;
    log.info({ ...line, bytes: lengthBytes, ms, result: hasAll ? "done" : "aborted" }, "boot: file sent");
    const file = {
      service: "http",
      client: request.ip,
      file: name,
      bytes: hasAll ? lengthBytes : content.bytesRead,
      ms,
    } as const;
    trace?.note(fileEntry(hasAll ? file : { ...file, problem: "the client went away, or took nothing for too long" }));
  });
}

function contentTypeOf(path: string): string {
  if (/\.(ipxe|cfg|txt|pub)$/.test(path)) return "text/plain; charset=utf-8";
  if (path.endsWith(".json")) return "application/json; charset=utf-8";
  // IANA's type for an EFI program; UEFI HTTP boot goes by it or by the name's end.
  if (path.endsWith(".efi")) return "application/efi";
  return "application/octet-stream";
}

/** RFC 9110 section 13.2.2: a date counts only where no tag is given. */
function isKnownToClient(request: FastifyRequest, file: BootFile, tag: string): boolean {
  const { "if-none-match": tags, "if-modified-since": since } = request.headers;
  if (tags !== undefined || since === undefined) return namesTag(tags, tag);
  // A date has whole seconds.
  return Math.floor(file.modifiedMs / 1000) * 1000 <= Date.parse(since);
}

function namesTag(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false;
  return header.split(",").some((part) => part.trim() === "*" || part.trim().replace(/^W\//, "") === tag);
}
