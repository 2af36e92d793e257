import { Type } from "typebox";
import type { HttpServer } from "../http/http.ts";
import type { Conductor } from "../orders/conductor.ts";
import type { DeployStreams } from "../orders/deploy-streams.ts";
import type { Deploys } from "../orders/deploys.ts";
import type { Sessions } from "../orders/sessions.ts";
import { Next } from "./page.ts";
import { DeployPlanBody, DeployRequestBody, ListedSessionBody, SessionBody } from "./schemas.ts";
import { jsonOf, jsonReply, SharedAnswers } from "./shared-answers.ts";
import { writable } from "./writable.ts";

export type SessionRoutesOptions = {
  readonly deploys: Deploys;
  readonly conductor: Pick<Conductor, "start">;
  readonly sessions: Sessions;
  readonly streams: DeployStreams;
};

const OneSession = Type.Object({ session: Type.Integer({ minimum: 1 }) });
/** The newest first. There are ever more of them, so there is always a limit. */
const SessionQuery = Type.Object({
  limit: Type.Integer({ minimum: 1, maximum: 200, default: 50 }),
  cursor: Type.Optional(Type.Integer({ minimum: 1 })),
});
/** Only these hosts of it; all when nothing is sent. */
const StopBody = Type.Union([
  Type.Null(),
  Type.Object(
    { hosts: Type.Optional(Type.Array(Type.String({ minLength: 1 }), { minItems: 1, maxItems: 1000 })) },
    { additionalProperties: false },
  ),
]);

/** What is ordered, and what becomes of it. */
export function sessionRoutes(http: HttpServer, options: SessionRoutesOptions): void {
  const { deploys, conductor, sessions, streams } = options;
  // Every open page asks for the same every two seconds while something moves.
  const shared = new SharedAnswers();

  http.post(
    "/api/v1/deploys/plan",
    {
      config: { role: "operator" },
      schema: {
        summary: "What an order would erase, whom it would leave alone and why, and how long it takes; changes nothing",
        body: DeployRequestBody,
        response: { 200: DeployPlanBody },
      },
    },
    async (request) => writable(await deploys.plan(request.body)),
  );

  http.post(
    "/api/v1/deploys",
    {
      config: { role: "operator" },
      schema: {
        summary: "Orders an image onto hosts: their disks are erased",
        body: DeployRequestBody,
        response: { 201: Type.Object({ deployId: Type.Number(), plan: DeployPlanBody }) },
      },
    },
    async (request, reply) => {
      const { deployId, plan } = await deploys.create(request.body);
      request.log.info({ deployId, image: plan.image.name, to: plan.to, hosts: plan.hosts.length }, "deploy ordered");
      return reply.code(201).send({ deployId, plan: writable(plan) });
    },
  );

  http.get(
    "/api/v1/sessions",
    {
      config: { role: "viewer" },
      schema: {
        summary: "What was ordered, the newest first, without its hosts",
        querystring: SessionQuery,
        response: { 200: Type.Object({ sessions: Type.Array(ListedSessionBody), next: Next }) },
      },
    },
    async ({ query }, reply) => {
      const answer = await shared.of(`list ${JSON.stringify(query)}`, async () => {
        const { limit, cursor } = query;
        const found = await sessions.list({ limit: limit + 1, ...(cursor === undefined ? {} : { before: cursor }) });
        const page = found.slice(0, limit);
        const next = found.length > limit ? { next: String(page.at(-1)!.id) } : {};
        return jsonOf(reply, { sessions: page, ...next });
      });
      return jsonReply(reply).send(answer as never);
    },
  );

  http.get(
    "/api/v1/sessions/:session",
    {
      config: { role: "viewer" },
      schema: {
        summary: "One session: each host, how far it is, who is slow and why",
        params: OneSession,
        response: { 200: SessionBody },
      },
    },
    async ({ params: { session } }, reply) => {
      const answer = await shared.of(`${session}`, async () => jsonOf(reply, await sessions.show(session)));
      return jsonReply(reply).send(answer as never);
    },
  );

  http.post(
    "/api/v1/sessions/:session/stop",
    {
      config: { role: "operator" },
      schema: {
        summary: "Takes an order back, for all its hosts or for some",
        params: OneSession,
        body: StopBody,
        response: { 200: SessionBody },
      },
    },
    async (request) => {
      const { session } = request.params;
      const hosts = request.body?.hosts;
      await deploys.cancel(session, hosts);
      if (hosts === undefined) await streams.close(session);
      else await streams.closeIdle(session);
      return writable(await sessions.show(session));
    },
  );

  http.post(
    "/api/v1/sessions/:session/start",
    {
      config: { role: "operator" },
      schema: {
        summary: "Begins before its time, goes on after it has stopped, or sends to those that are there",
        params: OneSession,
        response: { 200: SessionBody },
      },
    },
    async (request) => {
      await conductor.start(request.params.session);
      return writable(await sessions.show(request.params.session));
    },
  );

  http.get(
    "/api/v1/sessions/:session/retry",
    {
      config: { role: "operator" },
      schema: {
        summary: "The order for its failed hosts again: to be planned and given like any other",
        params: OneSession,
        response: { 200: DeployRequestBody },
      },
    },
    async (request) => writable(await deploys.retry(request.params.session)),
  );
}
