/**
 * The browsers of test/bench/load.ts: one process, each browser with an address and connections of its own. Each hears
 * all events and asks for what the room shows, as server/web/page/store.ts does. Its one argument is a `BrowsersOrder`.
 */
import { setTimeout as delay } from "node:timers/promises";
import { Client, Pool } from "undici";
import { type BrowsersOrder, latencies, OwnUse, obey } from "./load-said.ts";
import { percentile } from "./measure.ts";

/** A page asks so often while something moves: POLL_MS of server/web/page/store.ts. */
const PAGE_EVERY_MS = 2_000;
/** And never more often, whatever it hears: LEAST_MS of server/web/page/resource.ts. */
const PAGE_LEAST_MS = 700;

const order = JSON.parse(process.argv[2]!) as BrowsersOrder;
const headers = { authorization: `Bearer ${order.token}` };

/** What a page shows of the server, asked for as server/web/page/resource.ts does. */
class Shown {
  took: number[] = [];
  bytes = 0;
  readonly #load: () => Promise<number>;
  #state: "idle" | "loading" | "again" = "idle";
  #lastMs = Number.NEGATIVE_INFINITY;

  /** @param load answers how many bytes came */
  constructor(load: () => Promise<number>) {
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
      this.bytes += await this.#load();
      this.took.push(performance.now() - this.#lastMs);
    } while ((this.#state as string) === "again");
    this.#state = "idle";
  }
}

class Browser {
  readonly hosts: Shown;
  readonly sessions: Shown;
  /** How late events came, in milliseconds: both sides have one clock here. */
  late: number[] = [];
  readonly #over = new AbortController();
  readonly #pages: Pool;
  readonly #feed: Client;
  readonly #asking = new Set<Promise<void>>();

  constructor(number: number) {
    const options = { localAddress: `127.2.0.${number + 1}`, connect: { rejectUnauthorized: false, timeout: 60_000 } };
    this.#feed = new Client(order.address, { ...options, bodyTimeout: 0 });
    // Browsers have several connections to a server.
    this.#pages = new Pool(order.address, { ...options, connections: 2 });
    this.hosts = new Shown(() => this.#get("/api/v1/hosts?limit=1000"));
    this.sessions = new Shown(() => this.#get("/api/v1/sessions?limit=50"));
  }

  /** Shows the room. Resolves when its feed is open. */
  async open(): Promise<void> {
    const { body } = await this.#feed.request({
      method: "GET",
      path: "/api/v1/events?last=1&boots=false",
      headers: { ...headers, accept: "text/event-stream" },
      signal: this.#over.signal,
    });
    void this.#hear(body).catch(this.#unlessOver);
    void this.#poll().catch(this.#unlessOver);
  }

  async close(): Promise<void> {
    this.#over.abort();
    await Promise.all(this.#asking);
    await Promise.all([this.#feed.destroy(), this.#pages.close()]);
  }

  readonly #unlessOver = (error: unknown): void => {
    if (!this.#over.signal.aborted) throw error;
  };

  async #hear(body: AsyncIterable<Buffer>): Promise<void> {
    for await (const chunk of body) {
      const times = String(chunk).matchAll(/"atMs":(\d+)/g);
      const late = [...times].map(([, atMs]) => Date.now() - Number(atMs));
      this.late.push(...late);
      if (late.length > 0) this.#refresh();
    }
  }

  async #poll(): Promise<void> {
    // Not all pages were opened at the same moment.
    await delay(Math.random() * PAGE_EVERY_MS, undefined, { signal: this.#over.signal });
    for (;;) {
      this.#refresh();
      await delay(PAGE_EVERY_MS, undefined, { signal: this.#over.signal });
    }
  }

  #refresh(): void {
    for (const one of [this.hosts, this.sessions]) {
      const asked = one.refresh().finally(() => this.#asking.delete(asked));
      this.#asking.add(asked);
    }
  }

  async #get(path: string): Promise<number> {
    const { statusCode, body } = await this.#pages.request({ method: "GET", path, headers });
    let bytes = 0;
    for await (const chunk of body) bytes += (chunk as Buffer).length;
    if (statusCode !== 200) throw new Error(`${path}: ${statusCode}`);
    return bytes;
  }
}

const browsers = Array.from({ length: order.browsers }, (_, at) => new Browser(at));
let use: OwnUse;

await obey(
  {
    go: async () => {
      use = new OwnUse();
      for (const { hosts, sessions } of browsers)
        Object.assign(hosts, { took: [] }) && Object.assign(sessions, { took: [] });
      for (const browser of browsers) browser.late = [];
      return { type: "begun", figures: {} };
    },
    end: async () => {
      const own = use.figures("browsers");
      await Promise.all(browsers.map((browser) => browser.close()));
      const late = browsers.flatMap((browser) => browser.late);
      const bytes = browsers.reduce((sum, { hosts, sessions }) => sum + hosts.bytes + sessions.bytes, 0);
      const figures = {
        ...latencies(
          "host list",
          browsers.flatMap(({ hosts }) => hosts.took),
        ),
        ...latencies(
          "session list",
          browsers.flatMap(({ sessions }) => sessions.took),
        ),
        events: late.length,
        "event late p99 ms": percentile(late, 0.99),
        "lists MB": bytes / 1e6,
        ...own,
      };
      return { type: "done", figures };
    },
  },
  async () => {
    await Promise.all(browsers.map((browser) => browser.open()));
    return { type: "open", figures: {} };
  },
);
process.exit();
