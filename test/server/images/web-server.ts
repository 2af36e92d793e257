import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A way to answer one request wrongly; "not this one": a later one. */
export type Trouble = (request: IncomingMessage, response: ServerResponse, range: ByteRange | undefined) => unknown;
export type ByteRange = { readonly first: number; readonly last: number };

/** A web server on loopback that sends files by ranges, as well as it is told to. */
export class WebServer {
  readonly files = new Map<string, Uint8Array>();
  /** The ranges that were asked for, "PATH FIRST-LAST". */
  readonly asked: string[] = [];
  /** The next answers; then it is an ordinary server again. */
  readonly troubles: Trouble[] = [];
  readonly #server: Server;
  etag = '"one"';

  private constructor() {
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  static async start(files: Readonly<Record<string, Uint8Array | string>> = {}): Promise<WebServer> {
    const server = new WebServer();
    for (const [path, content] of Object.entries(files)) server.files.set(path, Buffer.from(content));
    server.#server.listen(0, "127.0.0.1");
    await once(server.#server, "listening");
    return server;
  }

  url(path: string): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}${path}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = request.url ?? "";
    const match = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
    const range = match === null ? undefined : { first: Number(match[1]), last: Number(match[2]) };
    this.asked.push(`${path} ${range?.first}-${range?.last}`);
    const trouble = this.troubles.shift();
    if (trouble === undefined) this.send(path, response, range);
    else if (trouble(request, response, range) === "not this one") {
      this.troubles.unshift(trouble);
      this.send(path, response, range);
    }
  }

  /** An ordinary answer. */
  send(path: string, response: ServerResponse, range: ByteRange | undefined): void {
    const content = this.files.get(path);
    if (content === undefined) {
      response.writeHead(404).end("no such file");
      return;
    }
    if (range === undefined || range.first >= content.length) {
      response.writeHead(416, { "content-range": `bytes */${content.length}` }).end();
      return;
    }
    const last = Math.min(range.last, content.length - 1);
    response.writeHead(206, {
      "content-range": `bytes ${range.first}-${last}/${content.length}`,
      "content-length": last + 1 - range.first,
      etag: this.etag,
    });
    response.end(content.subarray(range.first, last + 1));
  }
}
