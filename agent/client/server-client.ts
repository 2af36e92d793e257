import {
  type Hearing,
  HearingAnswer,
  type Inventory,
  Order,
  Registration,
  type Report,
  ReportAnswer,
} from "../contract.ts";
import { ANSWER_WITHIN_MS, asker, type HeardDate } from "./ask.ts";
import { type ServerPlace, Servers } from "./servers.ts";

/** The server may hold the question for an order so long (contract: at most 25). */
const ORDER_WAIT_SECONDS = 25;

/** What shows who a machine is, besides its inventory. */
export type RegistrationProof = {
  /** The enrolment token that it was started with. */
  readonly enrolment?: string | undefined;
  /** What this agent was given before, by this server or another one of the site. */
  readonly before?: Registration | undefined;
};

/** The server as a host sees it; streams and captures have their own clients (stream/control.ts, agent/capture/client.ts). */
export type ServerClient = {
  /** Where it is, for those that speak with it of streams and captures; other servers of the site as it tells of them. */
  readonly url: ServerPlace;
  register(inventory: Inventory, proof?: RegistrationProof): Promise<Registration>;
  order(host: Registration, signal?: AbortSignal): Promise<Order>;
  report(host: Registration, report: Report): Promise<ReportAnswer>;
  /** What it hears of the server's test. */
  hearing(host: Registration, word: Hearing): Promise<unknown>;
  close(): Promise<void>;
};

/**
 * Speaks `/agent/v1/hosts` with the server at `url`. Its methods throw what `Asker.ask` throws.
 *
 * @param onDate called with the date of the answer to a registration
 */
export function connect(url: URL, onDate?: (heard: HeardDate) => void): ServerClient {
  const servers = new Servers(url);
  const { ask, close } = asker(servers);
  const learning = async <Answer extends { readonly servers?: readonly string[] }>(
    question: (onServer: (server: URL) => void) => Promise<Answer>,
  ): Promise<Answer> => {
    let from = servers.current;
    const answer = await question((server) => {
      from = server;
    });
    servers.learn(from, answer.servers);
    return answer;
  };
  return {
    url: servers,
    register: (inventory, { enrolment, before } = {}) => {
      const body = enrolment === undefined ? inventory : { ...inventory, enrolment };
      const key = before === undefined ? {} : { token: before.token };
      return learning((onServer) => ask(Registration, "POST", "/agent/v1/hosts", { body, ...key, onDate, onServer }));
    },
    order: (registration, signal) =>
      ask(Order, "GET", `${host(registration)}/order?waitSeconds=${ORDER_WAIT_SECONDS}`, {
        token: registration.token,
        withinMs: ORDER_WAIT_SECONDS * 1000 + ANSWER_WITHIN_MS,
        signal,
      }),
    report: (registration, body) =>
      learning((onServer) =>
        ask(ReportAnswer, "POST", reportsPath(registration), { token: registration.token, body, onServer }),
      ),
    hearing: (registration, word) =>
      ask(HearingAnswer, "POST", `${host(registration)}/hearing`, { token: registration.token, body: word }),
    close,
  };
}

function host({ hostId }: Registration): string {
  return `/agent/v1/hosts/${encodeURIComponent(hostId)}`;
}

/** Where a host's reports go. */
export function reportsPath(registration: Registration): string {
  return `${host(registration)}/reports`;
}
