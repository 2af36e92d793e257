import type { Static, TSchema } from "typebox";
import { Value } from "typebox/value";
import { Agent, request } from "undici";
import { Fault } from "../fault.ts";
import { FaultBody, type Inventory, Order, Registration, type Report, ReportAnswer } from "./contract.ts";

/** Every answer that is not the order comes within this, or not at all. */
const ANSWER_WITHIN_MS = 10_000;
/** The server may hold the question for an order so long (contract: at most 25). */
const ORDER_WAIT_SECONDS = 25;
const MOST_JSON_BYTES = 4 * 1024 * 1024;

/** The server as a host sees it; streams have their own client (stream/control.ts). */
export type ServerClient = {
  readonly url: URL;
  register(inventory: Inventory): Promise<Registration>;
  order(host: Registration, signal?: AbortSignal): Promise<Order>;
  report(host: Registration, report: Report): Promise<ReportAnswer>;
  close(): Promise<void>;
};

/**
 * Speaks `/agent/v1/hosts` with the server at `url`. Every request has a deadline, and
 * every answer is checked against the contract before it is used.
 *
 * Its methods throw Faults: SERVER_UNREACHABLE, SERVER_ANSWER (not what the
 * contract says), or the server's own Fault as it sent it.
 */
export function connect(url: URL): ServerClient {
  const dispatcher = new Agent({ connect: { timeout: 5000 }, keepAliveTimeout: 30_000 });

  async function ask<Schema extends TSchema>(
    schema: Schema,
    method: "GET" | "POST",
    path: string,
    options: { token?: string; body?: unknown; withinMs?: number; signal?: AbortSignal | undefined },
  ): Promise<Static<Schema>> {
    const deadline = AbortSignal.timeout(options.withinMs ?? ANSWER_WITHIN_MS);
    const headers: Record<string, string> = {};
    if (options.token !== undefined) headers["authorization"] = `Bearer ${options.token}`;
    if (options.body !== undefined) headers["content-type"] = "application/json";
    try {
      const response = await request(new URL(path, url), {
        method,
        headers,
        body: options.body === undefined ? null : JSON.stringify(options.body),
        dispatcher,
        signal: options.signal === undefined ? deadline : AbortSignal.any([deadline, options.signal]),
      });
      const bytes = await collect(response.body, path);
      const isFine = response.statusCode >= 200 && response.statusCode < 300;
      if (!isFine) throw faultOf(response.statusCode, path, bytes);
      return decodeAnswer(schema, bytes, path);
    } catch (error) {
      throw error instanceof Fault ? error : unreachable(url, path, error);
    }
  }

  const host = (registration: Registration) => `/agent/v1/hosts/${encodeURIComponent(registration.hostId)}`;
  return {
    url,
    register: (inventory) => ask(Registration, "POST", "/agent/v1/hosts", { body: inventory }),
    order: (registration, signal) =>
      ask(Order, "GET", `${host(registration)}/order?waitSeconds=${ORDER_WAIT_SECONDS}`, {
        token: registration.token,
        withinMs: ORDER_WAIT_SECONDS * 1000 + ANSWER_WITHIN_MS,
        signal,
      }),
    report: (registration, report) =>
      ask(ReportAnswer, "POST", `${host(registration)}/reports`, { token: registration.token, body: report }),
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
