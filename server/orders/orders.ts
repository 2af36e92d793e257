import {
  ALIVE_SINCE,
  CAPTURES_SINCE,
  DEFAULT_DISK_RULE,
  type Inventory,
  type Order,
  SCRIPTS_SINCE,
  SERVERS_SINCE,
} from "../../agent/contract.ts";
import type { BootPolicy } from "../../bsdp/policy.ts";
import { Fault } from "../../fault.ts";
import { bootImageTooOld } from "../capture/faults.ts";
import type { Database } from "../db/database.ts";
import type { Change, EventLog } from "../events.ts";
import type { Hosts } from "../hosts/hosts.ts";
import type { Alive } from "./alive.ts";
import { isOrderedByHand } from "./by-hand.ts";
import { addHost } from "./deploy-hosts.ts";
import { awaitsTurn, decide, dueDeploy } from "./deploy-rules.ts";
import type { DeployStreams } from "./deploy-streams.ts";
import { ruleOf, termsOf } from "./disk-terms.ts";
import { factsOf, openHosts } from "./facts.ts";
import { hinderedOrder, waitOf } from "./hindrance.ts";
import { type KnownOrders, OrderMemory } from "./memory.ts";
import { endOrder, type OrderReports } from "./reports.ts";
import type { Scripts } from "./scripts.ts";

type OrdersOptions = {
  readonly db: Database;
  readonly events: EventLog;
  readonly hosts: Hosts;
  readonly reports: OrderReports;
  readonly streams: DeployStreams;
  /** What runs on hosts when they are restored; nothing unless given. */
  readonly scripts?: Pick<Scripts, "ofOrder">;
  /** What restored systems say when they are up; nothing unless given. */
  readonly alive?: Pick<Alive, "ofOrder">;
  /** Whether unknown machines are given the agent, so that they appear in the list. */
  readonly isRegistering: boolean;
  /** Whether a machine with nothing ordered shows a menu before it starts its disk. */
  readonly hasMenu?: boolean;
  /** The setting hosts.disk; "only" unless given. */
  readonly diskRule?: string;
  /** How long a host with nothing to do waits before it boots its disk. */
  readonly waitMs: number;
  readonly now: () => number;
};

/** What a single host is told: by its firmware's question and by the agent's. */
export class Orders {
  readonly #options: OrdersOptions;
  readonly #memory: OrderMemory;
  readonly #reports: OrderReports;

  constructor(options: OrdersOptions) {
    this.#options = options;
    this.#memory = new OrderMemory(options);
    this.#reports = options.reports;
  }

  /** What the machine with this MAC address is to boot. */
  async bootPolicyOf(mac: string): Promise<BootPolicy> {
    const { isRegistering, hasMenu = false } = this.#options;
    await this.#reports.endLostIfAny();
    const known = await this.#memory.read();
    const hostId = known.hostOfMac.get(mac.toLowerCase());
    const isForAgent = hostId === undefined ? isRegistering || this.#isForAny(known) : await this.#isDue(known, hostId);
    const isLocked = hostId !== undefined && this.#options.now() < (known.lockedUntilMs.get(hostId) ?? 0);
    if (isForAgent && !isLocked) return { boot: "agent" };
    return { boot: hasMenu ? "menu" : "disk" };
  }

