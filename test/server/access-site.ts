import { Logins } from "../../server/access/logins.ts";
import { Passwords } from "../../server/access/password.ts";
import { RefusalLog } from "../../server/access/refusal-log.ts";
import { Tokens } from "../../server/access/tokens.ts";
import { Users } from "../../server/access/users.ts";
import { accessControl, actAsCaller } from "../../server/api/access.ts";
import { auditRoutes } from "../../server/api/audit-routes.ts";
import { idempotencyKeys } from "../../server/api/idempotency.ts";
import { loginRoutes } from "../../server/api/login-routes.ts";
import { openApi } from "../../server/api/openapi.ts";
import { securityHeaders } from "../../server/api/security-headers.ts";
import { userRoutes } from "../../server/api/user-routes.ts";
import { createHttp, type HttpServer } from "../../server/http/http.ts";
import { Core } from "./core.ts";

export const PASSWORD = "correct horse battery";

type Sent = { payload?: object; headers?: Record<string, string>; from?: string };
export type Answer = { status: number; body: Record<string, unknown>; headers: Record<string, unknown> };

/** An API with users and tokens, asked as over the network; the routes of the test come on top. */
export class AccessSite {
  readonly core: Core;
  readonly http: HttpServer;
  readonly users: Users;
  readonly tokens: Tokens;
  readonly logins: Logins;

  private constructor(core: Core) {
    const { db, events, log } = core;
    const now = () => core.nowMs;
    this.core = core;
    this.http = createHttp(log);
    this.users = new Users({ db, events, passwords: new Passwords({ N: 2 ** 4, r: 8, p: 1 }) });
    this.tokens = new Tokens({ db, events, now });
    this.logins = new Logins({ db, events, now });
  }

  static async open(more: (site: AccessSite) => void | Promise<void> = () => undefined): Promise<AccessSite> {
    const site = new AccessSite(await Core.open());
    const { core, http, users, tokens, logins } = site;
    const now = () => core.nowMs;
    const refusals = new RefusalLog({ events: core.events, now, log: core.log });
    securityHeaders(http);
    await accessControl(http, {
      logins,
      tokens,
      // Only in tests: who says so is taken for the owner of the UNIX socket.
      isLocal: ({ headers }) => headers["x-test-local"] === "yes",
      refused: ({ ip, method, url }, { code }) => refusals.add({ from: ip, method, path: url, code }),
    });
    idempotencyKeys(http, { db: core.db, now });
    actAsCaller(http);
    await openApi(http, "1.0");
    auditRoutes(http, core);
    loginRoutes(http, { users, logins, now, refused: () => undefined });
    const reached = { servers: ["https://10.77.0.1:8443"], fingerprint: "ab".repeat(32) };
    userRoutes(http, { users, tokens, reachedAt: () => reached });
    await more(site);
    await http.ready();
    return site;
  }

  async close(): Promise<void> {
    await this.http.close();
    await this.core.db.destroy();
  }

  async ask(method: string, url: string, { payload, headers = {}, from = "10.77.0.50" }: Sent = {}): Promise<Answer> {
    const response = await this.http.inject({
      method: method as "GET",
      url,
      headers: { host: "bootcast:8443", ...headers },
      remoteAddress: from,
      ...(payload === undefined ? {} : { payload }),
    });
    const isJson = String(response.headers["content-type"]).includes("json");
    return { status: response.statusCode, body: isJson ? response.json() : {}, headers: response.headers };
  }

  local(method: string, url: string, payload?: object): Promise<Answer> {
    const headers = { "x-test-local": "yes", "x-bootcast-actor": "root" };
    return this.ask(method, url, { headers, ...(payload && { payload }) });
  }

  /** A user with a password, logged in: the headers that their page sends. */
  async page(name: string, role: "viewer" | "operator" | "admin"): Promise<Record<string, string>> {
    await this.users.add(name, role);
    const { code } = await this.users.makeLink(name);
    const { headers, body } = await this.ask("POST", "/api/v1/setup", { payload: { code, password: PASSWORD } });
    return { cookie: cookieOf(headers), "x-bootcast-csrf": String(body["csrf"]) };
  }
}

/** What the browser sends back. */
export function cookieOf(headers: Record<string, unknown>): string {
  return String(headers["set-cookie"]).split(";", 1)[0]!;
}
