import type { Socket } from "node:net";
import { hostname } from "node:os";
import type { FastifyRequest } from "fastify";
import type { Logger } from "pino";
import type { Fault } from "../../fault.ts";
import { Logins } from "../../server/access/logins.ts";
import { Passwords } from "../../server/access/password.ts";
import { RefusalLog } from "../../server/access/refusal-log.ts";
import { Tokens } from "../../server/access/tokens.ts";
import { Users } from "../../server/access/users.ts";
import { accessControl, actAsCaller } from "../../server/api/access.ts";
import { auditRoutes } from "../../server/api/audit-routes.ts";
import { authorityRoute } from "../../server/api/authority-route.ts";
import { helpRoutes } from "../../server/api/help-routes.ts";
import { idempotencyKeys } from "../../server/api/idempotency.ts";
import { loginRoutes } from "../../server/api/login-routes.ts";
import { openApi } from "../../server/api/openapi.ts";
import { securityHeaders } from "../../server/api/security-headers.ts";
import { setupPageRoutes } from "../../server/api/setup-page-routes.ts";
import { userRoutes } from "../../server/api/user-routes.ts";
import type { ConfigValues } from "../../server/config/config.ts";
import type { Database } from "../../server/db/database.ts";
import type { EventLog } from "../../server/events.ts";
import { type HttpServer, onlyAt } from "../../server/http/http.ts";
import { listenHttps } from "../../server/http/https.ts";
import type { InterfaceWatch } from "../../server/network/interface-watch.ts";
import { Authority } from "../../server/tls/authority.ts";
import { pageRoutes } from "../../server/web/routes.ts";
import { VERSION } from "../version.ts";
import { helpFiles } from "./help-files.ts";
import { addressList, listenAlso, startedPerAddress } from "./interface-services.ts";
import { pageFiles } from "./page-files.ts";

/** Between two looks whether the certificate is to be renewed. */
const LOOK_EVERY_MS = 6 * 3_600_000;

type AccessWiring = {
  readonly dataDir: string;
  readonly values: ConfigValues;
  readonly db: Database;
  readonly events: EventLog;
  /** Those that are served now; the list changes in place. */
  readonly addresses: readonly string[];
  readonly watch: InterfaceWatch;
  readonly log: Logger;
  readonly now: () => number;
};

/** Where people and programs reach the API over the network. */
export type HttpsNow = {
  /** "https://10.77.0.1:8443" */
  servers(): string[];
  /** SHA-256 of the authority's certificate, which they pin. */
  readonly fingerprint: string;
};

/**
 * Users, roles and tokens for every route of `api`, and its HTTPS listener. To be called before the routes are added;
 * `listen` when they all are.
 */
export async function accessOf(
  api: HttpServer,
  options: AccessWiring,
): Promise<HttpsNow & { readonly users: Users; listen(): Promise<{ stop(): Promise<void> }> }> {
  const { db, events, log, now, addresses, values, watch } = options;
  const authority = await Authority.open(options.dataDir);
  let port = values["https.port"];
  const reached = {
    servers: () => addresses.map((address) => `https://${address}:${port}`),
    fingerprint: authority.fingerprint,
  };
  const users = new Users({ db, events, passwords: new Passwords() });
  const tokens = new Tokens({ db, events, now });
  const logins = new Logins({ db, events, now });
  const refusals = new RefusalLog({ events, now, log });
  const refused = (request: FastifyRequest, fault: Fault, user?: string) =>
    refusals.add({ from: request.ip, method: request.method, path: pathOf(request), code: fault.code, user });
  // Its own server is the UNIX socket and nothing else: what comes in there was let in by the file system.
  const local = new WeakSet<Socket>();
  api.server.on("connection", (socket) => local.add(socket));
  const isLocal = ({ raw }: FastifyRequest) => local.has(raw.socket);
  onlyAt(api, addresses);
  securityHeaders(api);
  await accessControl(api, { logins, tokens, isLocal, refused });
  idempotencyKeys(api, { db, now });
  actAsCaller(api);
  await openApi(api, VERSION);
  authorityRoute(api, authority);
  setupPageRoutes(api);
  helpRoutes(api, helpFiles);
  pageRoutes(api, pageFiles);
  loginRoutes(api, { users, logins, now, refused });
  auditRoutes(api, { events });
  userRoutes(api, { users, tokens, reachedAt: () => ({ ...reached, servers: reached.servers() }) });

  async function listen(): Promise<{ stop(): Promise<void> }> {
    const names = () => [...addresses, ...namesOfMachine(), ...values["https.names"]];
    const [onlyAddress] = addresses.length === 1 ? addresses : [];
    const listener = await listenHttps(api, {
      host: onlyAddress ?? "0.0.0.0",
      port,
      certificate: await authority.serverCertificate(names(), now()),
      total: values["http.max_connections"],
      perClient: values["http.max_per_client"],
    });
    port = listener.port;
    const renew = async () => listener.setCertificate(await authority.serverCertificate(names(), now()));
    const look = () => renew().catch((error) => log.error({ err: error }, "the certificate could not be renewed"));
    const timer = setInterval(look, LOOK_EVERY_MS).unref();
    const also = startedPerAddress("https", onlyAddress === undefined ? [] : addresses, ({ address }) =>
      listenAlso(listener, address, port),
    );
    if (onlyAddress !== undefined) watch.follow(also);
    watch.follow({ ...addressList([]), name: "certificate", add: renew });
    if ((await users.list()).length === 0) {
      log.info({ fix: "bootcast user link" }, "nobody can log in to the pages yet");
    }
    return {
      async stop() {
        clearInterval(timer);
        await also.stop();
        await listener.stop();
      },
    };
  }
  return { ...reached, users, listen };
}

/** The pattern of a route, not what was filled in; a path that is none may hold anything. */
function pathOf({ routeOptions, url }: FastifyRequest): string {
  return routeOptions.url ?? url.split("?", 1)[0]!.slice(0, 200);
}

/** What people type to reach this machine. */
function namesOfMachine(): string[] {
  const name = hostname().toLowerCase();
  if (!/^[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*$/.test(name)) return [];
  return name.includes(".") ? [name] : [name, `${name}.local`];
}
