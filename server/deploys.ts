import { chooseDisk, contentText, DEFAULT_DISK_RULE, type EraseMethod, parseDiskRule } from "../agent/contract.ts";
import { Fault } from "../fault.ts";
import type { Database } from "./db/database.ts";
import { ruleOf } from "./disk-terms.ts";
import type { Change, EventLog } from "./events.ts";
import type { Host } from "./host-record.ts";
import type { Hosts } from "./hosts.ts";

/** An image that is in the store, as far as an order needs it. */
export type DeployImage = {
  readonly name: string;
  readonly version: number;
  readonly diskBytes: number;
  /** The logical sector size that its partition table counts in. */
  readonly sectorBytes: number;
  /** What the stream carries. */
  readonly storedBytes: number;
};

/** Where images are looked up. @throws {Fault} IMAGE_UNKNOWN */
export type FindImage = (name: string, version: number | undefined) => Promise<DeployImage>;

/** What is ordered. `to` names hosts (name, id or MAC), or is the word "any": each host that appears, once. */
export type DeployRequest = {
  readonly image: string;
  readonly imageVersion?: number | undefined;
  readonly to: readonly string[] | "any";
  /** The stream starts when this many hosts are ready: all named ones, or 1 for any, unless given. */
  readonly waitFor?: number | undefined;
  /** … or when this long has passed since the first was. */
  readonly maxWaitMs?: number | undefined;
  /** Which disk of each host (agent/disk-rule.ts); as is set for the host unless given. */
  readonly disk?: string | undefined;
  /** How it is erased; "quick" unless given. */
  readonly erase?: EraseMethod | undefined;
  /** What a person was shown of the hosts' disks, `contents` of a plan; all that is known now unless given. */
  readonly confirmed?: readonly string[] | undefined;
  /** Where it was ordered, for its event; absent for the command line. */
  readonly orderedAt?: string;
};

/** What an order would do: nothing is changed by making a plan. */
export type DeployPlan = {
  readonly image: DeployImage;
  readonly to: "any" | "named";
  /** Every disk of these hosts that qualifies is erased. */
  readonly hosts: readonly PlannedHost[];
  readonly waitFor: number;
  readonly maxWaitMs: number;
  readonly erase: EraseMethod;
  /** The order's own rule for the disk; null: what is set for each host. */
  readonly disk: string | null;
};

export type PlannedHost = {
  readonly id: string;
  readonly name: string;
  readonly mac: string;
  readonly model: string;
  readonly lastSeenMs: number;
  /** Those that the rule leaves to choose from, and only the one that it takes when that is clear. */
  readonly disks: readonly { readonly path: string; readonly sizeBytes: number; readonly model: string }[];
  /** What its disks hold, as far as anybody has looked; giving the order confirms it. */
  readonly contents: readonly string[];
  /** Which disk is meant. */
  readonly rule: string;
  /** What the person should know before; empty when nothing stands out. */
  readonly warning: string;
};

const DEFAULT_MAX_WAIT_MS = 10 * 60_000;

/** Orders: which image goes to which hosts. What a single host is told is in `orders.ts`. */
export class Deploys {
  readonly #db: Database;
  readonly #events: EventLog;
  readonly #hosts: Hosts;
  readonly #findImage: FindImage;
  readonly #diskRule: string;

  /** @param options.diskRule the setting hosts.disk; "only" unless given */
  constructor(options: { db: Database; events: EventLog; hosts: Hosts; findImage: FindImage; diskRule?: string }) {
    this.#db = options.db;
    this.#events = options.events;
    this.#hosts = options.hosts;
    this.#findImage = options.findImage;
    this.#diskRule = options.diskRule ?? DEFAULT_DISK_RULE;
  }

