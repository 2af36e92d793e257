import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { Selectable } from "kysely";
import { type AgentState, type Inventory, parseDiskRule, type Registration } from "../agent/contract.ts";
import { Fault, type FaultText } from "../fault.ts";
import type { Database } from "./db/database.ts";
import type { HostTable } from "./db/schema.ts";
import type { Change, EventLog } from "./events.ts";
import { isGoodUuid, isHostName, type KnownHost, recognise } from "./host-identity.ts";
import { type NameList, nameInList } from "./name-list.ts";
import { type ChosenName, chooseName, type NameSource } from "./name-sources.ts";
import { nearest } from "./nearest.ts";

/** A host as the API and the pages show it. */
export type Host = {
  readonly id: string;
  readonly name: string;
  readonly mac: string;
  readonly vendor: string;
  readonly model: string;
  readonly serial: string;
  readonly state: AgentState;
  readonly stateSinceMs: number;
  /** What it does or waits for, one sentence. */
  readonly detail: string;
  readonly percent: number | null;
  /** With state "failed". */
  readonly fault: (FaultText & { readonly code: string }) | null;
  readonly waitingSinceMs: number;
  readonly firstSeenMs: number;
  readonly lastSeenMs: number;
  readonly inventory: Inventory;
  /** Which of its disks orders are for; null: as for every host. */
  readonly diskRule: string | null;
  /** What its disk held after its last restore; null: nothing is known. */
  readonly restored: string | null;
};

/** How hosts get their names. */
export type HostNaming = {
  /** The pattern: "lab-{nn}". */
  readonly names: string;
  /** In which order sources are asked; the registry and then the pattern unless given. */
  readonly nameSources?: readonly NameSource[] | undefined;
  /** The list of names, read again for each registration. */
  readonly nameList?: (() => Promise<NameList>) | undefined;
  /** What reverse DNS calls an address. */
  readonly reverseName?: ((address: string) => Promise<string | undefined>) | undefined;
};

const DEFAULT_SOURCES: readonly NameSource[] = ["registry", "pattern"];

/** Far more than one server can boot. Every registration looks at all of them. */
const MAX_HOSTS = 5_000;

/** The hosts that this server has met: who they are, what they are called, when they were last heard of. */
export class Hosts {
  readonly #db: Database;
  readonly #events: EventLog;
  readonly #naming: HostNaming;
  readonly #maxHosts: number;

  /** @param options.maxHosts how many there may be; everybody on the network can add one */
  constructor(options: { db: Database; events: EventLog; maxHosts?: number } & HostNaming) {
    this.#db = options.db;
    this.#events = options.events;
    this.#naming = options;
    this.#maxHosts = options.maxHosts ?? MAX_HOSTS;
  }

