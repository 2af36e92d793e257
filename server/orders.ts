import {
  CAPTURES_SINCE,
  capturePermitText,
  type Inventory,
  type Order,
  permitText,
  type Report,
  type ReportAnswer,
} from "../agent/contract.ts";
import type { BootPolicy } from "../bsdp/policy.ts";
import { Fault } from "../fault.ts";
import { bootImageTooOld } from "./capture-faults.ts";
import type { Database } from "./db/database.ts";
import { decide, dueDeploy, LOST_AFTER_MS, type OrderState } from "./deploy-rules.ts";
import type { DeployStreams } from "./deploy-streams.ts";
import { addHost } from "./deploys.ts";
import type { Change, EventLog } from "./events.ts";
import type { Hosts } from "./hosts.ts";
import { factsOf, openHosts } from "./order-facts.ts";
import { type KnownOrders, OrderMemory } from "./order-memory.ts";
import { hear, lostFault, type StandingOrder } from "./report-rules.ts";

type OrdersOptions = {
  readonly db: Database;
  readonly events: EventLog;
  readonly hosts: Hosts;
  readonly streams: DeployStreams;
  /** Whether unknown machines are given the agent, so that they appear in the list. */
  readonly isRegistering: boolean;
  /** Whether a machine with nothing ordered shows a menu before it starts its disk. */
  readonly hasMenu?: boolean;
  /** How long a host with nothing to do waits before it boots its disk. */
  readonly waitMs: number;
  /** Signs with the site's key: Ed25519, base64. */
  readonly sign: (text: string) => string;
  readonly now: () => number;
};

/** What a single host is told: by its firmware's question, by the agent's, and in answer to its reports. */
export class Orders {
  readonly #options: OrdersOptions;
  readonly #memory: OrderMemory;
  /** When orders were last looked through for lost ones, and until when there can be none. */
  #noneLost = { sinceMs: Number.POSITIVE_INFINITY, untilMs: Number.NEGATIVE_INFINITY };

  constructor(options: OrdersOptions) {
    this.#options = options;
    this.#memory = new OrderMemory(options);
  }

  /** What the machine with this MAC address is to boot. */
  async bootPolicyOf(mac: string): Promise<BootPolicy> {
    const { isRegistering, hasMenu = false } = this.#options;
    await this.#endLostIfAny();
    const known = await this.#memory.read();
    const hostId = known.hostOfMac.get(mac.toLowerCase());
    const isForAgent = hostId === undefined ? isRegistering || known.isForAny : await this.#isDue(known, hostId);
    if (isForAgent) return { boot: "agent" };
    return { boot: hasMenu ? "menu" : "disk" };
  }