  /**
   * What the order would erase, and whether it can be given at all.
   *
   * @throws {Fault} IMAGE_UNKNOWN, HOST_UNKNOWN, HOST_BUSY, DEPLOY_EXISTS, DEPLOY_INVALID, DISK_RULE
   */
  async plan(request: DeployRequest): Promise<DeployPlan> {
    if (request.disk !== undefined) parseDiskRule(request.disk);
    const image = await this.#findImage(request.image, request.imageVersion);
    const hosts: Host[] = [];
    if (request.to !== "any") {
      for (const word of request.to) {
        const host = await this.#hosts.find(word);
        if (!hosts.some(({ id }) => id === host.id)) hosts.push(host);
      }
      if (hosts.length === 0) throw invalid("It names no host.", 'Name hosts, or the word "any".');
    }
    const waitFor = request.waitFor ?? Math.max(1, hosts.length);
    if (request.to !== "any" && waitFor > hosts.length) {
      throw invalid(`It would wait for ${waitFor} hosts, but names ${hosts.length}.`, "Wait for fewer.");
    }
    await refuseConflicts(this.#db, request.to === "any", hosts);
    const planOf = async (host: Host) =>
      planned(host, image, await ruleOf(this.#db, host.id, request.disk, this.#diskRule));
    return {
      image,
      to: request.to === "any" ? "any" : "named",
      hosts: await Promise.all(hosts.map(planOf)),
      waitFor,
      maxWaitMs: request.maxWaitMs ?? DEFAULT_MAX_WAIT_MS,
      erase: request.erase ?? "quick",
      disk: request.disk ?? null,
    };
  }

  /** Gives the order; from now on its hosts are erased when they appear. @returns its number, and what it does */
  async create(request: DeployRequest): Promise<{ deployId: number; plan: DeployPlan }> {
    const plan = await this.plan(request);
    const deployId = await this.#events.change(async (change) => {
      // Once more: another order may have been given at the same moment.
      await refuseConflicts(change.tables, plan.to === "any", plan.hosts);
      const { id } = await change.tables
        .insertInto("deploys")
        .values({
          image: plan.image.name,
          image_version: plan.image.version,
          to_any: plan.to === "any" ? 1 : 0,
          wait_for: plan.waitFor,
          max_wait_ms: plan.maxWaitMs,
          state: "active",
          created_at_ms: change.nowMs,
          ended_at_ms: null,
          disk_rule: plan.disk,
          erase: plan.erase,
        })
        .returning("id")
        .executeTakeFirstOrThrow();
      await change.record({
        kind: "deploy.created",
        deployId: id,
        data: {
          image: plan.image.name,
          imageVersion: plan.image.version,
          to: plan.to,
          ...(plan.disk === null ? {} : { disk: plan.disk }),
          ...(plan.erase === "quick" ? {} : { erase: plan.erase }),
          ...(request.orderedAt === undefined ? {} : { orderedAt: request.orderedAt }),
        },
      });
      for (const { id: hostId, rule, contents } of plan.hosts) {
        const confirmed = contents.filter((text) => request.confirmed?.includes(text) ?? true);
        await addHost(change, id, hostId, { rule, confirmed });
      }
      return id;
    });
    return { deployId, plan };
  }

  /**
   * Takes the order back: hosts that have not begun are left alone, hosts in
   * the middle of it stop before their next step.
   *
   * @throws {Fault} DEPLOY_UNKNOWN, DEPLOY_ENDED
   */
  async cancel(deployId: number): Promise<void> {
    await this.#events.change(async (change) => {
      const deploy = await change.tables
        .selectFrom("deploys")
        .selectAll()
        .where("id", "=", deployId)
        .executeTakeFirst();
      if (deploy === undefined) throw unknownDeploy(deployId);
      if (deploy.state !== "active") {
        throw new Fault("DEPLOY_ENDED", {
          what: `Session ${deployId} cannot be stopped.`,
          why: `It is ${deploy.state} already.`,
          fix: `"bootcast session show ${deployId}" shows what happened.`,
        });
      }
      await change.tables
        .updateTable("deploys")
        .set({ state: "cancelled", ended_at_ms: change.nowMs })
        .where("id", "=", deployId)
        .execute();
      await change.tables
        .updateTable("deploy_hosts")
        .set({ state: "cancelled", ended_at_ms: change.nowMs })
        .where("deploy_id", "=", deployId)
        .where("state", "in", ["pending", "running"])
        .execute();
      await change.record({ kind: "deploy.cancelled", deployId });
    });
  }
}

