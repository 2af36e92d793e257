import { randomBytes } from "node:crypto";
import type { AgentState, Inventory, Registration } from "../../agent/contract.ts";
import { Fault } from "../../fault.ts";
import type { Change, EventLog } from "../events.ts";
import type { Approval } from "./enrolment/admission.ts";
import type { HostClaims, ShownProof } from "./enrolment/host-claims.ts";
import { isGoodUuid, recognise } from "./host-identity.ts";
import { likeHosts } from "./host-record.ts";
import { hashOfToken } from "./host-token.ts";
import { inventoryChanges } from "./inventory-changes.ts";
import { type NameList, nameInList } from "./name-list.ts";
import { type ChosenName, chooseName, type NameSource } from "./name-sources.ts";
import { Newcomers } from "./newcomers.ts";

/** How hosts get their names. */
export type HostNaming = {
  /** The pattern: "lab-{nn}". */
  readonly names: string;
  /** In which order sources are asked; the registry and then the pattern unless given. */
  readonly nameSources?: readonly NameSource[] | undefined;
  /** The list of names, read again for each registration. */
  readonly nameList?: (() => Promise<NameList>) | undefined;
  /** The machine names of an Apple NetBoot server, read again for each registration. */
  readonly bsdpNames?: (() => Promise<NameList>) | undefined;
  /** What reverse DNS calls an address. */
  readonly reverseName?: ((address: string) => Promise<string | undefined>) | undefined;
};

const DEFAULT_SOURCES: readonly NameSource[] = ["registry", "pattern"];

/** The kind of event that tells what has changed in a machine. */
export const INVENTORY_CHANGED = "host.inventory";

/** Far more than one server can boot. */
export const MAX_HOSTS = 5_000;

/** Takes machines into the list of hosts: which of them one is, what it is called, and the token that it gets. */
export class HostRegistration {
  readonly #events: EventLog;
  /** Asked each time: settings change while the server runs. */
  readonly #naming: HostNaming & { readonly approve?: Approval };
  readonly #maxHosts: number;
  readonly #newcomers = new Newcomers();
  readonly #claims: HostClaims;

  /** @param options.maxHosts how many there may be; everybody on the network can add one */
  constructor(options: { events: EventLog; maxHosts?: number; approve?: Approval } & HostNaming, claims: HostClaims) {
    this.#events = options.events;
    this.#claims = claims;
    this.#naming = options;
    this.#maxHosts = options.maxHosts ?? MAX_HOSTS;
  }

