import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import fastify, {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifySchemaCompiler,
  LogController,
  type RawReplyDefaultExpression,
  type RawRequestDefaultExpression,
  type RawServerDefault,
} from "fastify";
import type { Logger } from "pino";
import type { TSchema } from "typebox";
import { Compile } from "typebox/compile";
import { Value } from "typebox/value";
import { Fault } from "../../fault.ts";
import { PROBLEM_TYPE, problemOf } from "../api/problem.ts";

/** fastify with our schemas: what a route's TypeBox schema says is the type its handler sees. */
export type HttpServer = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

/** The largest thing that anybody sends us is the inventory of a host with many disks. */
const BODY_LIMIT_BYTES = 256 * 1024;

/** Slow headers or bodies are cut off; a long poll is an answer that takes long, and is not. */
const REQUEST_TIMEOUT_MS = 30_000;

/** A fastify as both listeners use it: our logger, our errors, our limits. */
export function createHttp(log: Logger): HttpServer {
  const http = fastify({
    loggerInstance: log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    // close() ends what is under way instead of waiting for the longest download.
    forceCloseConnections: true,
  }).withTypeProvider<TypeBoxTypeProvider>();
  http.setValidatorCompiler(validatorOf);
  http.addHook("onResponse", async (request, reply) => {
    request.log.debug(
      { method: request.method, url: pathOf(request.url), status: reply.statusCode, ms: Math.round(reply.elapsedTime) },
      "http",
    );
  });
  http.setErrorHandler((error: FastifyError, request, reply) => {
    const fault = faultOfRequest(error);
    const status = statusOf(fault);
    if (status >= 500) request.log.error({ err: error, url: pathOf(request.url) }, fault.what);
    return sendFault(request, reply, fault, status);
  });
  http.setNotFoundHandler((request, reply) => {
    const fault = new Fault("ROUTE_UNKNOWN", {
      what: `There is nothing at ${request.method} ${request.url.slice(0, 200)}.`,
      why: "The address is wrong, or client and server have different versions.",
      fix: 'Compare "bootcast version" on both sides.',
    });
    return sendFault(request, reply, fault, 404);
  });
  return http;
}

/** Agents get the Fault as it is, everybody else as RFC 9457 says. */
function sendFault({ url }: FastifyRequest, reply: FastifyReply, fault: Fault, status: number): FastifyReply {
  void reply.code(status).serializer((sent: unknown) => JSON.stringify(sent));
  if (!url.startsWith("/api/")) return reply.type("application/json; charset=utf-8").send(fault.toJSON());
  return reply.type(PROBLEM_TYPE).send(problemOf(fault, status));
}

/** A query may hold what gives a right (the ticket of a machine's menu): it is not logged. */
function pathOf(url: string): string {
  return url.split("?", 1)[0] ?? "";
}

/**
 * Queries and paths are text and are converted; a body is JSON and means exactly what it says: fastify's
 * own checker would take `"to": "lab-01"` for a list and drop keys that it does not know.
 */
const validatorOf: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const checker = Compile(schema);
  return (value: unknown) => {
    const read = httpPart === "body" ? value : Value.Convert(schema, Value.Default(schema, value ?? {}));
    if (httpPart !== "body" && hasHugeNumber(read)) return { error: new Error("A number is too large.") };
    return checker.Check(read) ? { value: read } : { error: checker.Errors(read) as never };
  };
};

/** Whether a path or a query has a number that is none exactly, and that no database would take. */
function hasHugeNumber(read: unknown): boolean {
  return Object.values(read as object).some(
    (value) => typeof value === "number" && Math.abs(value) > Number.MAX_SAFE_INTEGER,
  );
}

