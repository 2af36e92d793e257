import { randomInt } from "node:crypto";
import { DEFAULT_DISK_RULE, parseDiskRule, parseVerifyRule, verifyRuleText } from "../../agent/contract.ts";
import { Fault } from "../../fault.ts";
import type { Database } from "../db/database.ts";
import type { EventLog } from "../events.ts";
import type { Host } from "../hosts/host-record.ts";
import type { Hosts } from "../hosts/hosts.ts";
import { addHost, refuseConflicts, unknownDeploy } from "./deploy-hosts.ts";
import { type DeployPlan, type DeployRequest, type FindImage, planned } from "./deploy-plan.ts";
import { DEFAULT_GROWTH, DEFAULT_IDS, ruleOf } from "./disk-terms.ts";

const DEFAULT_MAX_WAIT_MS = 10 * 60_000;

/** Orders: which image goes to which hosts. What a single host is told is in `orders.ts`. */
export class Deploys {
  readonly #db: Database;
  readonly #events: EventLog;
  readonly #hosts: Hosts;
  readonly #findImage: FindImage;
  readonly #diskRule: string;
  readonly #isAlive: boolean;

  /**
   * @param options.diskRule the setting hosts.disk; "only" unless given
   * @param options.isAlive the setting hosts.alive; false unless given
   */
  constructor(options: {
    db: Database;
    events: EventLog;
    hosts: Hosts;
    findImage: FindImage;
    diskRule?: string;
    isAlive?: boolean;
  }) {
    this.#db = options.db;
    this.#events = options.events;
    this.#hosts = options.hosts;
    this.#findImage = options.findImage;
    this.#diskRule = options.diskRule ?? DEFAULT_DISK_RULE;
    this.#isAlive = options.isAlive ?? false;
  }

  /**
   * What the order would erase, and whether it can be given at all.
   *
   * @throws {Fault} IMAGE_UNKNOWN, HOST_UNKNOWN, HOST_BUSY, DEPLOY_EXISTS, DEPLOY_INVALID, DISK_RULE, VERIFY_RULE
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
    const { afterwards = "reboot" } = request;
    const startsItself = afterwards === "reboot" || afterwards === "kexec";
    if (request.alive === true && !startsItself) {
      throw invalid(
        "A machine that does not start its restored system cannot say that it is up.",
        "Let it restart, or do not wait for its word.",
      );
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
      grow: request.grow ?? DEFAULT_GROWTH,
      ids: request.ids ?? DEFAULT_IDS,
      verify: verifyRuleText(parseVerifyRule(request.verify ?? "whole", () => randomInt(2 ** 32))),
      afterwards,
      alive: (request.alive ?? this.#isAlive) && startsItself,
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
          // What nobody asked for may not refuse an older agent.
          grow: request.grow ?? null,
          ids: request.ids ?? null,
          verify: plan.verify === "whole" ? null : plan.verify,
          afterwards: plan.afterwards === "reboot" ? null : plan.afterwards,
          alive: plan.alive ? 1 : null,
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
          ...(plan.grow === DEFAULT_GROWTH ? {} : { grow: plan.grow }),
          ...(plan.ids === DEFAULT_IDS ? {} : { ids: plan.ids }),
          ...(plan.verify === "whole" ? {} : { verify: plan.verify }),
          ...(plan.afterwards === "reboot" ? {} : { afterwards: plan.afterwards }),
          ...(plan.alive ? { alive: true } : {}),
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

function invalid(why: string, fix: string): Fault {
  return new Fault("DEPLOY_INVALID", { what: "This order cannot be given.", why, fix });
}
