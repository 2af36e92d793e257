import type { Logger } from "pino";
import type { Database } from "../db/database.ts";
import type { EventLog, StoredEvent } from "../events.ts";

/** Who a machine is, when it has registered. */
export type TracedHost = { readonly id: string; readonly name: string };

/** After a change the whole list is read once more, however many changes there are in this time. */
const READ_AFTER_MS = 1_000;

/** The hosts by hardware address, kept in memory: a trace of 500 machines at once must not ask the database. */
export class BootTraceHosts {
  readonly #db: Database;
  readonly #log: Logger;
  #hosts = new Map<string, TracedHost>();
  #timer: NodeJS.Timeout | undefined;

  private constructor(db: Database, log: Logger) {
    this.#db = db;
    this.#log = log;
  }

  /** Reads the list, and follows its changes. */
  static async open(options: { db: Database; events: EventLog; log: Logger }): Promise<BootTraceHosts> {
    const hosts = new BootTraceHosts(options.db, options.log);
    options.events.subscribe((event) => hosts.#onEvent(event));
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

  close(): void {
    clearTimeout(this.#timer);
  }

  // The event says enough for the name to be right at once; the list has the machine's other cards.
  #onEvent({ kind, hostId: id, data }: StoredEvent): void {
    if (id === null) return;
    if (kind === "host.registered") this.#hosts.set(String(data["mac"]), { id, name: String(data["name"]) });
    else if (kind === "host.renamed") {
      for (const mac of this.macsOf(id)) this.#hosts.set(mac, { id, name: String(data["to"]) });
    } else if (kind === "host.forgotten") {
      for (const mac of this.macsOf(id)) this.#hosts.delete(mac);
    } else return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#read().catch((error) => this.#log.warn({ err: error }, "the names in the boot trace may be old"));
    }, READ_AFTER_MS).unref();
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