  #isForAny({ anyUntilMs }: KnownOrders): boolean {
    const nowMs = this.#options.now();
    return anyUntilMs.some((untilMs) => nowMs < untilMs);
  }

  async #isDue(known: KnownOrders, hostId: string): Promise<boolean> {
    if (known.ordered.has(hostId)) return true;
    const held = known.held.get(hostId);
    if (held !== undefined) return awaitsTurn(held, this.#options.waitMs, this.#options.now());
    if (!this.#isForAny(known)) return false;
    // Whether it had its turn already is told by all that ever was ordered for it, and for others like it.
    let isDue = known.isDueToAny.get(hostId);
    if (isDue === undefined) {
      const { db, waitMs, now } = this.#options;
      isDue = factsOf(db, hostId, waitMs, now()).then((facts) => facts.isPlaceAsked || dueDeploy(facts) !== undefined);
      known.isDueToAny.set(hostId, isDue);
      isDue.catch(() => known.isDueToAny.delete(hostId));
    }
    return isDue;
  }

  /**
   * What a registered host is to do now. Joining a deploy to any host is written down here.
   *
   * @param interfaceAddress our own address that the host reached: its network gets the stream
   * @param address the IPv4 address that it speaks from
   */
  async orderFor(hostId: string, interfaceAddress: string, address?: string): Promise<Order> {
    const { db, events, streams, waitMs, now } = this.#options;
    if (address !== undefined) await this.#noteAddress(hostId, address);
    const decision = decide(await factsOf(db, hostId, waitMs, now()));
    if (decision.kind === "wait") return waitOf(db, hostId, decision);
    if (decision.kind !== "deploy") return decision;
    const about = { hostId, deployId: decision.deployId, waitMs };
    const instead = await hinderedOrder(db, { ...about, nowMs: now() });
    if (instead !== undefined) return instead;
    const deploy = await events.change(async (change) => {
      if ((await hinderedOrder(change.tables, { ...about, nowMs: change.nowMs })) !== undefined) return undefined;
      if (!(await this.#isStillDue(change, decision.deployId, hostId))) return undefined;
      await noteKnown(change, decision.deployId, hostId);
      return change.tables
        .selectFrom("deploys")
        .innerJoin("hosts", (join) => join.on("hosts.id", "=", hostId))
        .select([
          "deploys.id",
          "kind",
          "image",
          "image_version",
          "wait_for",
          "max_wait_ms",
          "hosts.name as host_name",
          "hosts.inventory",
          "to_any",
          "most_disk_bytes",
          "keep_free_blocks",
        ])
        .where("deploys.id", "=", decision.deployId)
        .executeTakeFirstOrThrow();
    });
    if (deploy === undefined)
      return { kind: "wait", reason: "The order was taken back, or held, just now. Waiting for another." };
    if (deploy.kind === "capture") {
      if (((JSON.parse(deploy.inventory) as Inventory).contract ?? 1) < CAPTURES_SINCE) {
        return this.#refuseOld(hostId, deploy.id, bootImageTooOld(deploy.host_name, "capture disks"));
      }
      return {
        kind: "capture",
        deployId: String(deploy.id),
        image: deploy.image,
        hostName: deploy.host_name,
        mostDiskBytes: deploy.most_disk_bytes ?? 0,
        keepFreeBlocks: deploy.keep_free_blocks === 1,
        reason: `Session ${deploy.id}: the disk becomes the next version of ${deploy.image}.`,
      };
    }
    const scripts = await this.#options.scripts?.ofOrder({ hostId, deployId: deploy.id, image: deploy.image });
    if (scripts !== undefined && ((JSON.parse(deploy.inventory) as Inventory).contract ?? 1) < SCRIPTS_SINCE) {
      return this.#refuseOld(hostId, deploy.id, bootImageTooOld(deploy.host_name, "run scripts on what it restored"));
    }
    const alive = await this.#options.alive?.ofOrder({ hostId, deployId: deploy.id, interfaceAddress });
    if (alive !== undefined && ((JSON.parse(deploy.inventory) as Inventory).contract ?? 1) < ALIVE_SINCE) {
      return this.#refuseOld(hostId, deploy.id, bootImageTooOld(deploy.host_name, "let a restored system call"));
    }
    // Behind the scripts, which it names.
    const disk = await termsOf(db, hostId, deploy.id);
    if (disk?.cannot !== undefined) {
      return this.#refuseOld(hostId, deploy.id, bootImageTooOld(deploy.host_name, disk.cannot));
    }
    let streamId: string;
    try {
      streamId = await streams.open({
        deployId: deploy.id,
        interfaceAddress,
        image: deploy.image,
        imageVersion: deploy.image_version,
        // A stream waits for no more hosts than can still come; to any host there is no limit.
        waitFor:
          deploy.to_any === 1
            ? Math.max(1, deploy.wait_for)
            : Math.max(1, Math.min(deploy.wait_for, await openHosts(db, deploy.id))),
        maxWaitMs: deploy.max_wait_ms,
        isHere: ((JSON.parse(deploy.inventory) as Inventory).contract ?? 1) < SERVERS_SINCE,
      });
    } catch (error) {
      // The order stands; the host asks again, and its screen and the session say why it waits.
      const why = error instanceof Fault ? `${error.what} ${error.fix}` : String(error);
      return { kind: "wait", reason: `The stream of session ${deploy.id} could not be opened: ${why}` };
    }
    return {
      kind: "deploy",
      deployId: String(deploy.id),
      image: deploy.image,
      imageVersion: deploy.image_version,
      hostName: deploy.host_name,
      streamId,
      ...(scripts === undefined ? {} : { scripts }),
      ...(alive === undefined ? {} : { alive }),
      ...(disk?.terms === undefined ? {} : { terms: disk.terms }),
      ...((await isOrderedByHand(db, deploy.id)) && { isByHand: true }),
      reason: `Session ${deploy.id}: ${deploy.image} version ${deploy.image_version}.`,
    };
  }

  /** Orders to any host may be for one network. */
  async #noteAddress(hostId: string, address: string): Promise<void> {
    const { db, events } = this.#options;
    const row = await db.selectFrom("hosts").select("address").where("id", "=", hostId).executeTakeFirst();
    if (row === undefined || row.address === address) return;
    await events.change(({ tables }) =>
      tables.updateTable("hosts").set({ address }).where("id", "=", hostId).execute(),
    );
    (await this.#memory.read()).isDueToAny.delete(hostId);
  }

  /** An older agent would not understand the order: ask for a capture until the evening, or erase another disk. */
  async #refuseOld(hostId: string, deployId: number, fault: Fault): Promise<Order> {
    await this.#options.events.change(async (change) => {
      await change.tables
        .updateTable("deploy_hosts")
        .set({ state: "failed", ended_at_ms: change.nowMs, fault: JSON.stringify(fault) })
        .where("deploy_id", "=", deployId)
        .where("host_id", "=", hostId)
        .where("state", "in", ["pending", "running"])
        .execute();
      await endOrder(change, hostId, deployId, "failed");
    });
    return { kind: "boot-disk", reason: `${fault.what} ${fault.fix}` };
  }

  /** Once more inside the transaction: the order may have been stopped since it was looked up. Joins an order to any. */
  async #isStillDue(change: Change, deployId: number, hostId: string): Promise<boolean> {
    const dueNow = async () => {
      const due = dueDeploy(await factsOf(change.tables, hostId, this.#options.waitMs, change.nowMs));
      return due?.deployId === deployId ? due : undefined;
    };
    let due = await dueNow();
    if (due?.isNew) {
      // Of an order to so many hosts the last place is given once: others wait here until it is.
      await change.tables
        .updateTable("deploys")
        .set((row) => ({ wait_for: row.ref("wait_for") }))
        .where("id", "=", deployId)
        .execute();
      due = await dueNow();
    }
    if (due === undefined) return false;
    if (due.isNew) {
      const deploy = await change.tables
        .selectFrom("deploys")
        .select("disk_rule")
        .where("id", "=", deployId)
        .executeTakeFirst();
      const rule = await ruleOf(change.tables, hostId, deploy?.disk_rule, this.#options.diskRule ?? DEFAULT_DISK_RULE);
      // Nobody looked at this machine: nothing that stands out on its disks is confirmed.
      await addHost(change, deployId, hostId, { disk: { rule, confirmed: [] } });
    }
    return true;
  }
}

/** What the host is told of its last restore, until it begins: then the disk is no longer as it was left. */
async function noteKnown(change: Change, deployId: number, hostId: string): Promise<void> {
  const host = await change.tables.selectFrom("hosts").select("restored").where("id", "=", hostId).executeTakeFirst();
  await change.tables
    .updateTable("deploy_hosts")
    .set({ known: host?.restored ?? null })
    .where("deploy_id", "=", deployId)
    .where("host_id", "=", hostId)
    .execute();
}