type Readable = Pick<Database, "selectFrom">;

/** @throws {Fault} DEPLOY_EXISTS, HOST_BUSY */
async function refuseConflicts(
  db: Readable,
  isAny: boolean,
  hosts: readonly Pick<Host, "id" | "name">[],
): Promise<void> {
  if (!isAny) return refuseBusy(db, hosts);
  const other = await db
    .selectFrom("deploys")
    .select("id")
    .where("state", "=", "active")
    .where("to_any", "=", 1)
    .executeTakeFirst();
  if (other === undefined) return;
  throw new Fault("DEPLOY_EXISTS", {
    what: "There is already an order for any host that appears.",
    why: `Session ${other.id} is active, and a host can be given only one of them.`,
    fix: `Stop it first: bootcast session stop ${other.id}`,
  });
}

/** A host has one order at a time, whatever its kind. @throws {Fault} HOST_BUSY */
export async function refuseBusy(db: Readable, hosts: readonly Pick<Host, "id" | "name">[]): Promise<void> {
  for (const host of hosts) {
    const open = await db
      .selectFrom("deploy_hosts")
      .select("deploy_id")
      .where("host_id", "=", host.id)
      .where("state", "in", ["pending", "running"])
      .executeTakeFirst();
    if (open === undefined) continue;
    throw new Fault("HOST_BUSY", {
      what: `${host.name} already has an order.`,
      why: `Session ${open.deploy_id} has not finished with it.`,
      fix: `Wait for it (bootcast session watch ${open.deploy_id}) or stop it (bootcast session stop ${open.deploy_id}).`,
    });
  }
}

/**
 * Adds a host to an order, with the event that says so.
 *
 * @param disk of a deploy: which disk, and what a person saw on the host's disks
 */
export async function addHost(
  change: Change,
  deployId: number,
  hostId: string,
  disk?: { readonly rule: string; readonly confirmed: readonly string[] },
): Promise<void> {
  await change.tables
    .insertInto("deploy_hosts")
    .values({
      deploy_id: deployId,
      host_id: hostId,
      state: "pending",
      attempts: 0,
      started_at_ms: null,
      ended_at_ms: null,
      fault: null,
      ...(disk === undefined ? {} : { disk_rule: disk.rule, confirmed: JSON.stringify(disk.confirmed) }),
    })
    .execute();
  await change.record({ kind: "deploy.host-added", deployId, hostId });
}

/** For people a deploy is a session, by its number. */
export function unknownDeploy(deployId: number | string): Fault {
  return new Fault("DEPLOY_UNKNOWN", {
    what: `There is no session ${deployId}.`,
    why: "Sessions are numbered from 1 in the order they were ordered.",
    fix: '"bootcast session list" shows all.',
  });
}

function planned(host: Host, image: DeployImage, rule: string): PlannedHost {
  const { disks } = host.inventory;
  const contents = disks.filter(({ holds }) => holds !== undefined).map(contentText);
  const need = { imageBytes: image.diskBytes, sectorBytes: image.sectorBytes };
  const erasable = disks.filter((disk) => !disk.isRemovable && !disk.isReadOnly && disk.transport !== "usb");
  let listed: readonly (typeof disks)[number][] = erasable;
  let warning = "";
  try {
    // The host decides in its own preflight; this only says early what it will say.
    listed = [chooseDisk(disks, need, { rule: parseDiskRule(rule), confirmed: contents, known: "" })];
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    warning = `it will refuse: ${error.why.replace(/\.$/, "")}`;
  }
  return {
    id: host.id,
    name: host.name,
    mac: host.mac,
    model: host.model,
    lastSeenMs: host.lastSeenMs,
    disks: listed.map(({ path, sizeBytes, model }) => ({ path, sizeBytes, model })),
    contents,
    rule,
    warning,
  };
}

function invalid(why: string, fix: string): Fault {
  return new Fault("DEPLOY_INVALID", { what: "This order cannot be given.", why, fix });
}
