import { timingSafeEqual } from "node:crypto";
import { type Inventory, parseDiskRule, type Registration } from "../../agent/contract.ts";
import { Fault } from "../../fault.ts";
import type { Database } from "../db/database.ts";
import type { Change, EventLog } from "../events.ts";
import { isMeant } from "../orders/any-limits.ts";
import { limitsOf } from "../orders/facts.ts";
import type { Approval } from "./enrolment/admission.ts";
import type { Enrolment } from "./enrolment/enrolment.ts";
import { HostClaims } from "./enrolment/host-claims.ts";
import { isHostName } from "./host-identity.ts";
import { HostProgress } from "./host-progress.ts";
import { type Host, hostOf, labelsOfHosts } from "./host-record.ts";
import { type HostNaming, HostRegistration } from "./host-registration.ts";
import { hashOfToken } from "./host-token.ts";
import { selectHosts, unknownHost } from "./selection.ts";
import { TokenMemory, type TokenRow } from "./token-memory.ts";

type Tables = Pick<Database, "selectFrom">;

type HostsOptions = HostNaming & {
  readonly db: Database;
  readonly events: EventLog;
  readonly maxHosts?: number;
  readonly approve?: Approval;
  readonly enrolment?: Pick<Enrolment, "check"> | undefined;
};

/** Who waits asks every 25 s, and is silent to people after 90. */
const SEEN_EVERY_MS = 5_000;

/** The hosts that this server has met: who they are, what they are called, when they were last heard of. */
export class Hosts {
  readonly #db: Database;
  readonly #events: EventLog;
  readonly #registration: HostRegistration;
  readonly #tokens: TokenMemory;
  readonly #claims: HostClaims;
  readonly #enrolment: Pick<Enrolment, "check"> | undefined;
  /** What they said last, before it is written down: lists and reports have the same. */
  readonly progress: HostProgress;

  /**
   * @param options.maxHosts how many there may be; everybody on the network can add one
   * @param options.approve the setting hosts.approve; "auto" unless given
   * @param options.enrolment without it no token is a good one
   */
  constructor(options: HostsOptions) {
    this.#db = options.db;
    this.#events = options.events;
    this.#enrolment = options.enrolment;
    this.progress = new HostProgress(options.events);
    this.#claims = new HostClaims({ events: options.events, progress: this.progress });
    this.#registration = new HostRegistration(options, this.#claims);
    this.#tokens = new TokenMemory(options.events);
  }

