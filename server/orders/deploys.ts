import { randomInt } from "node:crypto";
import { DEFAULT_DISK_RULE, parseDiskRule, parseVerifyRule, verifyRuleText } from "../../agent/contract.ts";
import { Fault } from "../../fault.ts";
import type { Database } from "../db/database.ts";
import type { EventLog } from "../events.ts";
import type { Host } from "../hosts/host-record.ts";
import type { Hosts } from "../hosts/hosts.ts";
import { hindranceOf } from "../hosts/lock.ts";
import { estimateOf } from "./deploy-duration.ts";
import { busyWith, refuseSecondAny, unknownDeploy } from "./deploy-hosts.ts";
import {
  confirmationOf,
  type DeployImage,
  type DeployPlan,
  type DeployRequest,
  type FindImage,
  noDiskFor,
  type PlannedHost,
  planned,
} from "./deploy-plan.ts";
import { hasCanary, refuseLongOver, refuseLongWait, refuseMixture, startsItself } from "./deploy-refusals.ts";
import { allSkipped, type SkippedHost, skipOf } from "./deploy-skips.ts";
import { DEFAULT_GROWTH, DEFAULT_IDS, ruleOf } from "./disk-terms.ts";
import { pastDurations } from "./facts.ts";
import { writeOrder } from "./new-order.ts";
import { endOrder } from "./reports.ts";
import { retryRequest } from "./retry.ts";
import { type Waves, wavesOf } from "./waves.ts";

const DEFAULT_MAX_WAIT_MS = 10 * 60_000;
/** Without a rate of the streams nothing can be told but what was; nobody is promised more than a common network. */
const USUAL_RATE = 12_000_000;

type DeploysOptions = {
  readonly db: Database;
  readonly events: EventLog;
  readonly hosts: Hosts;
  readonly findImage: FindImage;
  /** The setting hosts.disk; "only" unless given. */
  readonly diskRule?: string;
  /** The setting hosts.alive; false unless given. */
  readonly isAlive?: boolean;
  /** The setting multicast.rate, for how long an order takes. */
  readonly rateBytesPerSecond?: number;
  readonly now: () => number;
};

/** Orders: which image goes to which hosts. What a single host is told is in `orders.ts`. */
export class Deploys {
  readonly #options: DeploysOptions;

  constructor(options: DeploysOptions) {
    this.#options = options;
  }

  /**
   * What the order would erase, whom it would leave alone and why, and whether it can be given at all.
   *
   * @throws {Fault} IMAGE_UNKNOWN, HOST_UNKNOWN, GROUP_UNKNOWN, LABEL_UNKNOWN, SELECTION_INVALID, HOST_BUSY, HOST_LOCKED,
   *   HOST_UNAPPROVED, HOSTS_SKIPPED, DEPLOY_EXISTS, DEPLOY_INVALID, DISK_RULE, VERIFY_RULE
   */
  async plan(request: DeployRequest): Promise<DeployPlan> {
    const { db, now, isAlive = false } = this.#options;
    if (request.disk !== undefined) parseDiskRule(request.disk);
    const { to, waves: wanted, limits, afterwards = "reboot" } = request;
    refuseMixture(request);
    refuseLongOver(request, now());
    const image = await this.#options.findImage(request.image, request.imageVersion);
    const selected = to === "any" ? [] : await this.#options.hosts.select(to);
    refuseLongWait(request, selected.length);
    if (to === "any") await refuseSecondAny(db, limits ?? {});
    const { hosts, skipped } = await this.#sorted(selected, request, image);
    const { waves, waveOf } = wanted === undefined ? noWaves : wavesOf(hosts, wanted, isNamedBy);
    const waitFor = Math.max(1, to === "any" ? (request.waitFor ?? 1) : Math.min(request.waitFor ?? 1e9, hosts.length));
    const verify = verifyRuleText(parseVerifyRule(request.verify ?? "whole", () => randomInt(2 ** 32)));
    const startAtMs = request.startAtMs !== undefined && request.startAtMs > now() ? request.startAtMs : null;
    return {
      image,
      to: to === "any" ? "any" : "named",
      hosts: hosts.map((host) => ({ ...host, wave: waveOf.get(host.id) ?? null })),
      skipped,
      waitFor,
      maxWaitMs: request.maxWaitMs ?? DEFAULT_MAX_WAIT_MS,
      erase: request.erase ?? "quick",
      grow: request.grow ?? DEFAULT_GROWTH,
      ids: request.ids ?? DEFAULT_IDS,
      verify,
      afterwards,
      alive: (request.alive ?? (isAlive || hasCanary(request))) && startsItself(request),
      disk: request.disk ?? null,
      startAtMs,
      waves,
      wake: request.wake ?? false,
      limits: to === "any" && limits !== undefined && Object.keys(limits).length > 0 ? limits : null,
      estimate: estimateOf({
        ...image,
        rateBytesPerSecond: this.#options.rateBytesPerSecond ?? USUAL_RATE,
        isReadBack: verify !== "none",
        waves: waves === null ? 1 : waves.batches + Math.min(1, waves.canary.length),
        pastMs: await pastDurations(db, image.name),
      }),
      target: to === "any" ? "any" : (request.target ?? targetOf(to, hosts)),
      confirmation: confirmationOf(to, hosts),
      retryOf: request.retryOf ?? null,
    };
  }