  async #isDue(known: KnownOrders, hostId: string): Promise<boolean> {
    if (known.ordered.has(hostId)) return true;
    if (!known.isForAny) return false;
    // Whether it had its turn already is told by all that ever was ordered for it, and for others like it.
    let isDue = known.isDueToAny.get(hostId);
    if (isDue === undefined) {
      const { db, waitMs, now } = this.#options;
      isDue = factsOf(db, hostId, waitMs, now()).then((facts) => dueDeploy(facts) !== undefined);
      known.isDueToAny.set(hostId, isDue);
      isDue.catch(() => known.isDueToAny.delete(hostId));
    }
    return isDue;
  }

  /** `endLost`, without a look at the tables while none of them can be lost: firmware asks often. */
  async #endLostIfAny(): Promise<void> {
    const nowMs = this.#options.now();
    // A clock that was set back says nothing about what was seen.
    if (nowMs >= this.#noneLost.sinceMs && nowMs <= this.#noneLost.untilMs) return;
    await this.endLost();
    const oldest = await this.#options.db
      .selectFrom("deploy_hosts")
      .innerJoin("hosts", "hosts.id", "deploy_hosts.host_id")
      .select((select) => select.fn.min("last_seen_ms").as("seen_ms"))
      .where("deploy_hosts.state", "=", "running")
      .executeTakeFirst();
    // Whoever begins later was seen later.
    this.#noneLost = { sinceMs: nowMs, untilMs: Math.min(oldest?.seen_ms ?? nowMs, nowMs) + LOST_AFTER_MS };
  }

  /**
   * What a registered host is to do now. Joining a deploy to any host is written down here.
   *
   * @param interfaceAddress our own address that the host reached: its network gets the stream
   */
  async orderFor(hostId: string, interfaceAddress: string): Promise<Order> {
    const { db, events, streams, waitMs, now } = this.#options;
    const decision = decide(await factsOf(db, hostId, waitMs, now()));
    if (decision.kind !== "deploy") return decision;
    const deploy = await events.change(async (change) => {
      if (!(await this.#isStillDue(change, decision.deployId, hostId))) return undefined;
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
      return { kind: "wait", reason: "The order was taken back just now. Waiting for another." };
    if (deploy.kind === "capture") {
      if (((JSON.parse(deploy.inventory) as Inventory).contract ?? 1) < CAPTURES_SINCE) {
        return this.#refuseOld(hostId, deploy.id, deploy.host_name);
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
      reason: `Session ${deploy.id}: ${deploy.image} version ${deploy.image_version}.`,
    };
  }

  /** An agent from before there were captures would not understand the order, and ask for it until the evening. */
  async #refuseOld(hostId: string, deployId: number, hostName: string): Promise<Order> {
    const fault = bootImageTooOld(hostName);
    await this.#options.events.change(async (change) => {
      await change.tables
        .updateTable("deploy_hosts")
        .set({ state: "failed", ended_at_ms: change.nowMs, fault: JSON.stringify(fault) })
        .where("deploy_id", "=", deployId)
        .where("host_id", "=", hostId)
        .where("state", "in", ["pending", "running"])
        .execute();
      await this.#endOfOrder(change, hostId, deployId, "failed");
    });
    return { kind: "boot-disk", reason: `${fault.what} ${fault.fix}` };
  }

  /**
   * Ends the orders of hosts that began and were silent for too long. Called
   * before anything is heard of a host again, because that ends the silence.
   */
  async endLost(): Promise<void> {
    const { db, events, now } = this.#options;
    const lost = (tables: Pick<Database, "selectFrom">, nowMs: number) =>
      tables
        .selectFrom("deploy_hosts")
        .innerJoin("hosts", "hosts.id", "deploy_hosts.host_id")
        .innerJoin("deploys", "deploys.id", "deploy_hosts.deploy_id")
        .select(["deploy_id", "host_id", "hosts.state as last_state", "kind"])
        .where("deploy_hosts.state", "=", "running")
        .where("last_seen_ms", "<", nowMs - LOST_AFTER_MS)
        .execute();
    if ((await lost(db, now())).length === 0) return;
    await events.change(async (change) => {
      for (const { deploy_id, host_id, last_state, kind } of await lost(change.tables, change.nowMs)) {
        const fault = JSON.stringify(lostFault(deploy_id, kindOf(kind), last_state));
        await change.tables
          .updateTable("deploy_hosts")
          .set({ state: "failed", ended_at_ms: change.nowMs, fault })
          .where("deploy_id", "=", deploy_id)
          .where("host_id", "=", host_id)
          .execute();
        await this.#endOfOrder(change, host_id, deploy_id, "failed");
      }
    });
  }

  /** A host says how far it is. The answer tells it whether to go on. */
  async report(hostId: string, report: Report): Promise<ReportAnswer> {
    const deployId = Number(report.deployId ?? Number.NaN);
    await this.endLost();
    const answer = await this.#options.events.change(async (change) => {
      const isRepeated = await this.#noteState(change, hostId, report, deployId);
      if (report.deployId === undefined) return { proceed: true, reason: "" };
      const word = await this.#noteOrder(change, hostId, report, deployId, isRepeated);
      const { state, challenge } = report;
      if (!word.proceed || challenge === undefined) return word;
      const permit = await this.#permit(change, hostId, deployId, state, challenge);
      return permit === undefined ? word : { ...word, permit };
    });
    if (report.deployId !== undefined) await this.#options.streams.closeIdle(deployId);
    return answer;
  }

  /**
   * Only for an order that stands: of this host, for the address that it registered with. To erase only for a
   * deploy, to capture only for a capture, and to nothing else.
   */
  async #permit(
    change: Change,
    hostId: string,
    deployId: number,
    state: Report["state"],
    challenge: string,
  ): Promise<string | undefined> {
    const { kind, mac, image, image_version } = await change.tables
      .selectFrom("deploys")
      .innerJoin("hosts", (join) => join.on("hosts.id", "=", hostId))
      .select(["kind", "hosts.mac", "image", "image_version"])
      .where("deploys.id", "=", deployId)
      .executeTakeFirstOrThrow();
    const about = { challenge, mac, deployId: String(deployId), image };
    if (kind === "deploy" && state === "erasing") {
      return this.#options.sign(permitText({ ...about, imageVersion: image_version }));
    }
    if (kind === "capture" && state === "capturing") return this.#options.sign(capturePermitText(about));
    return undefined;
  }

  /** @returns whether the host was in this state already before this report */
  async #noteState(change: Change, hostId: string, report: Report, deployId: number): Promise<boolean> {
    const before = await change.tables
      .selectFrom("hosts")
      .select(["state"])
      .where("id", "=", hostId)
      .executeTakeFirstOrThrow();
    const isChange = before.state !== report.state;
    await change.tables
      .updateTable("hosts")
      .set({
        state: report.state,
        detail: report.detail,
        percent: report.percent ?? null,
        fault: report.fault === undefined ? null : JSON.stringify(report.fault),
        last_seen_ms: change.nowMs,
        ...(isChange ? { state_since_ms: change.nowMs } : {}),
      })
      .where("id", "=", hostId)
      .execute();
    if (isChange) {
      const { state, detail, fault, timings } = report;
      await change.record({
        kind: "host.state",
        hostId,
        deployId: Number.isInteger(deployId) ? deployId : undefined,
        data: { from: before.state, state, detail, ...(fault && { fault }), ...(timings && { timings }) },
      });
    }
    return !isChange;
  }

  async #noteOrder(
    change: Change,
    hostId: string,
    report: Report,
    deployId: number,
    isRepeated: boolean,
  ): Promise<ReportAnswer> {
    const row = await change.tables
      .selectFrom("deploy_hosts")
      .innerJoin("deploys", "deploys.id", "deploy_hosts.deploy_id")
      .selectAll("deploy_hosts")
      .select(["kind", "image_version"])
      .where("deploy_id", "=", Number.isInteger(deployId) ? deployId : -1)
      .where("host_id", "=", hostId)
      .executeTakeFirst();
    if (row === undefined) return { proceed: false, reason: `Session ${report.deployId} has no order for this host.` };
    const { answer, next } = hear(
      {
        deployId,
        kind: kindOf(row.kind),
        state: row.state as OrderState,
        attempts: row.attempts,
        isMade: row.image_version > 0,
      },
      report,
      isRepeated,
    );
    if (next === undefined) return answer;
    const hasEnded = next.state !== "running";
    await change.tables
      .updateTable("deploy_hosts")
      .set({
        state: next.state,
        attempts: next.attempts,
        started_at_ms: row.started_at_ms ?? change.nowMs,
        ended_at_ms: hasEnded ? change.nowMs : null,
        fault: next.fault === undefined ? null : JSON.stringify(next.fault),
      })
      .where("deploy_id", "=", deployId)
      .where("host_id", "=", hostId)
      .execute();
    if (hasEnded) await this.#endOfOrder(change, hostId, deployId, next.state);
    return answer;
  }

  async #endOfOrder(change: Change, hostId: string, deployId: number, state: OrderState): Promise<void> {
    await change.record({ kind: `deploy.host-${state}`, hostId, deployId });
    // From now on it waits for something new.
    await change.tables.updateTable("hosts").set({ waiting_since_ms: change.nowMs }).where("id", "=", hostId).execute();
    const deploy = await change.tables
      .selectFrom("deploys")
      .select(["to_any", "state"])
      .where("id", "=", deployId)
      .executeTakeFirstOrThrow();
    // An order to any host ends only when a person stops it.
    if (deploy.to_any === 1 || deploy.state !== "active") return;
    if ((await openHosts(change.tables, deployId)) > 0) return;
    await change.tables
      .updateTable("deploys")
      .set({ state: "done", ended_at_ms: change.nowMs })
      .where("id", "=", deployId)
      .execute();
    await change.record({ kind: "deploy.ended", deployId });
  }

  /** Once more inside the transaction: the order may have been stopped since it was looked up. Joins an order to any. */
  async #isStillDue(change: Change, deployId: number, hostId: string): Promise<boolean> {
    const due = dueDeploy(await factsOf(change.tables, hostId, this.#options.waitMs, change.nowMs));
    if (due?.deployId !== deployId) return false;
    if (due.isNew) await addHost(change, deployId, hostId);
    return true;
  }
}

function kindOf(kind: string): StandingOrder["kind"] {
  return kind === "capture" ? "capture" : "deploy";
}
