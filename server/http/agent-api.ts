import { Type } from "typebox";
import {
  AliveAnswer,
  Alive as AliveBody,
  Order,
  Registration,
  RegistrationRequest,
  Report,
  ReportAnswer,
} from "../../agent/contract.ts";
import type { HearingTests } from "../doctor/hearing.ts";
import type { EventLog } from "../events.ts";
import { ofOneHost } from "../hosts/host-token.ts";
import type { Hosts } from "../hosts/hosts.ts";
import type { Alive } from "../orders/alive.ts";
import type { Orders } from "../orders/orders.ts";
import type { OrderReports } from "../orders/reports.ts";
import { type HttpServer, plainAddress } from "./http.ts";

type AgentApiOptions = {
  readonly hosts: Hosts;
  readonly orders: Orders;
  readonly reports: OrderReports;
  readonly alive: Pick<Alive, "heard">;
  readonly events: EventLog;
  /** What waiting hosts are to listen for; nothing unless given. */
  readonly hearing?: Pick<HearingTests, "of">;
  readonly now: () => number;
  /** Which of our served addresses is in the network of a client that reached us at this one. */
  interfaceAddressOf(localAddress: string | undefined): string;
  /** Where an agent that reached us at this address may go instead; nowhere unless given. */
  readonly othersFor?: ((localAddress: string | undefined) => readonly string[] | undefined) | undefined;
};

/** Under the 30 s after which proxies and impatient clients hang up. */
const MAX_WAIT_SECONDS = 25;
/** An agent takes no answer with more (agent/contract/host.ts). */
const MOST_SERVERS = 16;

const OneHost = Type.Object({ hostId: Type.String() });
const Wait = Type.Object({ waitSeconds: Type.Number({ minimum: 0, maximum: MAX_WAIT_SECONDS, default: 0 }) });

/** The routes of agent/contract.ts that are about one host: register, ask for an order, report. */
export function agentRoutes(http: HttpServer, options: AgentApiOptions): void {
  const { hosts, orders, reports, alive, events, now } = options;
  const stopping = new AbortController();
  http.addHook("preClose", async () => stopping.abort());

  http.post(
    "/agent/v1/hosts",
    { schema: { body: RegistrationRequest, response: { 200: Registration } } },
    async (request) => {
      await reports.endLostIfAny();
      const { enrolment, ...inventory } = request.body;
      const proof = { enrolment, key: bearerOf(request) };
      const registration = await hosts.register(inventory, plainAddress(request.ip), proof);
      request.log.info({ host: registration.name, mac: inventory.mac, from: request.ip }, "host registered");
      return { ...registration, ...othersOf(request.raw.socket.localAddress) };
    },
  );

  const ofHost = ofOneHost(hosts);
  const othersOf = (localAddress: string | undefined) => {
    const servers = options.othersFor?.(plainAddress(localAddress));
    return servers === undefined ? {} : { servers: servers.slice(0, MOST_SERVERS) };
  };

  http.get(
    "/agent/v1/hosts/:hostId/order",
    { ...ofHost, schema: { params: OneHost, querystring: Wait, response: { 200: Order } } },
    async (request, reply) => {
      const { hostId } = request.params;
      const gone = new AbortController();
      reply.raw.once("close", () => gone.abort());
      const interfaceAddress = options.interfaceAddressOf(request.raw.socket.localAddress);
      await reports.endLostIfAny();
      await hosts.touch(hostId, now());
      const over = AbortSignal.any([
        stopping.signal,
        gone.signal,
        AbortSignal.timeout(Math.max(1, request.query.waitSeconds * 1000)),
      ]);
      for (;;) {
        const somethingNew = nextEventFor(hostId, events, over);
        const order = await orders.orderFor(hostId, interfaceAddress, plainAddress(request.ip));
        const hear = order.kind === "wait" ? options.hearing?.of(hostId) : undefined;
        if (order.kind !== "wait" || hear !== undefined || over.aborted || request.query.waitSeconds === 0) {
          somethingNew.cancel();
          return hear === undefined ? order : { ...order, hear };
        }
        await somethingNew.heard;
      }
    },
  );

  http.post(
    "/agent/v1/hosts/:hostId/reports",
    { ...ofHost, schema: { params: OneHost, body: Report, response: { 200: ReportAnswer } } },
    async (request) => ({
      ...(await reports.report(request.params.hostId, request.body)),
      ...othersOf(request.raw.socket.localAddress),
    }),
  );

  // Of the restored system, which has a token of its own and nothing else.
  http.post(
    "/agent/v1/hosts/:hostId/alive",
    { schema: { params: OneHost, body: AliveBody, response: { 200: AliveAnswer, 409: AliveAnswer } } },
    async (request, reply) => {
      const isNamed = await alive.heard(request.params.hostId, bearerOf(request) ?? "", request.body.name);
      return reply.code(isNamed ? 200 : 409).send({ isNamed });
    },
  );
}

const answeringKinds: readonly string[] = ["host.approved", "host.unlocked", "host.heard-test"];

function bearerOf({ headers }: { readonly headers: { readonly authorization?: string | undefined } }) {
  const [, token] = /^Bearer (\S+)$/.exec(headers.authorization ?? "") ?? [];
  return token;
}

/** Resolves at the next event that can change what this host is to do, or when `over` aborts. */
function nextEventFor(host: string, events: EventLog, over: AbortSignal): { heard: Promise<void>; cancel: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const unsubscribe = events.subscribe(({ kind, hostId }) => {
    // What becomes of another host of its session gives it nothing: whose turn comes then has an event of its own.
    if (hostId !== null && hostId !== host) return;
    if (kind.startsWith("deploy.") || answeringKinds.includes(kind)) end();
  });
  const end = () => {
    unsubscribe();
    over.removeEventListener("abort", end);
    resolve();
  };
  over.addEventListener("abort", end);
  if (over.aborted) end();
  return { heard: promise, cancel: end };
}