  /**
   * Gives the order; from its time on its hosts are erased when they appear.
   *
   * @returns its number, and what it does
   */
  async create(request: DeployRequest): Promise<{ deployId: number; plan: DeployPlan }> {
    const plan = await this.plan(request);
    const deployId = await this.#options.events.change((change) => writeOrder(change, request, plan));
    return { deployId, plan };
  }

  /** What would be ordered for its failed hosts again. @throws {Fault} DEPLOY_UNKNOWN, NOTHING_TO_RETRY */
  retry(deployId: number): Promise<DeployRequest> {
    return retryRequest(this.#options.db, deployId);
  }

  /**
   * Takes the order back: hosts that have not begun are left alone, hosts in
   * the middle of it stop before their next step.
   *
   * @param words only these hosts of it; all unless given
   * @throws {Fault} DEPLOY_UNKNOWN, DEPLOY_ENDED, HOST_UNKNOWN, HOST_NOT_ORDERED
   */
  async cancel(deployId: number, words?: readonly string[]): Promise<void> {
    const only = words === undefined ? undefined : await this.#options.hosts.select(words);
    await this.#options.events.change(async (change) => {
      const deploy = await change.tables
        .selectFrom("deploys")
        .selectAll()
        .where("id", "=", deployId)
        .executeTakeFirst();
      if (deploy === undefined) throw unknownDeploy(deployId);
      if (deploy.state !== "active") throw hasEnded(deployId, deploy.state);
      let open = change.tables
        .updateTable("deploy_hosts")
        .set({ state: "cancelled", ended_at_ms: change.nowMs })
        .where("deploy_id", "=", deployId)
        .where("state", "in", ["pending", "running"]);
      if (only === undefined) {
        await open.execute();
        await change.tables
          .updateTable("deploys")
          .set({ state: "cancelled", ended_at_ms: change.nowMs })
          .where("id", "=", deployId)
          .execute();
        await change.record({ kind: "deploy.cancelled", deployId });
        return;
      }
      const ids = only.map(({ id }) => id);
      open = open.where("host_id", "in", ids);
      const stopped = await open.returning("host_id").execute();
      const missing = only.find(({ id }) => stopped.every(({ host_id }) => host_id !== id));
      if (missing !== undefined) throw notOrdered(missing.name, deployId);
      for (const id of ids) await endOrder(change, id, deployId, "cancelled");
    });
  }

  /** Who is erased, and who is left alone. @throws {Fault} when nobody is left */
  async #sorted(
    selected: readonly Host[],
    request: DeployRequest,
    image: DeployImage,
  ): Promise<{ hosts: Omit<PlannedHost, "wave">[]; skipped: SkippedHost[] }> {
    const { db, diskRule = DEFAULT_DISK_RULE, now } = this.#options;
    const words = request.to === "any" ? [] : request.to;
    const hosts: Omit<PlannedHost, "wave">[] = [];
    const skipped: SkippedHost[] = [];
    let busy: number | undefined;
    for (const host of selected) {
      const rule = await ruleOf(db, host.id, request.disk, diskRule);
      const deployId = await busyWith(db, host.id);
      busy ??= deployId;
      const skip = skipOf({
        id: host.id,
        name: host.name,
        hindrance: hindranceOf(host, now()),
        busyWith: deployId,
        noDisk: noDiskFor(host, image, rule),
        isNamed: words.some((word) => isNamedBy(word, host)),
      });
      if (skip === undefined) hosts.push(planned(host, image, rule));
      else skipped.push(skip);
    }
    if (selected.length > 0 && hosts.length === 0) throw allSkipped(skipped, busy);
    return { hosts, skipped };
  }
}

const noWaves: { readonly waves: Waves | null; readonly waveOf: ReadonlyMap<string, number> } = {
  waves: null,
  waveOf: new Map(),
};

/** Whether a word means this host alone. */
function isNamedBy(word: string, host: { readonly id: string; readonly name: string; readonly mac?: string }): boolean {
  const key = word.toLowerCase().replace(/^host=/, "");
  return host.id === key || host.name.toLowerCase() === key || host.mac === key;
}

/** What people call its hosts: as they said it, or by their names where that was only ids. */
function targetOf(words: readonly string[], hosts: readonly { readonly id: string; readonly name: string }[]): string {
  const names = words.map((word) => hosts.find(({ id }) => id === word)?.name ?? word);
  return names.length > 3 ? `${names.slice(0, 3).join(", ")} and ${names.length - 3} more` : names.join(", ");
}

function hasEnded(deployId: number, state: string): Fault {
  return new Fault("DEPLOY_ENDED", {
    what: `Session ${deployId} cannot be stopped.`,
    why: `It is ${state} already.`,
    fix: `"bootcast session show ${deployId}" shows what happened.`,
  });
}

function notOrdered(name: string, deployId: number): Fault {
  return new Fault("HOST_NOT_ORDERED", {
    what: `${name} is not stopped: session ${deployId} has no open order for it.`,
    why: "It is through with it already, or was never a part of it.",
    fix: `"bootcast session show ${deployId}" shows its hosts.`,
  });
}
