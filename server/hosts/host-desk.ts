import { Fault } from "../../fault.ts";
import { currentActor } from "../access/actor.ts";
import type { Change, EventLog } from "../events.ts";
import type { Host } from "./host-record.ts";
import { asWritten, checkGroupName, checkLabel, MOST_LABELS, readNote, readReason } from "./host-words.ts";
import type { Hosts } from "./hosts.ts";

/**
 * What people say of hosts: that they are theirs, which belong together, which are to be left alone. Words select
 * hosts as in selection.ts; each method answers the hosts as they are then, and an event tells of each that changed.
 */
export class HostDesk {
  readonly #events: EventLog;
  readonly #hosts: Hosts;

  constructor(options: { events: EventLog; hosts: Hosts }) {
    this.#events = options.events;
    this.#hosts = options.hosts;
  }

  /** From now on they may be given orders that erase. @throws {Fault} as `Hosts.select` */
  approve(words: readonly string[]): Promise<Host[]> {
    return this.#each(words, async (change, host) => {
      if (host.isApproved && host.lacks === null) return;
      // A person's word stands for the token, until the host shows one again.
      await set(change, host, { is_approved: 1, is_enrolled: 0, lacks: null });
      await change.record({ kind: "host.approved", hostId: host.id, data: { name: host.name } });
    });
  }

  /** Puts them into a group; null: into none. @throws {Fault} as `Hosts.select`, GROUP_NAME */
  async setGroup(words: readonly string[], name: string | null): Promise<Host[]> {
    if (name !== null) checkGroupName(name);
    const group = name === null ? null : asWritten(name, await this.#hosts.list());
    return this.#each(words, async (change, host) => {
      if (host.group === group) return;
      await set(change, host, { group_name: group });
      await change.record({ kind: "host.group", hostId: host.id, data: { from: host.group, group } });
    });
  }

  /** @throws {Fault} as `Hosts.select`, LABEL_NAME, LABELS_FULL */
  async label(
    words: readonly string[],
    { add, remove }: { readonly add: readonly string[]; readonly remove: readonly string[] },
  ): Promise<Host[]> {
    for (const label of add) checkLabel(label);
    return this.#each(words, async (change, host) => {
      const left = host.labels.filter((label) => !remove.some((other) => isSame(other, label)));
      const added = [...new Set(add)].filter((label) => !left.some((other) => isSame(other, label)));
      await setLabels(change, host, [...left, ...added]);
    });
  }

  /**
   * From now on nothing of them is erased, whatever was ordered: an order that has not begun waits.
   *
   * @param about.untilMs null: until somebody unlocks them
   * @throws {Fault} as `Hosts.select`, REASON_INVALID, LOCK_INVALID, HOST_BUSY when one is being erased already
   */
  async lock(
    words: readonly string[],
    about: { readonly reason: string; readonly untilMs: number | null },
  ): Promise<Host[]> {
    const reason = readReason(about.reason);
    return this.#each(words, async (change, host) => {
      if (about.untilMs !== null && !(about.untilMs > change.nowMs)) throw lockOver(about.untilMs);
      await lockHost(change, host, { reason, untilMs: about.untilMs });
    });
  }

  /** @throws {Fault} as `Hosts.select` */
  unlock(words: readonly string[]): Promise<Host[]> {
    return this.#each(words, async (change, host) => {
      if (host.lock === null) return;
      await set(change, host, { locked_at_ms: null, lock_reason: null, lock_by: null, lock_until_ms: null });
      await change.record({ kind: "host.unlocked", hostId: host.id, data: { reason: host.lock.reason } });
    });
  }

  /** What people want to remember of a host; null or "": nothing. @throws {Fault} HOST_UNKNOWN, NOTE_INVALID */
  async note(words: readonly string[], text: string | null): Promise<Host[]> {
    const note = readNote(text);
    return this.#each(words, async (change, host) => {
      if (host.note === note) return;
      await set(change, host, { note });
      await change.record({ kind: "host.note", hostId: host.id, data: { note } });
    });
  }

  /** All of them, or none. */
  async #each(words: readonly string[], work: (change: Change, host: Host) => Promise<void>): Promise<Host[]> {
    const ids = await this.#events.change(async (change) => {
      // Inside: nobody else changes them in between.
      const hosts = await this.#hosts.select(words, change.tables);
      for (const host of hosts) await work(change, host);
      return new Set(hosts.map(({ id }) => id));
    });
    return (await this.#hosts.list()).filter(({ id }) => ids.has(id));
  }
}

