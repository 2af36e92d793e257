import type { Database } from "../db/database.ts";
import type { Host } from "./host-record.ts";
import { type HostStatus, hostStatus } from "./host-status.ts";
import { type HostLock, lockNow } from "./lock.ts";

/** A host with what is known of it at this moment. */
export type HostView = {
  readonly host: Host;
  readonly status: HostStatus;
  /** The lock that holds now. */
  readonly lock: HostLock | null;
  /** The session that has something for it to do. */
  readonly session: number | null;
};

type Order = { readonly deployId: number; readonly state: "pending" | "running" };

/** Puts hosts together with their orders and what their firmware did. */
export class HostOverview {
  readonly #db: Database;
  readonly #now: () => number;
  readonly #askedMsOf: (mac: string) => number | undefined;

  /** @param options.askedMsOf when the firmware behind an address last asked for something to boot */
  constructor(options: { db: Database; now: () => number; askedMsOf?: (mac: string) => number | undefined }) {
    this.#db = options.db;
    this.#now = options.now;
    this.#askedMsOf = options.askedMsOf ?? (() => undefined);
  }

  async of(hosts: readonly Host[]): Promise<HostView[]> {
    const { open, had } = await this.#orders();
    const nowMs = this.#now();
    return hosts.map((host) => {
      const order = open.get(host.id);
      const { detail, state, stateSinceMs: sinceMs, firstSeenMs, lastSeenMs, isApproved, lacks, lock } = host;
      const agent = { state, detail, sinceMs };
      const askedMs = this.#askedMsOf(host.mac);
      const hasOrders = had.has(host.id);
      const facts = { nowMs, agent, firstSeenMs, lastSeenMs, askedMs, isApproved, lacks, lock, order, hasOrders };
      return { host, status: hostStatus(facts), lock: lockNow(lock, nowMs), session: order?.deployId ?? null };
    });
  }

  /** What is ordered and not over, by host, and which hosts ever had an order. */
  async #orders(): Promise<{ open: ReadonlyMap<string, Order>; had: ReadonlySet<string> }> {
    const open = await this.#db
      .selectFrom("deploy_hosts")
      .innerJoin("deploys", "deploys.id", "deploy_hosts.deploy_id")
      .select(["host_id", "deploy_id", "deploy_hosts.state"])
      .where("deploys.state", "=", "active")
      .where("deploy_hosts.state", "in", ["pending", "running"])
      .execute();
    const had = await this.#db.selectFrom("deploy_hosts").select("host_id").distinct().execute();
    const orderOf = ({ deploy_id, state }: (typeof open)[number]): Order => ({
      deployId: deploy_id,
      state: state === "running" ? "running" : "pending",
    });
    return {
      open: new Map(open.map((row) => [row.host_id, orderOf(row)])),
      had: new Set(had.map(({ host_id }) => host_id)),
    };
  }
}
