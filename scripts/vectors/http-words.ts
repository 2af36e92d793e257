import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { expectsError } from "./bsdp-words.ts";
import type { JsonObject } from "./index-file.ts";
import { compareWords, OneOf, type Verdict, type Words } from "./verdict.ts";

const DEADLINE_MS = 5000;

/**
 * Layer `tcp-payload`: the head of an HTTP request, read by the parser that
 * our server has (Node's), behind a socket on the loopback interface.
 */
export async function checkHttpRequest(verdict: Verdict, expect: JsonObject, bytes: Uint8Array): Promise<void> {
  const words = await readRequest(bytes);
  if (expectsError(expect)) {
    if (words !== undefined) verdict.differs("error", expect["error"], words);
  } else if (words === undefined) verdict.differs("request", "it can be read", "it is refused");
  else compareWords(verdict, expect, words);
}

async function readRequest(bytes: Uint8Array): Promise<Words | undefined> {
  const server = createServer();
  const socket = connect({ port: await listening(server), host: "127.0.0.1" });
  socket.on("error", () => {});
  try {
    const read = new Promise<Words | undefined>((resolve) => {
      server.once("request", ({ method, url, headers: known, rawHeaders, httpVersion }, response) => {
        const headers = Array.from({ length: rawHeaders.length / 2 }, (_, at) => rawHeaders.slice(2 * at, 2 * at + 2));
        const { host, "user-agent": userAgent } = known;
        resolve({ method, target: url, headers, ...versions(httpVersion), host, userAgent });
        response.end();
      });
      server.once("clientError", () => resolve(undefined));
      // A head that does not end is refused once the client says no more.
      AbortSignal.timeout(DEADLINE_MS).addEventListener("abort", () => resolve(undefined));
    });
    socket.end(bytes);
    return await read;
  } finally {
    socket.destroy();
    server.closeAllConnections();
    server.close();
  }
}

function versions(version: string): Words {
  const spellings = new OneOf(version, `HTTP/${version}`);
  return { version: spellings, httpVersion: spellings, protocol: spellings };
}

async function listening(server: ReturnType<typeof createServer>): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}
