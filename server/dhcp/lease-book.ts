import type { Logger } from "pino";
import type { LeaseDecision } from "../../bsdp/dhcp-leases.ts";
import { decideLease, forgettableLeases, restingLease } from "../../bsdp/dhcp-leases.ts";
import type { DhcpPacket } from "../../bsdp/dhcp-packet.ts";
import { clientMac } from "../../bsdp/dhcp-packet.ts";
import type { FullSettings } from "../../bsdp/full.ts";
import type { Lease } from "../../bsdp/lease.ts";
import type { AddressProbe } from "./address-probe.ts";
import type { DhcpSettings } from "./settings.ts";

const LEASE_FIX = "a restart would forget it: is the disk of the data directory full?";

/** So many addresses of others are tried before a client is made to wait for its next try. */
const CONFLICTS_AT_ONCE = 4;
const PRUNE_EVERY_MS = 3_600_000;

type BookOptions = Pick<DhcpSettings, "log" | "now" | "tell"> & {
  readonly store: NonNullable<DhcpSettings["full"]>["leases"];
  /** Absent: addresses are given out unseen. */
  readonly probe?: AddressProbe | undefined;
};

/** The leases of our own DHCP server: in memory, and saved before they matter after a restart. */
export class LeaseBook {
  readonly #options: BookOptions;
  readonly #log: Logger;
  readonly #leases = new Map<string, Lease>();
  /** Addresses that are looked at now, before they are offered. */
  readonly #looks = new Map<string, Promise<boolean>>();
  #prunedMs = Number.NEGATIVE_INFINITY;

  constructor(options: BookOptions, leases: readonly Lease[]) {
    this.#options = options;
    this.#log = options.log;
    for (const lease of leases) this.#leases.set(lease.address, lease);
    this.prune();
  }

  /**
   * Decides about a packet and keeps what follows from it. Only the offer of an address that is new to its client waits,
   * for a look whether somebody else uses it; no other packet waits for that.
   */
  async decide(request: DhcpPacket, network: FullSettings): Promise<LeaseDecision> {
    const { now } = this.#options;
    if (now() - this.#prunedMs >= PRUNE_EVERY_MS) this.prune();
    for (let conflicts = 1; ; conflicts += 1) {
      const former = new Map<string, string>();
      const decision = decideLease(request, this.#leases, network, now());
      if (decision.type === "offer") {
        const row = this.#leases.get(decision.address);
        if (row !== undefined) former.set(decision.address, row.mac);
      }
      this.#keep(decision.changes);
      if (decision.type !== "offer") return decision;
      const { address, isNew } = decision;
      const look = this.#looks.get(address) ?? (isNew ? this.#look(address, request, network, former) : undefined);
      if (look === undefined || !(await look)) return decision;
      if (conflicts === CONFLICTS_AT_ONCE) return { type: "silence", reason: "addresses-in-use", changes: [] };
    }
  }

  /** Forgets what says nothing any more. */
  prune(): void {
    const nowMs = this.#options.now();
    this.#prunedMs = nowMs;
    const addresses = forgettableLeases(this.#leases, nowMs);
    if (addresses.length === 0) return;
    for (const address of addresses) this.#leases.delete(address);
    this.#options.store
      .remove(addresses)
      .catch((error) => this.#log.error({ err: error }, "ended leases could not be removed"));
  }

  /** Whether somebody else uses an address that is about to be offered; if so, it rests. */
  #look(
    address: string,
    request: DhcpPacket,
    network: FullSettings,
    former: ReadonlyMap<string, string>,
  ): Promise<boolean> | undefined {
    const { probe } = this.#options;
    if (probe === undefined) return undefined;
    const mac = clientMac(request);
    const isLocal = network.networkAddress === network.serverAddress;
    // Its own card and the one that had the address last, whose entry may be old, are no strangers.
    const friends = [mac, ...(former.has(address) ? [former.get(address)!] : [])];
    const { soon, late } = probe.look(address, { from: network.serverAddress, isLocal, friends });
    const found = soon.then((user) => {
      this.#looks.delete(address);
      if (user !== undefined) this.#rest(address, mac, user);
      return user !== undefined;
    });
    this.#looks.set(address, found);
    // An answer that comes after the offer: the client's REQUEST is refused, and it asks again.
    void late.then((user) => {
      const row = this.#leases.get(address);
      if (user !== undefined && row?.state === "offered" && row.mac === mac) this.#rest(address, mac, user);
    });
    return found;
  }

  #rest(address: string, mac: string, user: string): void {
    this.#keep([restingLease(address, mac, this.#options.now())]);
    const fix = "give that machine an address outside network.pool, or let it ask by DHCP; the address rests meanwhile";
    this.#log.warn({ address, user, fix }, "an address of the pool is used by a machine that did not get it from us");
    this.#options.tell?.({ kind: "dhcp.conflict", data: { address, user } });
  }

  #keep(changes: readonly Lease[]): void {
    for (const lease of changes) {
      this.#leases.set(lease.address, lease);
      // An offer is not worth a write: it ends within a minute, used or not.
      if (lease.state === "offered") continue;
      this.#options.store
        .save(lease)
        .catch((error) => this.#log.error({ err: error, ...lease, fix: LEASE_FIX }, "a lease could not be saved"));
    }
  }
}
