import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

const anyPort = { port: 0, host: "127.0.0.1" };

export type Call = { readonly path: string; readonly headers: IncomingHttpHeaders; readonly body: string };

/** A web server, on loopback unless told, that keeps what it is told, and answers as the test says. */
export class HookServer {
  readonly calls: Call[] = [];
  /** Called for each request once it is all there; 204 unless the test says otherwise. */
  answer: (response: ServerResponse, call: Call) => void = (response) => response.writeHead(204).end();
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on("data", (part: Buffer) => parts.push(part));
      request.on("end", () => {
        const call = { path: request.url ?? "", headers: request.headers, body: Buffer.concat(parts).toString() };
        this.calls.push(call);
        this.answer(response, call);
      });
    });
  }

  static async start(where: { readonly port: number; readonly host?: string } = anyPort): Promise<HookServer> {
    const hook = new HookServer();
    hook.#server.listen(where);
    await once(hook.#server, "listening");
    return hook;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

/** Whether a call is signed with this secret, worked out anew from the words of Standard Webhooks. */
export function isSigned({ headers, body }: Call, secret: string): boolean {
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const text = [headers["webhook-id"], headers["webhook-timestamp"], body].join(".");
  return headers["webhook-signature"] === `v1,${createHmac("sha256", key).update(text).digest("base64")}`;
}