  /**
   * A machine says who it is: it gets its name and a new token; the token it had before ends.
   *
   * @param address where it spoke from, for reverse DNS
   * @param proof its enrolment token, and the key that it has from before if it is the same agent still
   * @throws {Fault} HOST_LIST_FULL, HOST_FLOOD for a new one; HOST_TWICE, ENROLMENT_NEEDED for one that is known
   */
  async register(
    inventory: Inventory,
    address?: string,
    proof: { readonly enrolment?: string | undefined; readonly key?: string | undefined } = {},
  ): Promise<Registration> {
    const shown = (await this.#enrolment?.check(proof.enrolment, { mac: inventory.mac, address })) ?? "none";
    return this.#registration.register(inventory, { shown, key: proof.key, address });
  }

  /** Whether `token` is the one that this host was given last. */
  async isToken(hostId: string, token: string): Promise<boolean> {
    return (await this.#ofToken(hostId, token)) !== undefined;
  }

  /** The same, of a host that a person, or hosts.approve, lets have images. */
  async isApprovedToken(hostId: string, token: string): Promise<boolean> {
    return (await this.#ofToken(hostId, token))?.is_approved === 1;
  }

  async #ofToken(hostId: string, token: string): Promise<TokenRow | undefined> {
    const hash = hashOfToken(token);
    const given = Buffer.from(hash, "hex");
    const isRight = (row: TokenRow) => timingSafeEqual(Buffer.from(row.token_hash, "hex"), given);
    const known = this.#tokens.of(hostId);
    if (known !== undefined && isRight(known)) return known;
    const row = await this.#tokens.read(hostId, () =>
      this.#db.selectFrom("hosts").select(["token_hash", "is_approved"]).where("id", "=", hostId).executeTakeFirst(),
    );
    if (row !== undefined && isRight(row)) return row;
    this.#claims.spoke(hostId, hash);
    return undefined;
  }

  /** By name. */
  async list(tables: Tables = this.#db): Promise<Host[]> {
    const rows = await tables.selectFrom("hosts").selectAll().orderBy("name").execute();
    const labels = await labelsOfHosts(tables);
    return rows.map((row) => hostOf(row, labels.get(row.id) ?? [], this.progress));
  }

  /**
   * The host with this name, id or MAC address.
   *
   * @throws {Fault} HOST_UNKNOWN
   */
  async find(word: string): Promise<Host> {
    const key = word.toLowerCase();
    // An id first: nobody's name may stand for another host. An address is its last user's, as for the firmware.
    const id = (await this.#idOfName(key)) ?? (await this.idOfMac(key));
    const host = id === undefined ? undefined : await this.ofId(id);
    if (host !== undefined) return host;
    throw unknownHost(word, await this.list(), "host");
  }

  /** @param key an id or a name, lower case */
  async #idOfName(key: string): Promise<string | undefined> {
    const rows = await this.#db
      .selectFrom("hosts")
      .select("id")
      .where((where) => where.or([where("id", "=", key), where(where.fn("lower", ["name"]), "=", key)]))
      .execute();
    return (rows.find(({ id }) => id === key) ?? rows[0])?.id;
  }

  /**
   * The hosts that words name together: hosts, groups, `label=…` (selection.ts).
   *
   * @param tables of a transaction, when what follows is to be about the same
   * @throws {Fault} HOST_UNKNOWN, GROUP_UNKNOWN, LABEL_UNKNOWN, SELECTION_INVALID
   */
  async select(words: readonly string[], tables: Tables = this.#db): Promise<Host[]> {
    const macs = await tables.selectFrom("host_macs").selectAll().execute();
    const ownerOf = new Map(macs.map(({ mac, host_id }) => [mac, host_id]));
    return selectHosts(words, { hosts: await this.list(tables), idOfMac: (mac) => ownerOf.get(mac) });
  }

  /** The host with this id. */
  async ofId(hostId: string): Promise<Host | undefined> {
    const row = await this.#db.selectFrom("hosts").selectAll().where("id", "=", hostId).executeTakeFirst();
    if (row === undefined) return undefined;
    const labels = await this.#db.selectFrom("host_labels").select("label").where("host_id", "=", hostId).execute();
    return hostOf(
      row,
      labels.map(({ label }) => label),
      this.progress,
    );
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

  /** @throws {Fault} HOST_UNKNOWN, NAME_INVALID, NAME_TAKEN, HOST_BUSY while it is being restored or captured */
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
      await refuseRenameOfRunning(change, host);
      await change.tables.updateTable("hosts").set({ name }).where("id", "=", host.id).execute();
      await change.record({ kind: "host.renamed", hostId: host.id, data: { from: host.name, to: name } });
    });
    return { ...host, name };
  }

  /**
   * Sets which of its disks orders are for.
   *
   * @param rule as agent/disk/rule.ts reads it; null: as for every host
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
        // Others may begin when this one is up, and without it nobody would wait any more.
        .where((where) =>
          where.or([where("state", "in", ["pending", "running"]), where("alive_until_ms", "is not", null)]),
        )
        .executeTakeFirst();
      if (busy !== undefined) {
        throw new Fault("HOST_BUSY", {
          what: `${host.name} cannot be forgotten now.`,
          why: `Session ${busy.deploy_id} still has an order for it.`,
          fix: `Wait until it is done, or stop it: bootcast session stop ${busy.deploy_id}`,
        });
      }
      // Forgotten, it would be new, and an order to each new host would erase it a second time.
      const orders = await change.tables
        .selectFrom("deploys")
        .select(["id", "any_limits"])
        .where("state", "=", "active")
        .where("to_any", "=", 1)
        // It had its turn, or it was restored by name since.
        .where((where) =>
          where.exists(
            where
              .selectFrom("deploy_hosts")
              .select("host_id")
              .where("host_id", "=", host.id)
              .where((since) =>
                since.or([
                  since("deploy_hosts.deploy_id", ">=", since.ref("deploys.id")),
                  since("deploy_hosts.ended_at_ms", ">=", since.ref("deploys.created_at_ms")),
                ]),
              ),
          ),
        )
        .execute();
      // Another network it may come to.
      const any = orders.find(({ any_limits }) =>
        isMeant({ ...limitsOf(any_limits), network: undefined }, { model: host.model, address: null }),
      );
      if (any !== undefined) {
        throw new Fault("HOST_BUSY", {
          what: `${host.name} cannot be forgotten now.`,
          why: `Session ${any.id} is for each host that appears, once; forgotten, this one would appear again and be erased again.`,
          fix: `Stop that first: bootcast session stop ${any.id}`,
        });
      }
      await change.tables.deleteFrom("hosts").where("id", "=", host.id).execute();
      await change.record({ kind: "host.forgotten", hostId: host.id, data: { name: host.name, mac: host.mac } });
    });
    return host;
  }

  /** Notes that the host was heard; no event, because it is no change of state. Not more exactly than to five seconds. */
  async touch(hostId: string, nowMs: number): Promise<void> {
    const row = await this.#db.selectFrom("hosts").select("last_seen_ms").where("id", "=", hostId).executeTakeFirst();
    if (row === undefined || Math.abs(nowMs - row.last_seen_ms) < SEEN_EVERY_MS) return;
    // A room that waits asks again at the same time, and is written down together.
    await this.#events.change(({ tables }) =>
      tables.updateTable("hosts").set({ last_seen_ms: nowMs }).where("id", "=", hostId).execute(),
    );
  }
}

/** The name is in the order that the host carries out, and in its permit: another one would stop it. */
export async function refuseRenameOfRunning({ tables }: Change, host: Pick<Host, "id" | "name">): Promise<void> {
  const running = await tables
    .selectFrom("deploy_hosts")
    .select("deploy_id")
    .where("host_id", "=", host.id)
    .where("state", "=", "running")
    .executeTakeFirst();
  if (running === undefined) return;
  throw new Fault("HOST_BUSY", {
    what: `${host.name} cannot be renamed now.`,
    why: `It carries out session ${running.deploy_id} under this name.`,
    fix: `Wait until it is done, or stop it: bootcast session stop ${running.deploy_id}`,
  });
}