  /**
   * A machine says who it is: it gets its name and a new token; the token it had before ends.
   *
   * @param address where it spoke from, for reverse DNS
   * @throws {Fault} HOST_LIST_FULL for a new one
   */
  async register(inventory: Inventory, address?: string): Promise<Registration> {
    const token = randomBytes(32).toString("base64url");
    const { offers, fault } = await this.#offers(inventory, address);
    return this.#events.change(async (change) => {
      const known = await knownHosts(change.tables);
      const before = recognise(inventory, known, change.nowMs);
      const id = before?.id ?? `h-${randomBytes(6).toString("hex")}`;
      const seen = {
        mac: inventory.mac,
        uuid: inventory.uuid,
        serial: inventory.serial,
        vendor: inventory.vendor,
        model: inventory.model,
        inventory: JSON.stringify(inventory),
        token_hash: hashOf(token),
        state: "registering" satisfies AgentState,
        state_since_ms: change.nowMs,
        detail: "",
        percent: null,
        fault: null,
        waiting_since_ms: change.nowMs,
        last_seen_ms: change.nowMs,
      };
      const chosen = await this.#nameFor(change, inventory, before?.id, offers);
      const { name } = chosen;
      if (before === undefined) {
        if (known.length >= this.#maxHosts) throw listFull(this.#maxHosts);
        await change.tables
          .insertInto("hosts")
          .values({ id, name, first_seen_ms: change.nowMs, ...seen })
          .execute();
      } else {
        await change.tables
          .updateTable("hosts")
          .set({ ...seen, name })
          .where("id", "=", id)
          .execute();
        if (chosen.before !== name) {
          const data = { from: chosen.before, to: name, source: chosen.source };
          await change.record({ kind: "host.renamed", hostId: id, data });
        }
      }
      // An address belongs to the machine that used it last.
      await change.tables
        .insertInto("host_macs")
        .values({ mac: inventory.mac, host_id: id })
        .onConflict((conflict) => conflict.column("mac").doUpdateSet({ host_id: id }))
        .execute();
      // Its other cards, so that firmware that goes on to the next one is told the same. Only where the UUID can tell a
      // machine with a borrowed adapter from this one; an address that has a host keeps it.
      const others = isGoodUuid(inventory.uuid) ? inventory.nics : [];
      for (const { mac } of others) {
        await change.tables
          .insertInto("host_macs")
          .values({ mac, host_id: id })
          .onConflict((conflict) => conflict.column("mac").doNothing())
          .execute();
      }
      await change.record({
        kind: "host.registered",
        hostId: id,
        data: {
          name,
          mac: inventory.mac,
          isNew: before === undefined,
          agentVersion: inventory.agentVersion,
          nameSource: chosen.source,
          ...(chosen.refused.length === 0 ? {} : { namesRefused: chosen.refused }),
          ...(fault === undefined ? {} : { fault }),
        },
      });
      return { hostId: id, name, token };
    });
  }

  /** What the sources outside say that are asked at all. A list that became unreadable names nobody, and is told. */
  async #offers(
    { dhcpName, ...machine }: Inventory,
    address: string | undefined,
  ): Promise<{ offers: Partial<Record<NameSource, string | undefined>>; fault?: Fault }> {
    const { nameSources = DEFAULT_SOURCES, nameList, reverseName } = this.#naming;
    const offers: Partial<Record<NameSource, string | undefined>> = { dhcp: dhcpName };
    if (nameSources.includes("dns") && address !== undefined) offers.dns = await reverseName?.(address);
    if (!nameSources.includes("csv") || nameList === undefined) return { offers };
    try {
      return { offers: { ...offers, csv: nameInList(await nameList(), machine) } };
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      return { offers, fault: error };
    }
  }

  /** The name that a machine is to have, and the one that it had. */
  async #nameFor(
    change: Change,
    machine: Inventory,
    hostId: string | undefined,
    offers: Partial<Record<NameSource, string | undefined>>,
  ): Promise<ChosenName & { readonly before: string | undefined }> {
    const rows = await change.tables.selectFrom("hosts").select(["id", "name"]).execute();
    const before = rows.find(({ id }) => id === hostId)?.name;
    const taken = new Set(rows.filter(({ id }) => id !== hostId).map(({ name }) => name.toLowerCase()));
    const { names: pattern, nameSources: sources = DEFAULT_SOURCES } = this.#naming;
    return { ...chooseName({ sources, pattern, machine, known: before, offers, taken }), before };
  }

  /** Whether `token` is the one that this host was given last. */
  async isToken(hostId: string, token: string): Promise<boolean> {
    const row = await this.#db.selectFrom("hosts").select("token_hash").where("id", "=", hostId).executeTakeFirst();
    const given = Buffer.from(hashOf(token), "hex");
    return row !== undefined && timingSafeEqual(Buffer.from(row.token_hash, "hex"), given);
  }

  /** By name. */
  async list(): Promise<Host[]> {
    const rows = await this.#db.selectFrom("hosts").selectAll().orderBy("name").execute();
    return rows.map(hostOf);
  }

  /**
   * The host with this name, id or MAC address.
   *
   * @throws {Fault} HOST_UNKNOWN
   */
  async find(word: string): Promise<Host> {
    const hosts = await this.list();
    const key = word.toLowerCase();
    // An id first: nobody's name may stand for another host. An address is its last user's, as for the firmware.
    const host =
      hosts.find(({ id }) => id === key) ??
      hosts.find(({ name }) => name.toLowerCase() === key) ??
      (await this.#ownerOf(key, hosts));
    if (host !== undefined) return host;
    const suggestion = nearest(
      word,
      hosts.map(({ name }) => name),
    );
    throw new Fault("HOST_UNKNOWN", {
      what: `There is no host "${word}".`,
      why:
        hosts.length === 0
          ? "No host has appeared yet."
          : `Of ${hosts.length} known ${hosts.length === 1 ? "host" : "hosts"} none has this name, id or address.`,
      fix: `${suggestion === undefined ? "" : `Maybe "${suggestion}" was meant. `}"bootcast host list" shows all.`,
    });
  }

  async #ownerOf(mac: string, hosts: readonly Host[]): Promise<Host | undefined> {
    const owner = await this.idOfMac(mac);
    return hosts.find(({ id }) => id === owner);
  }

  /** The host with this id. */
  async ofId(hostId: string): Promise<Host | undefined> {
    const row = await this.#db.selectFrom("hosts").selectAll().where("id", "=", hostId).executeTakeFirst();
    return row === undefined ? undefined : hostOf(row);
  }

  /** The host that last used this MAC address. */
  async idOfMac(mac: string): Promise<string | undefined> {
    const row = await this.#db.selectFrom("host_macs").select("host_id").where("mac", "=", mac).executeTakeFirst();
    return row?.host_id;
  }

  /** The name of the host that last used this MAC address. */
  async nameOfMac(mac: string): Promise<string | undefined> {
    const hostId = await this.idOfMac(mac);
    return hostId === undefined ? undefined : (await this.ofId(hostId))?.name;
  }

  /** @throws {Fault} HOST_UNKNOWN, NAME_INVALID, NAME_TAKEN */
  async rename(word: string, name: string): Promise<Host> {
    const host = await this.find(word);
    if (!isHostName(name)) {
      throw new Fault("NAME_INVALID", {
        what: `"${name}" cannot be a host's name.`,
        why: "A host name has 1 to 63 letters, digits and hyphens, is not a number, and is not the word any.",
        fix: 'Choose one like "lab-07".',
      });
    }
    const other = (await this.list()).find(({ name: used }) => used.toLowerCase() === name.toLowerCase());
    if (other !== undefined && other.id !== host.id) {
      throw new Fault("NAME_TAKEN", {
        what: `"${name}" is already the name of another host.`,
        why: `${other.mac} (${other.model || "unknown model"}) has it.`,
        fix: `Choose another name, or rename that host first: bootcast host rename ${other.name} NEW-NAME`,
      });
    }
    await this.#events.change(async (change) => {
      await change.tables.updateTable("hosts").set({ name }).where("id", "=", host.id).execute();
      await change.record({ kind: "host.renamed", hostId: host.id, data: { from: host.name, to: name } });
    });
    return { ...host, name };
  }

  /**
   * Sets which of its disks orders are for.
   *
   * @param rule as agent/disk-rule.ts reads it; null: as for every host
   * @throws {Fault} HOST_UNKNOWN, DISK_RULE
   */
  async setDiskRule(word: string, rule: string | null): Promise<Host> {
    if (rule !== null) parseDiskRule(rule);
    const host = await this.find(word);
    await this.#events.change(async (change) => {
      await change.tables.updateTable("hosts").set({ disk_rule: rule }).where("id", "=", host.id).execute();
      await change.record({ kind: "host.disk-rule", hostId: host.id, data: { from: host.diskRule, to: rule } });
    });
    return { ...host, diskRule: rule };
  }

  /**
   * Removes a host; when it appears again it is a new one.
   *
   * @throws {Fault} HOST_UNKNOWN, HOST_BUSY when an order for it is not finished
   */
  async forget(word: string): Promise<Host> {
    const host = await this.find(word);
    await this.#events.change(async (change) => {
      const busy = await change.tables
        .selectFrom("deploy_hosts")
        .select("deploy_id")
        .where("host_id", "=", host.id)
        .where("state", "in", ["pending", "running"])
        .executeTakeFirst();
      if (busy !== undefined) {
        throw new Fault("HOST_BUSY", {
          what: `${host.name} cannot be forgotten now.`,
          why: `Session ${busy.deploy_id} still has an order for it.`,
          fix: `Wait until it is done, or stop it: bootcast session stop ${busy.deploy_id}`,
        });
      }
      // Forgotten, it would be new, and an order to each new host would erase it a second time.
      const any = await change.tables
        .selectFrom("deploy_hosts")
        .innerJoin("deploys", "deploys.id", "deploy_hosts.deploy_id")
        .select("deploy_id")
        .where("host_id", "=", host.id)
        .where("deploys.state", "=", "active")
        .where("to_any", "=", 1)
        .executeTakeFirst();
      if (any !== undefined) {
        throw new Fault("HOST_BUSY", {
          what: `${host.name} cannot be forgotten now.`,
          why: `Session ${any.deploy_id} is for each host that appears, once; forgotten, this one would appear again and be erased again.`,
          fix: `Stop that first: bootcast session stop ${any.deploy_id}`,
        });
      }
      await change.tables.deleteFrom("hosts").where("id", "=", host.id).execute();
      await change.record({ kind: "host.forgotten", hostId: host.id, data: { name: host.name, mac: host.mac } });
    });
    return host;
  }

  /** Notes that the host was heard; no event, because it is no change of state. */
  async touch(hostId: string, nowMs: number): Promise<void> {
    await this.#db.updateTable("hosts").set({ last_seen_ms: nowMs }).where("id", "=", hostId).execute();
  }
}

