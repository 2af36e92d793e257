import type { Logger } from "pino";
import type { Database } from "../db/database.ts";
import type { BootClients } from "../dhcp/boot-clients.ts";
import type { EventLog, StoredEvent } from "../events.ts";
import { type Lack, unapprovedText } from "../hosts/enrolment/admission.ts";
import type { TracedEntry } from "./boot-trace.ts";
import { BootTraceHosts } from "./hosts.ts";
import { BootTraceLog } from "./log.ts";
import { BootTraceStore, type TraceFilter } from "./store.ts";

const TICK_MS = 1_000;
const PRUNE_EVERY_MS = 600_000;
/** What is taken up again from the run before. */
const RESTORED_MS = 3_600_000;
const RESTORED_ENTRIES = 2_000;

/** The boot trace as the server runs it: memory, events table, host names, and the clock that drives them. */
export class BootTraceService {
  readonly log: BootTraceLog;
  readonly hosts: BootTraceHosts;
  readonly #store: BootTraceStore;
  readonly #logger: Logger;
  readonly #timers: NodeJS.Timeout[];

  private constructor(parts: { log: BootTraceLog; hosts: BootTraceHosts; store: BootTraceStore; logger: Logger }) {
    this.log = parts.log;
    this.hosts = parts.hosts;
    this.#store = parts.store;
    this.#logger = parts.logger;
    this.log.subscribe((entry) => this.#store.add(entry));
    this.#timers = [setInterval(() => this.#tick(), TICK_MS), setInterval(() => this.#prune(), PRUNE_EVERY_MS)];
    for (const timer of this.#timers) timer.unref();
  }

  static async start(options: {
    db: Database;
    events: EventLog;
    clients: BootClients;
    log: Logger;
    now: () => number;
  }): Promise<BootTraceService> {
    const { db, events, clients, log: logger, now } = options;
    const hosts = await BootTraceHosts.open({ db, events, log: logger });
    const store = new BootTraceStore({ db, events, log: logger, now, hostOf: (mac) => hosts.of(mac) });
    const log = new BootTraceLog({ now, clients });
    log.restore(await store.list({ sinceMs: now() - RESTORED_MS, limit: RESTORED_ENTRIES }));
    const service = new BootTraceService({ log, hosts, store, logger });
    service.#prune();
    // The agent's first word is the end of the way that is traced here.
    events.subscribe(({ kind, data }, isOurs) => {
      if (!isOurs) return;
      if (kind === "host.refused" || kind === "host.twice") {
        const { mac, name, why } = data as { mac?: string; name?: string; why?: string };
        const reason = refusals[why ?? ""];
        if (mac === undefined || reason === undefined) return;
        const answered = `is not ${name}`;
        log.note({ service: "http", mac, asked: "the agent registers", answered, reason, isRefusal: true });
      }
      if (kind !== "host.registered") return;
      const { mac, name } = data as { mac: string; name: string };
      log.note({ service: "http", mac, asked: "the agent registers", ...answerTo(name, data) });
    });
    return service;
  }

  /** Entries that could not be stored, or were too many. */
  get notStored(): number {
    return this.#store.notStored;
  }

  /** The newest entries that fit, oldest first: what is stored, and what is only in memory. */
  async list(filter: TraceFilter): Promise<TracedEntry[]> {
    const stored = await this.#store.list(filter);
    const entries = new Map(stored.map((entry) => [entry.id, entry]));
    for (const entry of this.log.recent()) if (isWanted(entry, filter)) entries.set(entry.id, entry);
    return [...entries.values()].toSorted((one, other) => one.id - other.id).slice(-filter.limit);
  }

  /** Writes everything that is known. */
  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.hosts.close();
    this.log.flush();
    await this.#store.flush();
  }

  #tick(): void {
    this.log.tick();
    void this.#store.flush();
  }

  #prune(): void {
    this.#store.prune().catch((error) => this.#logger.warn({ err: error }, "old boot events could not be removed"));
  }
}

/** What came of a registration. */
function answerTo(name: string, { isApproved, lacks }: StoredEvent["data"]) {
  if (isApproved !== false) return { answered: `is ${name}` };
  const why = unapprovedText((lacks ?? null) as Lack | null);
  return { answered: `is ${name}`, reason: `it is ${why}; bootcast host approve ${name}` };
}

/** Why a machine does not get the place of a host. */
const refusals: Readonly<Record<string, string>> = {
  working: "another machine has that place and is at work",
  alive: "another machine has that place, and this one showed no enrolment token",
  unproved: "it showed no enrolment token, and showed one before",
};

/** Whether an entry in memory passes the filter. */
export function isWanted(entry: TracedEntry, { macs, sinceMs = 0, afterId = 0 }: TraceFilter): boolean {
  if (entry.id <= afterId || entry.atMs < sinceMs) return false;
  return macs === undefined || (entry.mac !== undefined && macs.includes(entry.mac));
}
