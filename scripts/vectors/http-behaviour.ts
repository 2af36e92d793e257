import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fastify } from "fastify";
import { pino } from "pino";
import { bootFileRoutes } from "../../server/boot/file-routes.ts";
import type { Vector } from "./index-file.ts";
import type { Verdict } from "./verdict.ts";

const DEADLINE_MS = 5000;
const FILE_BYTES = 3000;

type Answer = { readonly status: number; readonly headers: ReadonlyMap<string, string>; readonly bodyBytes: number };

/**
 * Gives the request to our server's boot routes, as if its target lay below
 * /boot/, and tries each part of `serverBehaviour`.
 */
export async function checkHttpBehaviour(verdict: Verdict, { bytes, serverBehaviour }: Vector): Promise<void> {
  if (serverBehaviour === undefined) return;
  const text = typeof serverBehaviour === "string" ? serverBehaviour : JSON.stringify(serverBehaviour);
  const request = Buffer.from(bytes).toString("latin1");
  const [, method = "", target = ""] = /^(\S+) (\S+)/.exec(request) ?? [];
  const path = fileOf(target);
  if (path === undefined) {
    verdict.skip(`serverBehaviour: ${text}`);
    return;
  }
  const home = await mkdtemp(join(tmpdir(), "bootcast-vectors-"));
  const root = join(home, "files");
  const app = fastify({ forceCloseConnections: true });
  try {
    await mkdir(root);
    if (!/\b404\b/.test(text)) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), new Uint8Array(FILE_BYTES));
    }
    await app.register(bootFileRoutes, { directory: root, log: pino({ level: "silent" }) });
    // A socket in the file system: that works on a machine without any network, too.
    const socketPath = join(home, "socket");
    await app.listen({ path: socketPath });
    const ask = (as: string) => askOnce(socketPath, below(request, as));
    await checkParts(verdict, text, { method, ask });
  } finally {
    await app.close();
    await rm(home, { recursive: true, force: true });
  }
}

/** The request for the same file below /boot/, with another method. */
function below(request: string, method: string): Buffer {
  return Buffer.from(request.replace(/^\S+ (?:\/boot(?=\/))?/, `${method} /boot`), "latin1");
}

async function checkParts(
  verdict: Verdict,
  text: string,
  { method, ask }: { readonly method: string; readonly ask: (method: string) => Promise<Answer> },
): Promise<void> {
  const answer = await ask(method);
  const place = "serverBehaviour";
  for (const part of text.split(/[;,:]| and /).map((one) => one.trim())) {
    let isKnown = false;
    const known = (does: RegExp, check: () => void) => {
      if (!does.test(part)) return;
      isKnown = true;
      check();
    };
    known(/^\d{3}\b/, () => verdict.same(`${place}: status`, Number(part.slice(0, 3)), answer.status));
    known(/Content-Length/i, () => {
      const length = Number(answer.headers.get("content-length") ?? Number.NaN);
      const wanted = answer.status === 200 ? FILE_BYTES : method === "HEAD" ? length : answer.bodyBytes;
      verdict.same(`${place}: Content-Length`, wanted, length);
    });
    known(/no body/i, () => verdict.same(`${place}: bytes of the body`, 0, answer.bodyBytes));
    known(/no redirect/i, () => verdict.same(`${place}: Location`, undefined, answer.headers.get("location")));
    known(/no chunked|no transfer/i, () =>
      verdict.same(`${place}: Transfer-Encoding`, undefined, answer.headers.get("transfer-encoding")),
    );
    known(/no compression/i, () =>
      verdict.same(`${place}: Content-Encoding`, undefined, answer.headers.get("content-encoding")),
    );
    // Either is right.
    known(/connection kept or closed/i, () => {});
    // askOnce always leaves at once: the next one shows that it harmed nobody.
    if (/reset the connection/i.test(part)) {
      isKnown = true;
      verdict.same(`${place}: after a reset`, answer.status, (await ask(method)).status);
    }
    if (/same length as the following GET|render once|keep the result/i.test(part)) {
      isKnown = true;
      const get = await ask("GET");
      verdict.same(`${place}: length of HEAD`, get.headers.get("content-length"), answer.headers.get("content-length"));
      verdict.same(`${place}: length of GET`, FILE_BYTES, get.bodyBytes);
    }
    if (!isKnown) verdict.skip(part);
  }
}

/** The path below the boot directory; undefined for a target that names no file. */
function fileOf(target: string): string | undefined {
  const parts = target
    .split("?")[0]!
    .split("/")
    .filter((part) => part !== "" && part !== ".");
  const names = parts[0] === "boot" ? parts.slice(1) : parts;
  return names.length === 0 || names.includes("..") ? undefined : names.join("/");
}

async function askOnce(path: string, request: Buffer): Promise<Answer> {
  const socket = connect(path);
  const signal = AbortSignal.timeout(DEADLINE_MS);
  try {
    socket.write(request);
    let bytes = Buffer.alloc(0);
    for (;;) {
      const answer = answerOf(bytes, request);
      if (answer !== undefined) return answer;
      const [part] = await once(socket, "data", { signal });
      bytes = Buffer.concat([bytes, part]);
    }
  } finally {
    // As a client that is gone after the last byte.
    socket.destroy();
  }
}

function answerOf(bytes: Buffer, request: Buffer): Answer | undefined {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const [first = "", ...lines] = bytes.toString("latin1", 0, end).split("\r\n");
  const headers = new Map(
    lines.map((line): [string, string] => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  const bodyBytes = bytes.length - end - 4;
  const wanted = request.toString("latin1", 0, 5) === "HEAD " ? 0 : Number(headers.get("content-length") ?? 0);
  if (bodyBytes < wanted) return undefined;
  return { status: Number(first.split(" ")[1]), headers, bodyBytes };
}