type Settings = Partial<{
  is_approved: number;
  is_enrolled: number;
  lacks: string | null;
  group_name: string | null;
  note: string | null;
  locked_at_ms: number | null;
  lock_reason: string | null;
  lock_by: string | null;
  lock_until_ms: number | null;
}>;

async function set(change: Change, host: Pick<Host, "id">, settings: Settings): Promise<void> {
  await change.tables.updateTable("hosts").set(settings).where("id", "=", host.id).execute();
}

/** In the name of whoever makes the change. @throws {Fault} REASON_INVALID, HOST_BUSY */
export async function lockHost(
  change: Change,
  host: Pick<Host, "id" | "name">,
  about: { readonly reason: string; readonly untilMs: number | null },
): Promise<void> {
  const reason = readReason(about.reason);
  const untilMs = about.untilMs === null ? null : Math.round(about.untilMs);
  await set(change, host, {
    locked_at_ms: change.nowMs,
    lock_reason: reason,
    lock_by: currentActor()?.name ?? "the server",
    lock_until_ms: untilMs,
  });
  // Behind the lock, not before it: a permit that is signed at this moment has waited for it, or is seen here.
  await refuseBegun(change, host);
  await change.record({ kind: "host.locked", hostId: host.id, data: { reason, untilMs } });
}

/** Gives a host exactly these labels. @throws {Fault} LABELS_FULL */
export async function setLabels(
  change: Change,
  host: Pick<Host, "id" | "name" | "labels">,
  labels: readonly string[],
): Promise<void> {
  const added = labels.filter((label) => !host.labels.includes(label));
  const removed = host.labels.filter((label) => !labels.includes(label));
  if (added.length === 0 && removed.length === 0) return;
  if (labels.length > MOST_LABELS) {
    throw new Fault("LABELS_FULL", {
      what: `${host.name} cannot have ${labels.length} labels.`,
      why: `A host has ${MOST_LABELS} at most.`,
      fix: `Take some away: bootcast host label --remove ${host.labels[0] ?? "LABEL"} ${host.name}`,
    });
  }
  if (removed.length > 0) {
    await change.tables
      .deleteFrom("host_labels")
      .where("host_id", "=", host.id)
      .where("label", "in", removed)
      .execute();
  }
  if (added.length > 0) {
    await change.tables
      .insertInto("host_labels")
      .values(added.map((label) => ({ host_id: host.id, label })))
      .execute();
  }
  await change.record({ kind: "host.labels", hostId: host.id, data: { added, removed } });
}

/** Half of a disk is of no use to anybody: what has begun is stopped in so many words, or comes to its end. */
async function refuseBegun({ tables }: Change, host: Pick<Host, "id" | "name">): Promise<void> {
  const begun = await tables
    .selectFrom("deploy_hosts")
    .innerJoin("deploys", "deploys.id", "deploy_hosts.deploy_id")
    .select("deploy_id")
    .where("host_id", "=", host.id)
    .where("deploys.kind", "=", "deploy")
    .where("deploy_hosts.state", "=", "running")
    .where("attempts", ">", 0)
    .executeTakeFirst();
  if (begun === undefined) return;
  throw new Fault("HOST_BUSY", {
    what: `${host.name} cannot be locked now.`,
    why: `Session ${begun.deploy_id} has begun to write its disk.`,
    fix: `Wait until it is done, or stop it: bootcast session stop ${begun.deploy_id}`,
  });
}

function lockOver(untilMs: number): Fault {
  return new Fault("LOCK_INVALID", {
    what: "A host cannot be locked like that.",
    why: `${Number.isFinite(untilMs) ? new Date(untilMs).toISOString() : "The end"} is not in the future.`,
    fix: "Give a later time, or none: then it is locked until somebody unlocks it.",
  });
}

function isSame(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}
