/**
 * The hosts of test/bench/load.ts: one process, each host with an address and a connection of its own. They register,
 * "begin" with their order, and in "go" report once a second, as hosts that receive do; each is through with that at
 * some moment, and goes on with verifying. Its one argument is a `HostsOrder`.
 */
import { setTimeout as delay } from "node:timers/promises";
import { Client } from "undici";
import type { Inventory, Registration } from "../../agent/contract.ts";
import { machine } from "../server/core.ts";
import { type HostsOrder, latencies, OwnUse, obey } from "./load-said.ts";

/** Nobody switches on more in the same moment. */
const AT_ONCE = 25;

const order = JSON.parse(process.argv[2]!) as HostsOrder;
const json = { "content-type": "application/json" };

class Host {
  readonly #client: Client;
  readonly #inventory: Inventory;
  #who: Registration | undefined;
  #deployId = "";

  constructor(number: number) {
    // An address of its own, as a machine has: the server lets one address have so many connections and no more.
    const localAddress = `127.1.${number >> 8}.${number & 0xff}`;
    this.#client = new Client(order.address, { localAddress, connectTimeout: 60_000 });
    this.#inventory = machine(number);
  }

  async register(): Promise<void> {
    this.#who = (await this.#ask("POST", "/agent/v1/hosts", this.#inventory)) as Registration;
  }

  /** Takes its order, and comes as far as receiving. */
  async begin(): Promise<void> {
    const { deployId } = (await this.#ask("GET", `${this.#path()}/order`)) as { deployId: string };
    this.#deployId = deployId;
    await this.#report({ state: "preflight" });
    await this.#report({ state: "erasing", challenge: "a".repeat(64), disk: `disk of ${this.#inventory.mac}` });
    await this.#report({ state: "receiving", percent: 0, detail: "pass 1" });
  }

  /** @returns how long each answer took, in milliseconds */
  async work(seconds: number): Promise<number[]> {
    await delay(Math.random() * 1_000);
    const took: number[] = [];
    const begin = performance.now();
    const turn = Math.ceil(Math.random() * seconds);
    for (let second = 0; second < seconds; second += 1) {
      const from = performance.now();
      const isThrough = second >= turn;
      const percent = Math.floor(isThrough ? ((second - turn) / seconds) * 99 : (second / turn) * 99);
      const detail = isThrough ? "reads it back" : `pass ${1 + (second >> 3)}`;
      await this.#report({ state: isThrough ? "verifying" : "receiving", percent, detail });
      took.push(performance.now() - from);
      await delay(Math.max(0, begin + (second + 1) * 1_000 - performance.now()));
    }
    return took;
  }

  #path(): string {
    return `/agent/v1/hosts/${this.#who!.hostId}`;
  }

  async #report(more: object): Promise<void> {
    const report = { deployId: this.#deployId, detail: "", ...more };
    const { proceed, reason } = (await this.#ask("POST", `${this.#path()}/reports`, report)) as {
      proceed: boolean;
      reason: string;
    };
    if (!proceed) throw new Error(reason);
  }

  async #ask(method: "GET" | "POST", path: string, body?: object): Promise<unknown> {
    const authorization = this.#who === undefined ? {} : { authorization: `Bearer ${this.#who.token}` };
    const { statusCode, body: answer } = await this.#client.request({
      method,
      path,
      headers: { ...authorization, ...(body && json) },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (statusCode !== 200) throw new Error(`${method} ${path}: ${statusCode} ${text}`);
    return JSON.parse(text);
  }
}

const hosts = Array.from({ length: order.hosts }, (_, at) => new Host(at + 1));

/** @returns seconds until all were through, and how long each took */
async function inTurns(step: (host: Host) => Promise<void>): Promise<{ readonly seconds: number; took: number[] }> {
  const beganMs = performance.now();
  const took: number[] = [];
  const left = [...hosts];
  const turn = async () => {
    for (let host = left.shift(); host !== undefined; host = left.shift()) {
      const from = performance.now();
      await step(host);
      took.push(performance.now() - from);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, turn));
  return { seconds: (performance.now() - beganMs) / 1_000, took };
}

await obey(
  {
    begin: async () => {
      const { seconds } = await inTurns((host) => host.begin());
      return { type: "begun", figures: { "begin s": seconds } };
    },
    go: async () => {
      const use = new OwnUse();
      const took = (await Promise.all(hosts.map((host) => host.work(order.seconds)))).flat();
      return { type: "done", figures: { ...latencies("report", took), ...use.figures("hosts") } };
    },
  },
  async () => {
    const { seconds } = await inTurns((host) => host.register());
    return { type: "registered", figures: { "register s": seconds } };
  },
);
