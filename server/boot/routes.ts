import type { ReadStream } from "node:fs";
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from "fastify";
import type { Logger } from "pino";
import type { BootPolicy } from "../../bsdp/policy.ts";
import type { BootTrace } from "../boot-trace.ts";
import { type BootFile, findBootFile, openBootFile } from "./files.ts";
import { type ByteRange, rangeOf } from "./range.ts";
import { checkedKernelArgs, renderScript } from "./script.ts";

export type BootRouteOptions = {
  /** Everything below it is served under /boot/. */
  readonly directory: string;
  policyOf(mac: string): Promise<BootPolicy>;
  readonly kernelArgs: string;
  /** Put the server's address on the kernel's command line. */
  readonly passServer: boolean;
  /** Is told of every request. */
  readonly trace?: BootTrace;
  readonly log: Logger;
  /** A client that takes nothing for so long is gone. Default 60 000. */
  readonly stallMs?: number;
};

const defaultStallMs = 60_000;

/**
 * What firmware and iPXE fetch by HTTP:
 *
 *     GET, HEAD /boot/script.ipxe?mac=52:54:00:12:34:56   what this machine boots now
 *     GET, HEAD /boot/<file>                              a file of the boot directory
 *
 * Firmware is picky: the exact Content-Length on HEAD and GET, no chunked coding, no redirect, no compression, and
 * `//name` means the same as `/name` (rhboot/shim#436, tinkerbell/smee#229). Errors are plain text with a length.
 *
 * @throws {Fault} KERNEL_ARGS_INVALID at registration
 */
export const bootRoutes: FastifyPluginAsync<BootRouteOptions> = async (app, options) => {
  checkedKernelArgs(options.kernelArgs);

  app.route<{ Querystring: Record<string, unknown> }>({
    method: ["GET", "HEAD"],
    url: "/boot/script.ipxe",
    async handler(request, reply) {
      const mac = macOf(request.query["mac"]);
      if (mac === undefined) return refuse(reply, 400, 'Add the machine\'s address: "?mac=52:54:00:12:34:56".');
      const policy = await options.policyOf(mac);
      const script = renderScript({
        mac,
        policy,
        server: serverOf(request),
        kernelArgs: options.kernelArgs,
        passServer: options.passServer,
      });
      options.log.info({ client: request.ip, mac, boot: policy.boot }, "boot: script");
      // The answer changes with the next order: nobody may keep it.
      reply.header("cache-control", "no-store").type("text/plain; charset=utf-8");
      return sendText(reply, script);
    },
  });

  for (const url of ["/boot/*", "//boot/*"]) {
    app.route<{ Params: { "*": string } }>({
      method: ["GET", "HEAD"],
      url,
      handler: (request, reply) => sendFile(request, reply, request.params["*"], options),
    });
  }
};

async function sendFile(
  request: FastifyRequest,
  reply: FastifyReply,
  name: string,
  { directory, log, stallMs = defaultStallMs }: BootRouteOptions,
): Promise<FastifyReply> {
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  const file = await findBootFile(directory, parts);
  if (file === undefined) {
    log.info({ client: request.ip, file: name.slice(0, 200) }, "boot: not there");
    return refuse(reply, 404, "There is no such boot file.");
  }
  const tag = `"${file.stamp}"`;
  reply
    .header("etag", tag)
    .header("last-modified", new Date(file.modifiedMs).toUTCString())
    .header("accept-ranges", "bytes")
    .header("cache-control", "no-cache");
  if (namesTag(request.headers["if-none-match"], tag)) return reply.code(304).send();

  const range = rangeOf(request.headers.range, request.headers["if-range"], { tag, sizeBytes: file.sizeBytes });
  if (range === "unsatisfiable") {
    reply.header("content-range", `bytes */${file.sizeBytes}`);
    return refuse(reply, 416, `The file has ${file.sizeBytes} bytes.`);
  }
  const { from, to }: ByteRange = range ?? { from: 0, to: file.sizeBytes };
  if (range !== undefined) reply.code(206).header("content-range", `bytes ${from}-${to - 1}/${file.sizeBytes}`);
  reply.header("content-length", to - from).type(contentTypeOf(file.path));
  if (request.method === "HEAD" || to === from) return reply.send();
  const content = await contentOf(file, { from, to });
  if (content !== undefined) {
    watch(content, to - from, { request, reply, log, stallMs });
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
    readonly stallMs: number;
  },
): void {
  const { request, reply, log, stallMs } = context;
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
  });
}

/** "52:54:00:12:34:56" from any usual spelling of a hardware address. */
function macOf(text: unknown): string | undefined {
  if (typeof text !== "string") return undefined;
  const digits = /^[0-9a-f]{12}$/i.test(text)
    ? text
    : /^[0-9a-f]{2}(([:-])[0-9a-f]{2})(\2[0-9a-f]{2}){4}$/i.test(text)
      ? text.replace(/[:-]/g, "")
      : "";
  if (digits === "") return undefined;
  return digits.toLowerCase().match(/../g)!.join(":");
}

/**
 * How the client reaches us: the Host it asked, because our own address may not be the one it sees (a forwarded port).
 * A Host that is no plain name or address with a port is not copied into a script.
 */
function serverOf(request: FastifyRequest): string {
  const { host } = request.headers;
  if (host !== undefined && /^([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:\d{1,5})?$/.test(host))
    return `http://${host}`;
  const { localAddress = "127.0.0.1", localPort = 80 } = request.raw.socket;
  const address = localAddress.replace(/^::ffff:(?=\d+\.)/, "");
  return `http://${address.includes(":") ? `[${address}]` : address}:${localPort}`;
}

function contentTypeOf(path: string): string {
  if (/\.(ipxe|cfg|txt|pub)$/.test(path)) return "text/plain; charset=utf-8";
  if (path.endsWith(".json")) return "application/json; charset=utf-8";
  // IANA's type for an EFI program; UEFI HTTP boot goes by it or by the name's end.
  if (path.endsWith(".efi")) return "application/efi";
  return "application/octet-stream";
}

function namesTag(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false;
  return header.split(",").some((part) => part.trim() === "*" || part.trim().replace(/^W\//, "") === tag);
}

function refuse(reply: FastifyReply, code: number, text: string): FastifyReply {
  return sendText(reply.code(code).type("text/plain; charset=utf-8"), `${text}\n`);
}

function sendText(reply: FastifyReply, text: string): FastifyReply {
  reply.header("content-length", Buffer.byteLength(text));
  return reply.request.method === "HEAD" ? reply.send() : reply.send(text);
}
