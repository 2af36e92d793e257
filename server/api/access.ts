import cookie from "@fastify/cookie";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Fault } from "../../fault.ts";
import { loginNeeded, requestForged, roleTooLow } from "../access/access-faults.ts";
import { actingAs } from "../access/actor.ts";
import { LONGEST_LOGIN_MS, type Logins } from "../access/logins.ts";
import { isEnough, type LeastRole, type Role } from "../access/roles.ts";
import { csrfOf } from "../access/secrets.ts";
import type { Tokens } from "../access/tokens.ts";
import type { HttpServer } from "../http/http.ts";

/** Who sends a request. */
export type Caller = {
  readonly kind: "local" | "user" | "token";
  /** As it is written down: "mueller", "token ci", "root on this machine". */
  readonly name: string;
  readonly role: Role;
  /** The cookie of a browser. */
  readonly cookie?: string;
};

declare module "fastify" {
  interface FastifyContextConfig {
    /** Who may use the route over the network. Not said: admins only. */
    role?: LeastRole;
  }
  interface FastifyRequest {
    /** Undefined: nobody logged in, which only routes for anyone see. */
    caller: Caller | undefined;
    /** Whether they would be let in now, too: for answers that take long. */
    isStillLetIn: (() => Promise<boolean>) | undefined;
  }
}

export type AccessOptions = {
  readonly logins: Logins;
  readonly tokens: Tokens;
  /** Whether a request came over the socket that the file system protects. */
  isLocal(request: FastifyRequest): boolean;
  /** Hears of each request that was not let in. */
  refused(request: FastifyRequest, fault: Fault): void;
};

/** "__Host-" makes browsers refuse it without Secure, from plain HTTP, and for another path or domain. */
const COOKIE = "__Host-bootcast";
const CSRF_HEADER = "x-bootcast-csrf";
const cookieRules = { path: "/", httpOnly: true, secure: true, sameSite: "strict" } as const;
const readingMethods = ["GET", "HEAD", "OPTIONS"];

/**
 * Lets a request pass only from somebody with the role that its route asks for. It holds for every route of this
 * server, also for those that are added later.
 */
export async function accessControl(http: HttpServer, options: AccessOptions): Promise<void> {
  await http.register(cookie);
  http.decorateRequest("caller", undefined);
  http.decorateRequest("isStillLetIn", undefined);

  http.addHook("onRequest", async (request) => {
    try {
      request.caller = await callerOf(request, options);
      checkRole(request, request.caller);
    } catch (error) {
      options.refused(request, error as Fault);
      throw error;
    }
    request.isStillLetIn = async () => {
      try {
        checkRole(request, await callerOf(request, options));
        return true;
      } catch {
        return false;
      }
    };
  });
}

/** Runs each request as its caller: every event of what it changes names them. After `idempotencyKeys`. */
export function actAsCaller(http: HttpServer): void {
  // In this hook, and with a callback: what was asynchronous before it, like reading the body, would lose the actor.
  http.addHook("preHandler", (request, _reply, done) => {
    const { caller, inChange } = request;
    if (caller === undefined) done();
    else actingAs({ name: caller.name, ...(inChange && { inChange }) }, done);
  });
}

/** Gives the browser its cookie. */
export function logInBrowser(reply: FastifyReply, secret: string): void {
  void reply.setCookie(COOKIE, secret, { ...cookieRules, maxAge: LONGEST_LOGIN_MS / 1000 });
}

export function logOutBrowser(reply: FastifyReply): void {
  void reply.clearCookie(COOKIE, cookieRules);
}

/** @throws {Fault} LOGIN_NEEDED, REQUEST_FORGED */
async function callerOf(request: FastifyRequest, options: AccessOptions): Promise<Caller | undefined> {
  if (options.isLocal(request)) return localCaller(request);
  const { authorization } = request.headers;
  if (authorization !== undefined) return callerOfToken(authorization, options.tokens);
  if (!readingMethods.includes(request.method)) checkOrigin(request);
  const secret = request.cookies[COOKIE];
  const login = secret === undefined ? undefined : await options.logins.of(secret);
  if (secret === undefined || login === undefined) return undefined;
  if (!readingMethods.includes(request.method) && request.routeOptions.config.role !== "anyone") {
    if (request.headers[CSRF_HEADER] !== csrfOf(secret)) throw requestForged(`It has not the right ${CSRF_HEADER}.`);
  }
  return { kind: "user", ...login, cookie: secret };
}

/** Whoever may open the socket may do everything; the name they give is for the audit log. */
function localCaller(request: FastifyRequest): Caller {
  const given = request.headers["x-bootcast-actor"];
  const name = typeof given === "string" && /^[\w.@-]{1,64}$/.test(given) ? given : "somebody";
  return { kind: "local", name: `${name} on this machine`, role: "admin" };
}

/** @throws {Fault} LOGIN_NEEDED */
async function callerOfToken(authorization: string, tokens: Tokens): Promise<Caller> {
  const [, secret] = /^Bearer (\S{1,200})$/i.exec(authorization) ?? [];
  if (secret === undefined) throw loginNeeded('Its Authorization header is not "Bearer TOKEN".');
  const token = await tokens.of(secret);
  if (token === "expired") throw loginNeeded("The token's time is over.");
  if (token === undefined) throw loginNeeded("The token was never made here, or it was removed.");
  return { kind: "token", name: `token ${token.name}`, role: token.role };
}

/** Browsers say where a request comes from. @throws {Fault} REQUEST_FORGED */
function checkOrigin(request: FastifyRequest): void {
  const { origin, host, "sec-fetch-site": site } = request.headers;
  if (site !== undefined && site !== "same-origin") throw requestForged(`The browser says that it is ${site}.`);
  if (origin !== undefined && origin !== `https://${host}`) throw requestForged(`Another page made it: ${origin}.`);
}

/** @throws {Fault} LOGIN_NEEDED, ROLE_TOO_LOW */
function checkRole(request: FastifyRequest, caller: Caller | undefined): void {
  // What is not there is told to whoever may look at anything.
  const least: LeastRole = request.is404 ? "viewer" : (request.routeOptions.config.role ?? "admin");
  if (isEnough(caller?.role, least)) return;
  if (caller === undefined) throw loginNeeded("The request has neither a token nor the cookie of a login.");
  throw roleTooLow(least, caller.role, caller.name);
}
