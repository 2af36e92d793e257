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

/** The server as a host sees it; streams and captures have their own clients (stream/control.ts, agent/capture/client.ts). */
export type ServerClient = {
  /** Where it is, for those that speak with it of streams and captures; other servers of the site as it tells of them. */
  readonly url: ServerPlace;
  register(inventory: Inventory): Promise<Registration>;
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
  const host = (registration: Registration) => `/agent/v1/hosts/${encodeURIComponent(registration.hostId)}`;
  return {
    url: servers,
    register: (inventory) =>
      learning((onServer) => ask(Registration, "POST", "/agent/v1/hosts", { body: inventory, onDate, onServer })),
    order: (registration, signal) =>
      ask(Order, "GET", `${host(registration)}/order?waitSeconds=${ORDER_WAIT_SECONDS}`, {
        token: registration.token,
        withinMs: ORDER_WAIT_SECONDS * 1000 + ANSWER_WITHIN_MS,
        signal,
      }),
    report: (registration, body) =>
      learning((onServer) =>
        ask(ReportAnswer, "POST", `${host(registration)}/reports`, { token: registration.token, body, onServer }),
      ),
    hearing: (registration, word) =>
      ask(HearingAnswer, "POST", `${host(registration)}/hearing`, { token: registration.token, body: word }),
    close,
  };
}
