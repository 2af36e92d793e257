import { randomBytes } from "node:crypto";
import type { AgentState, Inventory } from "../../agent/contract.ts";
import { Fault } from "../../fault.ts";
import type { Change, EventLog } from "../events.ts";
import { lockHost, setLabels } from "./host-desk.ts";
import { type HostImport, type ImportPlan, locksNow, planImport } from "./host-import-plan.ts";
import type { HostRow } from "./host-list.ts";
import type { Host } from "./host-record.ts";
import { listFull, MAX_HOSTS } from "./host-registration.ts";
import { hashOfToken } from "./host-token.ts";
import { type Hosts, refuseRenameOfRunning } from "./hosts.ts";
import { chooseName } from "./name-sources.ts";

/** What an import did, or would do. */
export type Imported = {
  /** Names of hosts that were not known. */
  readonly added: readonly string[];
  readonly changed: readonly { readonly name: string; readonly what: readonly string[] }[];
  /** How many were as the list says already. */
  readonly same: number;
  /** Who is in the list and approved by nobody: nothing of them is erased. */
  readonly unapproved: readonly string[];
};

/** Hosts that people write down instead of waiting until they appear. */
export class HostImports {
  readonly #events: EventLog;
  readonly #hosts: Hosts;
  readonly #pattern: string;
  readonly #maxHosts: number;

  /** @param options.names the pattern for hosts whose name the list does not say */
  constructor(options: { events: EventLog; hosts: Hosts; names: string; maxHosts?: number }) {
    this.#events = options.events;
    this.#hosts = options.hosts;
    this.#pattern = options.names;
    this.#maxHosts = options.maxHosts ?? MAX_HOSTS;
  }

  /**
   * Makes the hosts as a list says, all or none of them. Hosts that are not in it stay as they are. Who is new in it is
   * approved, because a person wrote it down, unless the list says that nobody has. Who appeared by itself and waits for
   * approval goes on waiting, and no lock is ended.
   *
   * @param options.isTrial only says what it would do
   * @param options.approves whoever is in the list is approved
   * @throws {Fault} HOST_LIST_INVALID, HOST_LIST_FULL, HOST_BUSY when the name of a host at work would change
   */
  async import(
    rows: readonly HostRow[],
    { isTrial = false, approves = false }: { readonly isTrial?: boolean; readonly approves?: boolean } = {},
  ): Promise<Imported> {
    return this.#events.change(async (change) => {
      const plan = await this.#plan(change, rows, approves);
      const { same } = plan;
      if (isTrial) {
        const names = plan.adds.map(({ name, mac }) => name ?? mac);
        return { added: names, changed: plan.changes.map(changeOf), same, unapproved: plan.unapproved };
      }
      const changed = plan.changes.map(changeOf);
      await rename(change, plan.changes);
      for (const each of plan.changes) await apply(change, each);
      const taken = await namesIn(change);
      // Before a pattern gives one of them to another host.
      for (const { name } of plan.adds) if (name !== undefined) taken.add(name.toLowerCase());
      const added: string[] = [];
      for (const row of plan.adds) added.push((await this.#add(change, row, { taken, approves })).name);
      return { added, changed, same, unapproved: plan.unapproved };
    });
  }

  /** @throws {Fault} HOST_EXISTS, HOST_INVALID, HOST_LIST_FULL */
  async add(row: HostRow): Promise<Host> {
    const id = await this.#events.change(async (change) => {
      const known = await ownerIn(change, row.mac);
      if (known !== undefined) {
        throw new Fault("HOST_EXISTS", {
          what: "This host is known already.",
          why: `${known.name} has used the address ${row.mac}.`,
          fix: `Change that one (bootcast host rename ${known.name} NAME), or forget it first: bootcast host forget ${known.name}`,
        });
      }
      const plan = await this.#plan(change, [row], false).catch((error) => {
        throw cannotAdd(error);
      });
      return (await this.#add(change, plan.adds[0] ?? row, { taken: await namesIn(change), approves: false })).id;
    });
    return (await this.#hosts.ofId(id))!;
  }

  async #plan(change: Change, rows: readonly HostRow[], approves: boolean): Promise<ImportPlan> {
    const macs = await change.tables.selectFrom("host_macs").selectAll().execute();
    const ownerOf = new Map(macs.map(({ mac, host_id }) => [mac, host_id]));
    const hosts = await this.#hosts.list(change.tables);
    const known = { hosts, ownerOf: (mac: string) => ownerOf.get(mac) };
    const plan = planImport(rows, known, { approves, nowMs: change.nowMs });
    if (hosts.length + plan.adds.length > this.#maxHosts) throw listFull(this.#maxHosts);
    return plan;
  }

  /** @param about.taken the names in use, lower case; the new one is added */
  async #add(
    change: Change,
    row: HostRow,
    { taken, approves }: { readonly taken: Set<string>; readonly approves: boolean },
  ): Promise<{ id: string; name: string }> {
    const id = `h-${randomBytes(6).toString("hex")}`;
    const { mac, serial = "", group = null, labels = [], note = null, diskRule = null } = row;
    const name =
      row.name ??
      chooseName({
        sources: ["pattern"],
        pattern: this.#pattern,
        machine: { mac, serial },
        known: undefined,
        offers: {},
        taken,
      }).name;
    taken.add(name.toLowerCase());
    await change.tables
      .insertInto("hosts")
      .values({
        id,
        name,
        mac,
        serial,
        uuid: "",
        vendor: "",
        model: "",
        inventory: JSON.stringify(unseen(mac, serial)),
        // Of a token that nobody has.
        token_hash: hashOfToken(randomBytes(32).toString("base64url")),
        state: "booting" satisfies AgentState,
        state_since_ms: change.nowMs,
        detail: "",
        percent: null,
        fault: null,
        waiting_since_ms: change.nowMs,
        first_seen_ms: change.nowMs,
        last_seen_ms: 0,
        is_approved: approves || row.isApproved !== false ? 1 : 0,
        group_name: group,
        note,
        disk_rule: diskRule,
      })
      .execute();
    await change.tables.insertInto("host_macs").values({ mac, host_id: id }).execute();
    await change.record({ kind: "host.added", hostId: id, data: { ...row, name } });
    await setLabels(change, { id, name, labels: [] }, labels);
    if (row.lock && locksNow(row, change.nowMs)) await lockHost(change, { id, name }, row.lock);
    return { id, name };
  }
}

