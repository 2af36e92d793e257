import type { Logger } from "pino";
import type { Database } from "./db/database.ts";
import type { EventLog } from "./events.ts";

/** Who a machine is, when it has registered. */
export type TracedHost = { readonly id: string; readonly name: string };

const changing: ReadonlySet<string> = new Set(["host.registered", "host.renamed", "host.forgotten"]);

/** The hosts by hardware address, kept in memory: a trace of 500 machines at once must not ask the database. */
export class BootTraceHosts {
  readonly #db: Database;
  readonly #log: Logger;
  #hosts: ReadonlyMap<string, TracedHost> = new Map();

  private constructor(db: Database, log: Logger) {
    this.#db = db;
    this.#log = log;
  }

  /** Reads the list, and again whenever it changes. */
  static async open(options: { db: Database; events: EventLog; log: Logger }): Promise<BootTraceHosts> {
    const hosts = new BootTraceHosts(options.db, options.log);
    options.events.subscribe(({ kind }) => {
      if (changing.has(kind))
        void hosts.#read().catch((error) => hosts.#log.warn({ err: error }, "host names are old"));
    });
    await hosts.#read();
    return hosts;
  }

  of(mac: string): TracedHost | undefined {
    return this.#hosts.get(mac);
  }

  /** Its hardware addresses. */
  macsOf(hostId: string): string[] {
    return [...this.#hosts].filter(([, { id }]) => id === hostId).map(([mac]) => mac);
  }

  async #read(): Promise<void> {
    const rows = await this.#db
      .selectFrom("host_macs")
      .innerJoin("hosts", "hosts.id", "host_macs.host_id")
      .select(["host_macs.mac", "hosts.id", "hosts.name"])
      .execute();
    this.#hosts = new Map(rows.map(({ mac, id, name }) => [mac, { id, name }]));
  }
}
