import type { FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import type { Fault } from "../../fault.ts";
import { loginThrottled, loginWrong } from "../access/access-faults.ts";
import { LoginThrottle } from "../access/login-throttle.ts";
import type { Logins } from "../access/logins.ts";
import { csrfOf } from "../access/secrets.ts";
import type { User, Users } from "../access/users.ts";
import type { HttpServer } from "../http/http.ts";
import { logInBrowser, logOutBrowser } from "./access.ts";
import { LoginRequestBody, MeBody, PasswordBody, SetupRequestBody } from "./access-schemas.ts";

type LoginRouteOptions = {
  readonly users: Users;
  readonly logins: Logins;
  readonly now: () => number;
  /** Hears of each wrong password and link. */
  refused(request: FastifyRequest, fault: Fault, user?: string): void;
};

type Guess = { readonly request: FastifyRequest; readonly reply: FastifyReply; readonly user: string };

const anyone = { config: { role: "anyone" as const, hasPassword: true } };
const viewer = { config: { role: "viewer" as const } };

/** How people come in and out: `/api/v1/login`, `/setup`, `/logout`, `/me`. */
export function loginRoutes(http: HttpServer, options: LoginRouteOptions): void {
  const { users, logins, now } = options;
  const throttle = new LoginThrottle();

  /** Runs what may be guessing. A wrong guess makes the next one wait. */
  async function guarded<T>({ request, reply, user }: Guess, guess: () => Promise<T>): Promise<T> {
    const waitMs = throttle.waitMs(request.ip, user, now());
    if (waitMs > 0) {
      void reply.header("retry-after", Math.ceil(waitMs / 1000));
      throw loginThrottled(waitMs);
    }
    // Counted before it is known, so that many guesses at once are many guesses.
    throttle.onFailure(request.ip, user, now());
    try {
      const right = await guess();
      throttle.onSuccess(request.ip);
      return right;
    } catch (error) {
      options.refused(request, error as Fault, user);
      throw error;
    }
  }

  async function enter(request: FastifyRequest, reply: FastifyReply, { name, role }: User): Promise<MeBody> {
    const secret = await logins.begin(name, request.ip);
    logInBrowser(reply, secret);
    return { name, kind: "user", role, csrf: csrfOf(secret) };
  }

  http.post(
    "/api/v1/login",
    { ...anyone, schema: { body: LoginRequestBody, response: { 200: MeBody } } },
    async (request, reply) => {
      const { user: name, password } = request.body;
      const user = await guarded({ request, reply, user: name }, async () => {
        const right = await users.ofPassword(name, password);
        if (right === undefined) throw loginWrong();
        return right;
      });
      return enter(request, reply, user);
    },
  );

  http.post(
    "/api/v1/setup",
    { ...anyone, schema: { body: SetupRequestBody, response: { 200: MeBody } } },
    async (request, reply) => {
      const { code, password } = request.body;
      await guarded({ request, reply, user: "" }, () => users.ofLink(code));
      return enter(request, reply, await users.useLink(code, password));
    },
  );

  http.post(
    "/api/v1/logout",
    { ...viewer, schema: { response: { 200: Type.Object({}) } } },
    async ({ caller }, reply) => {
      if (caller?.cookie !== undefined) await logins.end(caller.cookie, caller.name);
      logOutBrowser(reply);
      return {};
    },
  );

  http.get("/api/v1/me", { ...viewer, schema: { response: { 200: MeBody } } }, async ({ caller }) => {
    const { name, kind, role, cookie } = caller!;
    return { name, kind, role, csrf: cookie === undefined ? null : csrfOf(cookie) };
  });

  // Their own; all their other browsers are logged out.
  http.put(
    "/api/v1/me/password",
    {
      config: { ...viewer.config, hasPassword: true },
      schema: {
        body: Type.Object({ before: PasswordBody.properties.password, ...PasswordBody.properties }),
        response: { 200: MeBody },
      },
    },
    async (request, reply) => {
      const { caller, body } = request;
      if (caller?.kind !== "user") throw loginWrong();
      await guarded({ request, reply, user: caller.name }, async () => {
        if ((await users.ofPassword(caller.name, body.before)) === undefined) throw loginWrong();
      });
      return enter(request, reply, await users.setPassword(caller.name, body.password));
    },
  );
}
