import { request } from "undici";
import {
  CONTRACT_VERSION,
  type Inventory,
  type Order,
  type Progress,
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
      const number = this.agents.length + 1;
      const [vendor, model] = models[number % models.length]!;
      const plain = machine(number);
      const disks = plain.disks.map((disk) => ({ ...disk, path: "/dev/sda", sizeBytes: 500e9, model: "ST500DM002" }));
      const serial = `C02QG${100 + number}`;
      const inventory = { ...plain, vendor, model, serial, memoryBytes: 16e9, disks, contract: CONTRACT_VERSION };
      this.agents.push(await SimulatedAgent.register(this.#server, inventory));
    }
  }
}

export class SimulatedAgent {
  readonly name: string;
  readonly id: string;
  readonly #server: string;
  readonly #token: string;
  #order: DeployOrder | undefined;
  #receiverId = "";

  private constructor(server: string, { hostId, name, token }: Registration) {
    this.#server = server;
    this.id = hostId;
    this.name = name;
    this.#token = token;
  }

  static async register(server: string, inventory: Inventory): Promise<SimulatedAgent> {
    const agent = new SimulatedAgent(server, await ask<Registration>(`${server}/agent/v1/hosts`, inventory));
    await agent.report("waiting", { detail: "Nothing is ordered for this host." });
    return agent;
  }

  /** Takes what is ordered for it, and joins its stream. */
  async begin(): Promise<void> {
    const order = await ask<Order>(`${this.#server}/agent/v1/hosts/${this.id}/order`, undefined, this.#token);
    if (order.kind !== "deploy") throw new Error(`${this.name}: ${order.kind}, ${order.reason}`);
    this.#order = order;
    await this.report("preflight", { detail: "looking at its disks" });
    const join = { hostId: this.id, name: this.name };
    const streams = `${this.#server}/agent/v1/streams/${order.streamId}/receivers`;
    this.#receiverId = (await ask<{ receiverId: string }>(streams, join, this.#token)).receiverId;
    await this.receive("ready", { done: 0, received: 0, lost: 0 });
  }

  async report(state: Report["state"], more: Partial<Report> = {}): Promise<void> {
    const deployId = this.#order === undefined ? {} : { deployId: this.#order.deployId };
    const report = { state, detail: "", ...deployId, ...more };
    await ask(`${this.#server}/agent/v1/hosts/${this.id}/reports`, report, this.#token);
  }

  /** Tells the stream what arrived since the last time; `done` of 100. */
  async receive(
    state: Progress["state"],
    { done, received, lost }: { done: number; received: number; lost: number },
  ): Promise<void> {
    const progress = { state, packsDone: done, packsTotal: 100, symbolsReceived: received, symbolsLost: lost };
    const url = `${this.#server}/agent/v1/streams/${this.#order?.streamId}/receivers/${this.#receiverId}`;
    await ask(url, progress, this.#token);
  }
}

async function ask<T>(url: string, body?: object, token?: string): Promise<T> {
  const response = await request(url, {
    method: body === undefined ? "GET" : "POST",
    headers: {
      ...(body && { "content-type": "application/json" }),
      ...(token && { authorization: `Bearer ${token}` }),
    },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await response.body.text();
  if (response.statusCode >= 300) throw new Error(`${url}: ${response.statusCode} ${text}`);
  return JSON.parse(text) as T;
}
