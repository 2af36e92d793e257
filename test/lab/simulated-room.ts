import { type Dispatcher, request } from "undici";
import {
  CONTRACT_VERSION,
  type Inventory,
  type Order,
  type Progress,
  type ProgressAnswer,
  type Registration,
  type Report,
} from "../../agent/contract.ts";
import { machine } from "../server/core.ts";

type DeployOrder = Extract<Order, { kind: "deploy" }>;

const models = [
  ["Apple", "iMac12,1"],
  ["Dell Inc.", "OptiPlex 7050"],
  ["Apple", "MacPro5,1"],
] as const;

/** What a machine of a room says of itself when it registers. */
export function simulatedInventory(number: number): Inventory {
  const [vendor, model] = models[number % models.length]!;
  const plain = machine(number);
  const disks = plain.disks.map((disk) => ({ ...disk, path: "/dev/sda", sizeBytes: 500e9, model: "ST500DM002" }));
  const serial = `C02QG${100 + number}`;
  return { ...plain, vendor, model, serial, memoryBytes: 16e9, disks, contract: CONTRACT_VERSION };
}

/** Machines that speak to a server as agents do, over its real HTTP, and do nothing. */
export class SimulatedRoom {
  readonly agents: SimulatedAgent[] = [];
  readonly #server: string;

  constructor(server: string) {
    this.#server = server;
  }

  /** So many more machines register. */
  async arrive(count: number): Promise<void> {
    for (let n = 0; n < count; n += 1) {
      const inventory = simulatedInventory(this.agents.length + 1);
      this.agents.push(await SimulatedAgent.register(this.#server, inventory));
    }
  }
}

export class SimulatedAgent {
  readonly name: string;
  readonly id: string;
  readonly #server: string;
  readonly #token: string;
  readonly #dispatcher: Dispatcher | undefined;
  #order: DeployOrder | undefined;
  #receiverId = "";

  private constructor(server: string, { hostId, name, token }: Registration, dispatcher: Dispatcher | undefined) {
    this.#server = server;
    this.id = hostId;
    this.name = name;
    this.#token = token;
    this.#dispatcher = dispatcher;
  }

  /** @param dispatcher its way to the server; that of all unless given */
  static async register(server: string, inventory: Inventory, dispatcher?: Dispatcher): Promise<SimulatedAgent> {
    const registration = await ask<Registration>(`${server}/agent/v1/hosts`, { body: inventory, dispatcher });
    const agent = new SimulatedAgent(server, registration, dispatcher);
    await agent.report("waiting", { detail: "Nothing is ordered for this host." });
    return agent;
  }

  /** What it is to do now; the server may hold the question for so long. */
  async asks(waitSeconds = 0): Promise<Order> {
    const order = await this.#ask<Order>(`hosts/${this.id}/order?waitSeconds=${waitSeconds}`);
    this.#order = order.kind === "deploy" ? order : undefined;
    return order;
  }

  /** Takes what is ordered for it, and joins its stream. */
  async begin(): Promise<void> {
    const order = await this.asks();
    if (order.kind !== "deploy") throw new Error(`${this.name}: ${order.kind}, ${order.reason}`);
    await this.join();
  }

  /** Looks at its disks, and joins the stream of the order that it has. */
  async join(): Promise<void> {
    await this.report("preflight", { detail: "looking at its disks" });
    const join = { hostId: this.id, name: this.name };
    const { receiverId } = await this.#ask<{ receiverId: string }>(`streams/${this.#order?.streamId}/receivers`, join);
    this.#receiverId = receiverId;
    await this.receive("ready", { done: 0, received: 0, lost: 0 });
  }

  async report(state: Report["state"], more: Partial<Report> = {}): Promise<void> {
    const deployId = this.#order === undefined ? {} : { deployId: this.#order.deployId };
    await this.#ask(`hosts/${this.id}/reports`, { state, detail: "", ...deployId, ...more });
  }

  /** Tells the stream what arrived since the last time; `done` of 100. */
  receive(
    state: Progress["state"],
    { done, received, lost }: { done: number; received: number; lost: number },
  ): Promise<ProgressAnswer> {
    const progress = { state, packsDone: done, packsTotal: 100, symbolsReceived: received, symbolsLost: lost };
    return this.#ask(`streams/${this.#order?.streamId}/receivers/${this.#receiverId}`, progress);
  }

  #ask<T>(path: string, body?: object): Promise<T> {
    return ask(`${this.#server}/agent/v1/${path}`, { body, token: this.#token, dispatcher: this.#dispatcher });
  }
}

type Asked = {
  readonly body?: object | undefined;
  readonly token?: string;
  readonly dispatcher?: Dispatcher | undefined;
};

async function ask<T>(url: string, { body, token, dispatcher }: Asked): Promise<T> {
  const send = () =>
    request(url, {
      method: body === undefined ? "GET" : "POST",
      headers: {
        ...(body && { "content-type": "application/json" }),
        ...(token && { authorization: `Bearer ${token}` }),
      },
      ...(body && { body: JSON.stringify(body) }),
      ...(dispatcher && { dispatcher }),
    });
  // A connection that nobody used for a while is closed, just as something goes out on it.
  const response = await send().catch(send);
  const text = await response.body.text();
  if (response.statusCode >= 300) throw new Error(`${url}: ${response.statusCode} ${text}`);
  return JSON.parse(text) as T;
}
