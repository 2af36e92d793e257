import type { Static, TSchema } from "typebox";
import { Value } from "typebox/value";
import { Agent, request } from "undici";
import { Fault } from "../../fault.ts";
import { FaultBody } from "../contract.ts";
import { type ServerPlace, serversAt } from "./servers.ts";

/** Every answer comes within this, or not at all. */
export const ANSWER_WITHIN_MS = 10_000;
const MOST_JSON_BYTES = 4 * 1024 * 1024;

export type AskOptions = {
  readonly token?: string;
  /** Sent as JSON; bytes are sent as they are. */
  readonly body?: unknown;
  readonly withinMs?: number;
  readonly signal?: AbortSignal | undefined;
  /** Called with the date of the answer, when it has one. */
  readonly onDate?: ((heard: HeardDate) => void) | undefined;
  /** Called with the server that answered. */
  readonly onServer?: (server: URL) => void;
};

/** The Date header of an answer (RFC 9110, 6.6.1), and when it was asked and heard, by `performance.now()`. */
export type HeardDate = { readonly date: string; readonly askedAtMs: number; readonly answeredAtMs: number };

/** The connection to a server, for questions that are answered with JSON. */
export type Asker = {
  /** @throws {Fault} SERVER_UNREACHABLE, SERVER_ANSWER (not what the contract says), or the server's own Fault */
  ask<Schema extends TSchema>(
    schema: Schema,
    method: "GET" | "POST" | "PUT",
    path: string,
    options: AskOptions,
  ): Promise<Static<Schema>>;
  close(): Promise<void>;
};

/**
 * Every request has a deadline, and every answer is checked against the contract before it is used. Of several servers
 * the next one is asked the next time when one does not answer.
 */
export function asker(place: ServerPlace): Asker {
  const servers = serversAt(place);
  const dispatcher = new Agent({ connect: { timeout: 5000 }, keepAliveTimeout: 30_000 });
  return {
    async ask(schema, method, path, options) {
      const deadline = AbortSignal.timeout(options.withinMs ?? ANSWER_WITHIN_MS);
      const headers: Record<string, string> = {};
      if (options.token !== undefined) headers["authorization"] = `Bearer ${options.token}`;
      const askedAtMs = performance.now();
      const isBytes = options.body instanceof Uint8Array;
      const url = servers.current;
      if (options.body !== undefined)
        headers["content-type"] = isBytes ? "application/octet-stream" : "application/json";
      try {
        const response = await request(new URL(path, url), {
          method,
          headers,
          body: bodyOf(options.body),
          dispatcher,
          signal: options.signal === undefined ? deadline : AbortSignal.any([deadline, options.signal]),
        });
        const answeredAtMs = performance.now();
        const bytes = await collect(response.body, path);
        const isFine = response.statusCode >= 200 && response.statusCode < 300;
        if (!isFine) throw faultOf(response.statusCode, path, bytes);
        const { date } = response.headers;
        options.onServer?.(url);
        if (typeof date === "string") options.onDate?.({ date, askedAtMs, answeredAtMs });
        return decodeAnswer(schema, bytes, path);
      } catch (error) {
        if (error instanceof Fault) throw error;
        options.signal?.throwIfAborted();
        servers.goOn(url);
        throw unreachable(url, path, error);
      }
    },
    close: () => dispatcher.destroy(),
  };
}

/**
 * An answer's bytes as what the contract says they are.
 *
 * @throws {Fault} SERVER_ANSWER
 */
export function decodeAnswer<Schema extends TSchema>(schema: Schema, bytes: Uint8Array, path: string): Static<Schema> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch (error) {
    throw badAnswer(path, "it is not JSON", error);
  }
  if (Value.Check(schema, value)) return value;
  const [first] = Value.Errors(schema, value);
  throw badAnswer(path, `${first?.instancePath || "it"} ${first?.message ?? "is not as agreed"}`);
}

/** The server's Fault if its error answer is one, otherwise one that says what came instead. */
function faultOf(status: number, path: string, bytes: Buffer): Fault {
  try {
    const body: unknown = JSON.parse(bytes.toString("utf8"));
    if (Value.Check(FaultBody, body)) return new Fault(body.code, body);
  } catch {
    // Not JSON: told below.
  }
  return badAnswer(path, `its status is ${status}`);
}

function bodyOf(body: unknown): Uint8Array | string | null {
  if (body === undefined) return null;
  return body instanceof Uint8Array ? body : JSON.stringify(body);
}

async function collect(body: AsyncIterable<Uint8Array>, path: string): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of body) {
    length += part.length;
    if (length > MOST_JSON_BYTES) throw badAnswer(path, `it is longer than ${MOST_JSON_BYTES} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts, length);
}

function unreachable(url: URL, path: string, cause: unknown): Fault {
  const why = cause instanceof Error ? cause.message || cause.name : String(cause);
  return new Fault(
    "SERVER_UNREACHABLE",
    {
      what: `The server ${url.host} does not answer.`,
      why: `${path.split("?")[0]}: ${why}.`,
      fix: "Check that bootcast serve runs there and that the cable is in.",
    },
    cause,
  );
}

function badAnswer(path: string, why: string, cause?: unknown): Fault {
  return new Fault(
    "SERVER_ANSWER",
    {
      what: `The server's answer to ${path.split("?")[0]} cannot be used.`,
      why: `The contract between agent and server was broken: ${why}.`,
      fix: 'Use a boot image of the server\'s own version: "bootcast boot-image build".',
    },
    cause,
  );
}