  /**
   * A machine says who it is: it gets its name and a new token; the token it had before ends.
   *
   * @param proof.address where it spoke from, for reverse DNS as well
   * @throws {Fault} HOST_LIST_FULL, HOST_FLOOD for a new one; HOST_TWICE, ENROLMENT_NEEDED for one that is known
   */
  async register(inventory: Inventory, proof: ShownProof): Promise<Registration> {
    const { address } = proof;
    const token = randomBytes(32).toString("base64url");
    const { offers, fault } = await this.#offers(inventory, address);
    return this.#events.change(async (change) => {
      const before = recognise(inventory, await likeHosts(change.tables, inventory), change.nowMs);
      const policy = this.#naming.approve ?? "auto";
      const admitted = await this.#claims.admit(change, before?.id, policy, inventory, proof);
      const { isApproved, lacks } = admitted;
      const id = before?.id ?? `h-${randomBytes(6).toString("hex")}`;
      const seen = {
        mac: inventory.mac,
        uuid: inventory.uuid,
        serial: inventory.serial,
        vendor: inventory.vendor,
        model: inventory.model,
        inventory: JSON.stringify(inventory),
        token_hash: hashOfToken(token),
        state: "registering" satisfies AgentState,
        state_since_ms: change.nowMs,
        detail: "",
        percent: null,
        fault: null,
        waiting_since_ms: change.nowMs,
        last_seen_ms: change.nowMs,
        is_approved: isApproved ? 1 : 0,
        is_enrolled: admitted.isEnrolled ? 1 : 0,
        lacks,
      };
      const chosen = await this.#nameFor(change, inventory, before?.id, offers);
      const { name } = chosen;
      if (before === undefined) {
        await this.#refuseOneMore(change, address);
        await change.tables
          .insertInto("hosts")
          .values({ id, name, first_seen_ms: change.nowMs, ...seen })
          .execute();
      } else {
        if (before.isAdded !== true) await noteChanges(change, id, inventory);
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
      await noteCards(change, id, inventory);
      await change.record({
        kind: "host.registered",
        hostId: id,
        data: {
          name,
          mac: inventory.mac,
          isNew: before === undefined,
          ...((before === undefined || lacks !== null) && !isApproved ? { isApproved } : {}),
          ...(lacks === null ? {} : { lacks }),
          agentVersion: inventory.agentVersion,
          nameSource: chosen.source,
          ...(chosen.refused.length === 0 ? {} : { namesRefused: chosen.refused }),
          ...(fault === undefined ? {} : { fault }),
        },
      });
      if (admitted.wasWaiting) await change.record({ kind: "host.approved", hostId: id, data: { name, by: "token" } });
      return { hostId: id, name, token };
    });
  }

  /** What the sources outside say that are asked at all. A list that became unreadable names nobody, and is told. */
  async #offers(
    { dhcpName, ...machine }: Inventory,
    address: string | undefined,
  ): Promise<{ offers: Partial<Record<NameSource, string | undefined>>; fault?: Fault }> {
    const { nameSources = DEFAULT_SOURCES, nameList, bsdpNames, reverseName } = this.#naming;
    const offers: Partial<Record<NameSource, string | undefined>> = { dhcp: dhcpName };
    if (nameSources.includes("dns") && address !== undefined) offers.dns = await reverseName?.(address);
    let fault: Fault | undefined;
    for (const [source, list] of [["csv", nameList] as const, ["bsdp", bsdpNames] as const]) {
      if (!nameSources.includes(source) || list === undefined) continue;
      try {
        offers[source] = nameInList(await list(), machine);
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        fault ??= error;
      }
    }
    return fault === undefined ? { offers } : { offers, fault };
  }

  /** The name that a machine is to have, and the one that it had. */
  async #nameFor(
    change: Change,
    machine: Inventory,
    hostId: string | undefined,
    offers: Partial<Record<NameSource, string | undefined>>,
  ): Promise<ChosenName & { readonly before: string | undefined }> {
    const { names: pattern, nameSources: sources = DEFAULT_SOURCES } = this.#naming;
    const row =
      hostId === undefined
        ? undefined
        : await change.tables.selectFrom("hosts").select("name").where("id", "=", hostId).executeTakeFirst();
    const before = row?.name;
    // A room that starts again keeps its names: nobody has to look at those of all others.
    const keeps = before !== undefined && (sources[0] === "registry" || sources[0] === "pattern");
    const taken = keeps ? new Set<string>() : await otherNames(change, hostId);
    return { ...chooseName({ sources, pattern, machine, known: before, offers, taken }), before };
  }

  /** @throws {Fault} HOST_LIST_FULL, HOST_FLOOD */
  async #refuseOneMore({ tables, nowMs }: Change, address: string | undefined): Promise<void> {
    const { hosts } = await tables
      .selectFrom("hosts")
      .select((select) => select.fn.countAll().as("hosts"))
      .executeTakeFirstOrThrow();
    const isFull = Number(hosts) >= this.#maxHosts;
    if (!isFull && this.#newcomers.take(address, nowMs)) return;
    const fault = isFull ? listFull(this.#maxHosts) : flooded(address);
    this.#tellRefused(fault, address, nowMs);
    throw fault;
  }

  /** Few times, whatever comes. */
  #tellRefused(fault: Fault, address: string | undefined, nowMs: number): void {
    if (!this.#newcomers.isToBeTold(nowMs)) return;
    const data = { fault: fault.toJSON(), ...(address && { from: address }) };
    // Behind the change that is refused; whether it can be written is no matter of the machine's.
    void this.#events.change(({ record }) => record({ kind: "host.refused", data })).catch(() => undefined);
  }
}

/** Lower case. */
async function otherNames({ tables }: Change, hostId: string | undefined): Promise<Set<string>> {
  const rows = await tables
    .selectFrom("hosts")
    .select("name")
    .where("id", "!=", hostId ?? "")
    .execute();
  return new Set(rows.map(({ name }) => name.toLowerCase()));
}

/** More than any machine has; made-up ones have thousands. */
const MOST_CARDS = 256;

/** Which cards are in the machine now. */
async function noteCards({ tables }: Change, hostId: string, { mac, nics }: Inventory): Promise<void> {
  const cards = new Set([mac, ...nics.slice(0, MOST_CARDS).map((nic) => nic.mac)]);
  const known = await tables.selectFrom("host_cards").select("mac").where("host_id", "=", hostId).execute();
  if (known.length === cards.size && known.every((card) => cards.has(card.mac))) return;
  await tables.deleteFrom("host_cards").where("host_id", "=", hostId).execute();
  await tables
    .insertInto("host_cards")
    .values([...cards].map((card) => ({ host_id: hostId, mac: card })))
    .execute();
}

/** What is new in the machine since it registered last: the history of its parts. */
async function noteChanges(change: Change, hostId: string, inventory: Inventory): Promise<void> {
  const row = await change.tables
    .selectFrom("hosts")
    .select("inventory")
    .where("id", "=", hostId)
    .executeTakeFirstOrThrow();
  const changes = inventoryChanges(JSON.parse(row.inventory) as Inventory, inventory);
  if (changes.length > 0) await change.record({ kind: INVENTORY_CHANGED, hostId, data: { changes } });
}

function flooded(address: string | undefined): Fault {
  return new Fault("HOST_FLOOD", {
    what: "This machine was not added to the list of hosts yet.",
    why: `Too many new ones register at the same time${address === undefined ? "" : `, or too many from ${address}`}; something on the network may make them up.`,
    fix: 'It asks again by itself. If these are no machines, look where they come from ("bootcast host list" shows the newest).',
  });
}

export function listFull(maxHosts: number): Fault {
  return new Fault("HOST_LIST_FULL", {
    what: "This machine was not added to the list of hosts.",
    why: `The list has ${maxHosts} hosts already; something on the network may register made-up ones.`,
    fix: "Look at the newest (bootcast host list), and remove those that are no machines: bootcast host forget NAME",
  });
}
