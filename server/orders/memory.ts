import type { Database } from "../db/database.ts";
import type { EventLog } from "../events.ts";
import type { Held } from "./deploy-rules.ts";
import { heldOf, isHeldRow, openToAny, pacesOf } from "./facts.ts";
import { lockedHosts } from "./hindrance.ts";

/** What decides whether a machine that is switched on gets the agent: who it is, and what is ordered. */
export type KnownOrders = {
  /** Host id by MAC address (lower case, colons). */
  readonly hostOfMac: ReadonlyMap<string, string>;
  /** Hosts with an open order of an active deploy whose turn has come. */
  readonly ordered: ReadonlySet<string>;
  /** Hosts whose turn has not come, and what they wait for. */
  readonly held: ReadonlyMap<string, Held>;
  /** Active deploys to any host that appears, by the time until which they take others. */
  readonly anyUntilMs: readonly number[];
  /** Whether the deploy to any host is for this host, by its id; filled by whoever found out. */
  readonly isDueToAny: Map<string, Promise<boolean>>;
  /** Until when locked hosts start their own disks, whatever is ordered. */
  readonly lockedUntilMs: ReadonlyMap<string, number>;
};

/**
 * Everybody's orders in memory: firmware asks several times for each start, and a room of machines all at once.
 * Every change of hosts and orders goes through the event log, so none is missed: the next question after it reads the
 * tables anew.
 */
export class OrderMemory {
  readonly #db: Database;
  #known: Promise<KnownOrders> | undefined;

  constructor(options: { db: Database; events: EventLog }) {
    this.#db = options.db;
    options.events.subscribe(({ kind }) => {
      if (!isOfNoOrder(kind)) this.#known = undefined;
    });
  }

  read(): Promise<KnownOrders> {
    if (this.#known !== undefined) return this.#known;
    const reading = this.#read();
    this.#known = reading;
    // A failure is the asker's; the next one tries again.
    reading.catch(() => {
      if (this.#known === reading) this.#known = undefined;
    });
    return reading;
  }

  async #read(): Promise<KnownOrders> {
    const macs = await this.#db.selectFrom("host_macs").selectAll().execute();
    const open = await this.#db
      .selectFrom("deploy_hosts")
      .innerJoin("deploys", "deploys.id", "deploy_hosts.deploy_id")
      .select(["host_id", "deploy_id", "released_at_ms", "start_at_ms", "begun_at_ms", "halted_at_ms"])
      .where("deploys.state", "=", "active")
      .where("deploy_hosts.state", "in", ["pending", "running"])
      .execute();
    const waiting = open.filter(isHeldRow);
    const paces = await pacesOf(this.#db, [...new Set(waiting.map(({ deploy_id }) => deploy_id))]);
    const any = await openToAny(this.#db, Number.NEGATIVE_INFINITY);
    return {
      hostOfMac: new Map(macs.map(({ mac, host_id }) => [mac, host_id])),
      ordered: new Set(open.filter((row) => !isHeldRow(row)).map(({ host_id }) => host_id)),
      held: new Map(waiting.map((row) => [row.host_id, heldOf(row, paces)])),
      anyUntilMs: any.map(({ limits }) => limits.untilMs ?? Number.POSITIVE_INFINITY),
      isDueToAny: new Map(),
      lockedUntilMs: await lockedHosts(this.#db),
    };
  }
}

/** Events of a whole room that come by the thousand and change neither hosts nor orders. All others count. */
function isOfNoOrder(kind: string): boolean {
  return kind === "host.state" || kind.startsWith("boot.");
}