/** What a client may be told about an error: a Fault as it is, a wrong request in fastify's words, the rest as ours. */
function faultOfRequest(error: FastifyError): Fault {
  if (error instanceof Fault) return error;
  const isRequest = error.validation !== undefined || (error.statusCode !== undefined && error.statusCode < 500);
  return new Fault(
    isRequest ? "REQUEST_INVALID" : "SERVER_FAILED",
    {
      what: isRequest ? "The server did not understand the request." : "The server failed to answer.",
      why: isRequest ? error.message : "Something happened that it does not expect.",
      fix: isRequest ? 'Compare "bootcast version" on both sides.' : "Look at the server's log for the cause.",
    },
    error,
  );
}

/** Codes whose status is not that of their last word. */
const statusOfCode: Readonly<Record<string, number>> = {
  TOKEN_WRONG: 401,
  LOGIN_NEEDED: 401,
  LOGIN_WRONG: 401,
  LINK_WRONG: 401,
  ROLE_TOO_LOW: 403,
  REQUEST_FORGED: 403,
  ADMIN_NEEDED: 409,
  HOST_NOT_ORDERED: 409,
  HOST_LOCKED: 409,
  HOST_UNAPPROVED: 409,
  HOSTS_SKIPPED: 409,
  DEPLOY_RUNS: 409,
  NOTHING_TO_RETRY: 409,
  LOGIN_THROTTLED: 429,
  HOST_FLOOD: 429,
  HOST_TWICE: 409,
  ENROLMENT_NEEDED: 403,
  WAKE_FAILED: 502,
  DATABASE_UNREACHABLE: 503,
  STREAM_ELSEWHERE: 409,
};

/** The HTTP status of a Fault, by the last word of its code. */
function statusOf(fault: Pick<Fault, "code">): number {
  const ofCode = statusOfCode[fault.code];
  if (ofCode !== undefined) return ofCode;
  const kind = fault.code.split("_").at(-1) ?? "";
  if (["UNKNOWN", "MISSING"].includes(kind)) return 404;
  if (["BUSY", "TAKEN", "EXISTS", "ENDED", "FULL", "ANEW"].includes(kind)) return 409;
  if (kind === "LARGE") return 413;
  return ["INVALID", "NAME", "RULE"].includes(kind) ? 400 : 500;
}

/** The IPv4 address that a socket is bound to, also when it was reached through an IPv6 one. */
export function plainAddress(address: string | undefined): string | undefined {
  return address?.replace(/^::ffff:(?=\d+\.)/, "");
}

/** Cuts off whoever reaches us at an address that is not served: a listener on several networks has all of them. */
export function onlyAt(http: HttpServer, addresses: readonly string[]): void {
  http.addHook("onRequest", async (request) => {
    const { socket } = request.raw;
    const local = plainAddress(socket.localAddress);
    if (local !== undefined && !addresses.includes(local)) socket.destroy();
  });
}

/**
 * Listens, with an error that names the port.
 *
 * @param setting where the person can change the port
 * @returns the port, which the system chose when `port` is 0
 * @throws {Fault} PORT_TAKEN, PORT_REFUSED
 */
export async function listenTcp(
  http: HttpServer,
  host: string,
  port: number,
  setting = "http.port in bootcast.toml",
): Promise<number> {
  try {
    await http.listen({ host, port });
  } catch (error) {
    throw portRefused(host, port, setting, error);
  }
  const address = http.server.address();
  return typeof address === "object" && address !== null ? address.port : port;
}

/** Why nobody can listen there: PORT_TAKEN or PORT_REFUSED. */
export function portRefused(host: string, port: number, setting: string, error: unknown): Fault {
  const isTaken = (error as NodeJS.ErrnoException).code === "EADDRINUSE";
  return new Fault(
    isTaken ? "PORT_TAKEN" : "PORT_REFUSED",
    {
      what: `bootcast cannot listen on ${host}, port ${port}/tcp.`,
      why: isTaken ? "Another program listens there already." : (error as Error).message,
      fix: isTaken
        ? `Stop it ("ss -ltnp sport = :${port}" names it), or give another one with ${setting}.`
        : `Give a port that this user may use with ${setting}, or run bootcast as root.`,
    },
    error,
  );
}
