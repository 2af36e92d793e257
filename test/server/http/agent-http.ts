import { agentRoutes } from "../../../server/http/agent-api.ts";
import { createHttp, type HttpServer } from "../../../server/http/http.ts";
import { type Core, NETWORK } from "../core.ts";

/** What agents ask, over a core's decisions. It listens nowhere yet; the caller closes it. */
export function agentHttp(core: Core): HttpServer {
  const http = createHttp(core.log);
  const { hosts, orders, reports, alive, events } = core;
  const now = () => core.nowMs;
  agentRoutes(http, { hosts, orders, reports, alive, events, now, interfaceAddressOf: () => NETWORK });
  return http;
}
