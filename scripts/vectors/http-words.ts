import { createServer } from "node:http";
import { duplexPair } from "node:stream";
import { expectsError } from "./bsdp-words.ts";
import type { JsonObject } from "./index-file.ts";
import { compareWords, OneOf, type Verdict, type Words } from "./verdict.ts";

const DEADLINE_MS = 5000;

/**
 * Layer `tcp-payload`: the head of an HTTP request, read by the parser that
 * our server has (Node's).
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
  const [client, served] = duplexPair();
  const deadline = AbortSignal.timeout(DEADLINE_MS);
  try {
    const read = new Promise<Words | undefined>((resolve) => {
      server.once("request", ({ method, url, headers: known, rawHeaders, httpVersion }, response) => {
        const { host, "user-agent": userAgent } = known;
        const headers = Array.from({ length: rawHeaders.length / 2 }, (_, at) => rawHeaders.slice(2 * at, 2 * at + 2));
        resolve({ method, target: url, headers, ...versions(httpVersion), host, userAgent });
        response.end();
      });
      // An answer without a request is a refusal; so is the end of a head that never ended.
      client.once("data", () => resolve(undefined));
      server.once("clientError", () => resolve(undefined));
      deadline.addEventListener("abort", () => resolve(undefined));
    });
    server.emit("connection", served);
    client.end(bytes);
    return await read;
  } finally {
    client.destroy();
    served.destroy();
  }
}

function versions(version: string): Words {
  const spellings = new OneOf(version, `HTTP/${version}`);
  return { version: spellings, httpVersion: spellings, protocol: spellings };
}
