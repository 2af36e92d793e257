/**
 * The hosts and browsers of test/bench/load.ts: one process, each host and each browser with a connection of its own.
 * Its one argument is a `LoadOrder`; it prints one JSON object a line, a `LoadSaid`.
 */
import { setTimeout as delay } from "node:timers/promises";
import { Client, Pool } from "undici";
import type { Inventory, Registration } from "../../agent/contract.ts";
import { machine } from "../server/core.ts";
import { percentile } from "./measure.ts";

export type LoadOrder = {
  /** "http://127.0.0.1:PORT", for hosts. */
  readonly address: string;
  /** "https://127.0.0.1:PORT" and a token of a viewer, for browsers; absent: there are none. */
  readonly browsers?: { readonly address: string; readonly token: string; readonly count: number };
  readonly hosts: number;
  readonly seconds: number;
};

export type LoadSaid =
  | { readonly type: "registered" }
  | {
      readonly type: "done";
      readonly reports: number;
      readonly reportP50Ms: number;
      readonly reportP99Ms: number;
      readonly asked: number;
      readonly askP50Ms: number;
      readonly askP99Ms: number;
      readonly events: number;
    };

/** A page asks so often while something moves: POLL_MS of server/web/page/store.ts. */
const PAGE_EVERY_MS = 2_000;
/** And never more often, whatever it hears: LEAST_MS of server/web/page/resource.ts. */
const PAGE_LEAST_MS = 700;
/** Registering is not what is measured. */
const REGISTERED_AT_ONCE = 25;

const order = JSON.parse(process.argv[2]!) as LoadOrder;
const say = (said: LoadSaid) => process.stdout.write(`${JSON.stringify(said)}\n`);
const json = { "content-type": "application/json" };

class Host {
  readonly client: Client;
  readonly #inventory: Inventory;
  #who!: Registration;

  constructor(number: number) {
    // An address of its own, as a machine has: the server lets one address have so many connections and no more.
    const localAddress = `127.1.${number >> 8}.${number & 0xff}`;
    this.client = new Client(order.address, { localAddress });
    this.#inventory = machine(number);
  }

  async register(): Promise<void> {
    this.#who = (await this.#ask("POST", "/agent/v1/hosts", this.#inventory)) as Registration;
  }

  /** Reports once a second, as one that receives does. @returns how long each answer took, in milliseconds */
  async work(seconds: number): Promise<number[]> {
    const path = `/agent/v1/hosts/${this.#who.hostId}`;
    const { deployId } = (await this.#ask("GET", `${path}/order`)) as { deployId: string };
    const report = (more: object) => this.#ask("POST", `${path}/reports`, { deployId, detail: "", ...more });
    await report({ state: "preflight" });
    await report({ state: "erasing", challenge: "a".repeat(64), disk: `disk of ${this.#who.name}` });
    await delay(Math.random() * 1_000);
    const took: number[] = [];
    const begin = performance.now();
    for (let second = 0; second < seconds; second += 1) {
      const from = performance.now();
      await report({ state: "receiving", percent: Math.floor((second / seconds) * 99), detail: "pass 1" });
      took.push(performance.now() - from);
      await delay(Math.max(0, begin + (second + 1) * 1_000 - performance.now()));
    }
    return took;
  }

  async #ask(method: "GET" | "POST", path: string, body?: object): Promise<unknown> {
    const authorization = this.#who === undefined ? {} : { authorization: `Bearer ${this.#who.token}` };
    const { statusCode, body: answer } = await this.client.request({
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

/** What a page shows of the server, asked for as server/web/page/resource.ts does. */
class Shown {
  readonly took: number[] = [];
  readonly #load: () => Promise<void>;
  #state: "idle" | "loading" | "again" = "idle";
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(load: () => Promise<void>) {
    this.#load = load;
  }

  async refresh(): Promise<void> {
    if (this.#state !== "idle") {
      this.#state = "again";
      return;
    }
    do {
      this.#state = "loading";
      await delay(Math.max(0, this.#lastMs + PAGE_LEAST_MS - performance.now()));
      this.#state = "loading";
      this.#lastMs = performance.now();
      await this.#load();
      this.took.push(performance.now() - this.#lastMs);
    } while ((this.#state as string) === "again");
    this.#state = "idle";
  }
}

/** Shows the room: hears all events, and asks as server/web/page/store.ts does, until `signal` aborts. */
async function browse(
  { address, token }: { readonly address: string; readonly token: string },
  number: number,
  signal: AbortSignal,
): Promise<{ readonly took: number[]; readonly events: number }> {
  const headers = { authorization: `Bearer ${token}` };
  const options = { localAddress: `127.2.0.${number + 1}`, connect: { rejectUnauthorized: false } };
  const feed = new Client(address, { ...options, bodyTimeout: 0 });
  // Browsers have several connections to a server.
  const pages = new Pool(address, { ...options, connections: 2 });
  const shown = ["/api/v1/hosts?limit=1000", "/api/v1/sessions?limit=50"].map(
    (path) =>
      new Shown(async () => {
        const { statusCode, body } = await pages.request({ method: "GET", path, headers });
        await body.dump({ limit: 64 * 2 ** 20 });
        if (statusCode !== 200) throw new Error(`${path}: ${statusCode}`);
      }),
  );
  const asking = new Set<Promise<void>>();
  const refresh = () => {
    for (const one of signal.aborted ? [] : shown) {
      const asked = one.refresh().finally(() => asking.delete(asked));
      asking.add(asked);
    }
  };
  let events = 0;
  const hearing = feed
    .request({
      method: "GET",
      path: "/api/v1/events?last=1&boots=false",
      headers: { ...headers, accept: "text/event-stream" },
      signal,
    })
    .then(async ({ body }) => {
      for await (const chunk of body) {
        const came = String(chunk).split("\nid: ").length - 1;
        events += came;
        if (came > 0) refresh();
      }
    })
    .catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  await delay((number % 50) * (PAGE_EVERY_MS / 50));
  while (!signal.aborted) {
    refresh();
    await delay(PAGE_EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
  await hearing;
  await Promise.all(asking);
  await Promise.all([feed.destroy(), pages.close()]);
  return { took: shown.flatMap(({ took }) => took), events };
}

const hosts = Array.from({ length: order.hosts }, (_, at) => new Host(at + 1));
for (let at = 0; at < hosts.length; at += REGISTERED_AT_ONCE)
  await Promise.all(hosts.slice(at, at + REGISTERED_AT_ONCE).map((host) => host.register()));
say({ type: "registered" });
await new Promise((resolve) => process.stdin.once("data", resolve));
const over = new AbortController();
const { browsers } = order;
const pages = Array.from({ length: browsers?.count ?? 0 }, (_, at) => browse(browsers!, at, over.signal));
const reports = (await Promise.all(hosts.map((host) => host.work(order.seconds)))).flat();
over.abort();
const seen = await Promise.all(pages);
const asked = seen.flatMap(({ took }) => took);
say({
  type: "done",
  reports: reports.length,
  reportP50Ms: percentile(reports, 0.5),
  reportP99Ms: percentile(reports, 0.99),
  asked: asked.length,
  askP50Ms: percentile(asked, 0.5),
  askP99Ms: percentile(asked, 0.99),
  events: seen.reduce((sum, { events }) => sum + events, 0),
});
process.exit();