async function namesIn({ tables }: Change): Promise<Set<string>> {
  const rows = await tables.selectFrom("hosts").select("name").execute();
  return new Set(rows.map(({ name }) => name.toLowerCase()));
}

/** What is known of a machine that was never seen. */
function unseen(mac: string, serial: string): Inventory {
  const nothing = { uuid: "", vendor: "", model: "", memoryBytes: 0, cpuCount: 0, nics: [], disks: [] };
  return { ...nothing, mac, serial, firmware: "bios", agentVersion: "" };
}

/** One host is no list. */
function cannotAdd(error: unknown): unknown {
  if (!(error instanceof Fault) || error.code !== "HOST_LIST_INVALID") return error;
  const text = { what: "This host cannot be added.", why: error.why, fix: "Correct it, and add it again." };
  return new Fault("HOST_INVALID", text, error);
}

const changeOf = ({ host, row, what }: HostImport) => ({ name: row.name ?? host.name, what });

async function ownerIn({ tables }: Change, mac: string): Promise<{ name: string } | undefined> {
  return tables
    .selectFrom("host_macs")
    .innerJoin("hosts", "hosts.id", "host_macs.host_id")
    .select("hosts.name")
    .where("host_macs.mac", "=", mac)
    .executeTakeFirst();
}

/** All at once: two hosts may exchange their names, and no name stands for two at any moment. */
async function rename(change: Change, changes: readonly HostImport[]): Promise<void> {
  const renamed = changes.filter(({ what }) => what.includes("name"));
  for (const { host } of renamed) await refuseRenameOfRunning(change, host);
  for (const { host } of renamed) {
    await change.tables.updateTable("hosts").set({ name: host.id }).where("id", "=", host.id).execute();
  }
  for (const { host, row } of renamed) {
    const name = row.name ?? host.name;
    await change.tables.updateTable("hosts").set({ name }).where("id", "=", host.id).execute();
    await change.record({ kind: "host.renamed", hostId: host.id, data: { from: host.name, to: name } });
  }
}

async function apply(change: Change, { host, row, what }: HostImport): Promise<void> {
  const { group, note, diskRule, serial, labels } = row;
  const set = {
    ...(group === undefined ? {} : { group_name: group }),
    ...(note === undefined ? {} : { note }),
    ...(diskRule === undefined ? {} : { disk_rule: diskRule }),
    ...(what.includes("serial") && serial !== undefined ? { serial } : {}),
    ...(what.includes("approved") ? { is_approved: 1, lacks: null } : {}),
  };
  if (Object.keys(set).length > 0) {
    await change.tables.updateTable("hosts").set(set).where("id", "=", host.id).execute();
  }
  const record = (kind: string, data: Readonly<Record<string, unknown>>) =>
    change.record({ kind, hostId: host.id, data });
  if (what.includes("approved")) await record("host.approved", { name: row.name ?? host.name });
  if (what.includes("group")) await record("host.group", { from: host.group, group });
  if (what.includes("note")) await record("host.note", { note });
  if (what.includes("diskRule")) await record("host.disk-rule", { from: host.diskRule, to: diskRule });
  if (labels !== undefined) await setLabels(change, host, labels);
  if (row.lock && what.includes("lock")) await lockHost(change, host, row.lock);
}