/** All hosts, as far as they are told apart by it. */
export async function knownHosts(db: Pick<Database, "selectFrom">): Promise<KnownHost[]> {
  const macs = await db.selectFrom("host_macs").selectAll().execute();
  const rows = await db
    .selectFrom("hosts")
    .select(["id", "mac", "uuid", "serial", "model", "last_seen_ms", "inventory"])
    .execute();
  const macsOf = Map.groupBy(macs, ({ host_id }) => host_id);
  return rows.map((row) => ({
    id: row.id,
    uuid: row.uuid,
    serial: row.serial,
    model: row.model,
    lastSeenMs: row.last_seen_ms,
    macs: (macsOf.get(row.id) ?? []).map(({ mac }) => mac),
    nics: [row.mac, ...(JSON.parse(row.inventory) as Inventory).nics.map(({ mac }) => mac)],
  }));
}

function listFull(maxHosts: number): Fault {
  return new Fault("HOST_LIST_FULL", {
    what: "This machine was not added to the list of hosts.",
    why: `The list has ${maxHosts} hosts already; something on the network may register made-up ones.`,
    fix: "Look at the newest (bootcast host list), and remove those that are no machines: bootcast host forget NAME",
  });
}

function hashOf(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

function hostOf(row: Selectable<HostTable>): Host {
  return {
    id: row.id,
    name: row.name,
    mac: row.mac,
    vendor: row.vendor,
    model: row.model,
    serial: row.serial,
    state: row.state as AgentState,
    stateSinceMs: row.state_since_ms,
    detail: row.detail,
    percent: row.percent,
    fault: row.fault === null ? null : JSON.parse(row.fault),
    waitingSinceMs: row.waiting_since_ms,
    firstSeenMs: row.first_seen_ms,
    lastSeenMs: row.last_seen_ms,
    inventory: JSON.parse(row.inventory),
    diskRule: row.disk_rule,
    restored: row.restored,
  };
}
