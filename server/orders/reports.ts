import { capturePermitText, permitText, type Report, type ReportAnswer } from "../../agent/contract.ts";
import type { Database } from "../db/database.ts";
import type { Change, EventLog } from "../events.ts";
import { keepLog } from "../hosts/host-log.ts";
import type { HostProgress } from "../hosts/host-progress.ts";
import { DEFAULT_ALIVE_MS } from "./alive-rules.ts";
import { LOST_AFTER_MS, type OrderState } from "./deploy-rules.ts";
import type { DeployStreams } from "./deploy-streams.ts";
import { termsOf } from "./disk-terms.ts";
import { unfinishedHosts } from "./facts.ts";
import { hinderedOrder } from "./hindrance.ts";
import { hear, lostFault, type StandingOrder } from "./report-rules.ts";
import { inShort } from "./report-text.ts";
import { noteBegun, noteErased } from "./resume-marks.ts";

type OrderReportsOptions = {
  readonly db: Database;
  readonly events: EventLog;
  readonly streams: DeployStreams;
  /** The same that is asked by those who show hosts. */
  readonly progress: HostProgress;
  /** Signs with the site's key: Ed25519, base64. */
  readonly sign: (text: string) => string;
  /** How long a restored system has to say that it is up, where that was ordered. */
  readonly aliveWithinMs?: number;
  readonly now: () => number;
};

/** What hosts say of their orders: how far they are, and when they were silent for too long. */
export class OrderReports {
  readonly #options: OrderReportsOptions;
  /** When orders were last looked through for lost ones, and until when there can be none. */
  #noneLost = { sinceMs: Number.POSITIVE_INFINITY, untilMs: Number.NEGATIVE_INFINITY };

  constructor(options: OrderReportsOptions) {
    this.#options = options;
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
        await endOrder(change, host_id, deploy_id, "failed");
      }
    });
  }

  /** `endLost`, without a look at the tables while none of them can be lost: a whole room is heard every second. */
  async endLostIfAny(): Promise<void> {
    const { db, now } = this.#options;
    const nowMs = now();
    // A clock that was set back says nothing about what was seen.
    if (nowMs >= this.#noneLost.sinceMs && nowMs <= this.#noneLost.untilMs) return;
    await this.endLost();
    const oldest = await db
      .selectFrom("deploy_hosts")
      .innerJoin("hosts", "hosts.id", "deploy_hosts.host_id")
      .select((select) => select.fn.min("last_seen_ms").as("seen_ms"))
      .where("deploy_hosts.state", "=", "running")
      .executeTakeFirst();
    // Whoever begins later was seen later.
    this.#noneLost = { sinceMs: nowMs, untilMs: Math.min(oldest?.seen_ms ?? nowMs, nowMs) + LOST_AFTER_MS };
  }

  /** A host says how far it is. The answer tells it whether to go on. */
  async report(hostId: string, said: Report): Promise<ReportAnswer> {
    const report = inShort(said);
    const deployId = sessionOf(report);
    await this.endLostIfAny();
    const { events, progress, now } = this.#options;
    if (progress.take(hostId, deployId, report, now())) return { proceed: true, reason: "" };
    const noted = events.change((change) => this.#note(change, hostId, report, deployId));
    const answer = await noted.catch((error) => {
      progress.forget(hostId);
      throw error;
    });
    // Whose order goes on needs its stream, and nobody has to be counted.
    if (report.deployId !== undefined && !goesOn(report, answer)) await this.#options.streams.closeIdle(deployId);
    return answer;
  }

  async #note(change: Change, hostId: string, report: Report, deployId: number): Promise<ReportAnswer> {
    const { progress } = this.#options;
    progress.forget(hostId);
    const isAwaited = await isToCall(change, hostId, report, deployId);
    const shown = isAwaited ? { ...report, state: "rebooting" as const, detail: AWAITED } : report;
    const isRepeated = await this.#noteState(change, hostId, shown, deployId);
    if (report.log !== undefined) {
      await keepLog(change, hostId, { session: Number.isInteger(deployId) ? deployId : null, log: report.log });
    }
    if (report.deployId === undefined) return { proceed: true, reason: "" };
    const word = await this.#noteOrder(change, hostId, report, deployId, { isRepeated, isAwaited });
    const { state, challenge, disk } = report;
    if (!word.proceed) return word;
    progress.written(hostId, deployId, report, change.nowMs);
    if (challenge === undefined) return word;
    const permit = await this.#permit(change, hostId, deployId, { state, challenge, disk });
    return permit === undefined ? word : { ...word, permit };
  }

  /**
   * Only for an order that stands: of this host, for the address that it registered with. To erase only for a
   * deploy, to capture only for a capture, and to nothing else.
   */
  async #permit(
    change: Change,
    hostId: string,
    deployId: number,
    asked: { readonly state: Report["state"]; readonly challenge: string; readonly disk: string | undefined },
  ): Promise<string | undefined> {
    const { state, challenge } = asked;
    const { kind, mac, image, image_version } = await change.tables
      .selectFrom("deploys")
      .innerJoin("hosts", (join) => join.on("hosts.id", "=", hostId))
      .select(["kind", "hosts.mac", "image", "image_version"])
      .where("deploys.id", "=", deployId)
      .executeTakeFirstOrThrow();
    const about = { challenge, mac, deployId: String(deployId), image };
    if (kind === "deploy" && state === "erasing") {
      const disk = await termsOf(change.tables, hostId, deployId);
      await noteBegun(change, { hostId, deployId }, asked.disk, disk?.terms);
      // From here on nobody knows what is on it, until it says that it is done.
      await change.tables.updateTable("hosts").set({ restored: null }).where("id", "=", hostId).execute();
      return this.#options.sign(permitText({ ...about, imageVersion: image_version, terms: disk?.terms }));
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
      const { state, detail, fault, timings, kept } = report;
      await change.record({
        kind: "host.state",
        hostId,
        deployId: Number.isInteger(deployId) ? deployId : undefined,
        data: {
          from: before.state,
          state,
          detail,
          ...(fault && { fault }),
          ...(timings && { timings }),
          ...(kept && { kept }),
        },
      });
    }
    if (report.script !== undefined) {
      await change.record({
        kind: "host.script",
        hostId,
        deployId: Number.isInteger(deployId) ? deployId : undefined,
        data: { ...report.script },
      });
    }
    return !isChange;
  }

  async #noteOrder(
    change: Change,
    hostId: string,
    report: Report,
    deployId: number,
    { isRepeated, isAwaited }: { readonly isRepeated: boolean; readonly isAwaited: boolean },
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
    // Once more, whatever it was told before: a person may have locked it since.
    if (report.state === "preflight" || report.state === "erasing") {
      const instead = await hinderedOrder(change.tables, { hostId, deployId, waitMs: 0, nowMs: change.nowMs });
      if (instead !== undefined) return { proceed: false, reason: instead.reason };
    }
    const { answer, next } = hear(
      {
        deployId,
        kind: kindOf(row.kind),
        state: row.state as OrderState,
        attempts: row.attempts,
        isMade: row.image_version > 0,
        begunDisk: row.begun_disk ?? "",
        isHeld: row.released_at_ms === null,
      },
      report,
      isRepeated,
    );
    if (report.state === "done" && report.holds !== undefined && row.kind === "deploy" && answer.proceed) {
      await change.tables.updateTable("hosts").set({ restored: report.holds }).where("id", "=", hostId).execute();
    }
    if (report.state === "receiving" && row.is_erased === null && answer.proceed) {
      await noteErased(change, { hostId, deployId });
    }
    if (next === undefined) return answer;
    const hasEnded = next.state !== "running";
    const isAsBefore = next.state === row.state && next.attempts === row.attempts && row.started_at_ms !== null;
    // Most reports only tell how far the host is, which is no matter of its order.
    if (isAsBefore && !hasEnded && row.ended_at_ms === null && row.fault === null) return answer;
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
    if (isAwaited) await this.#awaitCall(change, hostId, deployId);
    else if (hasEnded) await endOrder(change, hostId, deployId, next.state);
    return answer;
  }

  /** The work on the disk is over; the order ends when the restored system says that it is up, or when it does not. */
  async #awaitCall(change: Change, hostId: string, deployId: number): Promise<void> {
    await change.tables
      .updateTable("deploy_hosts")
      .set({ alive_until_ms: change.nowMs + (this.#options.aliveWithinMs ?? DEFAULT_ALIVE_MS) })
      .where("deploy_id", "=", deployId)
      .where("host_id", "=", hostId)
      .execute();
    await change.tables.updateTable("hosts").set({ waiting_since_ms: change.nowMs }).where("id", "=", hostId).execute();
    await change.record({ kind: "deploy.host-restored", hostId, deployId });
  }
}

/** Whether the host is at work for its order after this report. */
function goesOn({ state }: Report, { proceed }: ReportAnswer): boolean {
  return proceed && state !== "rebooting" && state !== "done" && state !== "failed";
}

const AWAITED = "restored; its system is to say that it is up";

/** Whether the restored system itself is to have the last word, and not the agent. */
async function isToCall(change: Change, hostId: string, report: Report, deployId: number): Promise<boolean> {
  if (report.callsWhenUp !== true || (report.state !== "rebooting" && report.state !== "done")) return false;
  const row = await change.tables
    .selectFrom("deploy_hosts")
    .select(["alive_hash", "state", "alive_until_ms"])
    .where("deploy_id", "=", Number.isInteger(deployId) ? deployId : -1)
    .where("host_id", "=", hostId)
    .executeTakeFirst();
  if (row === undefined || row.alive_hash === null) return false;
  // An order that ended otherwise does not begin to wait; nor one whose system was faster than the agent's last word.
  return row.state === "running" || row.alive_until_ms !== null;
}

/** The order of one host is over: it waits for something new, and the deploy ends with its last host. */
export async function endOrder(change: Change, hostId: string, deployId: number, state: OrderState): Promise<void> {
  // Of the last two that end at the same moment, at two servers, the second one sees the first.
  await change.tables
    .updateTable("deploys")
    .set((row) => ({ wait_for: row.ref("wait_for") }))
    .where("id", "=", deployId)
    .execute();
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
  if ((await unfinishedHosts(change.tables, deployId)) > 0) return;
  await change.tables
    .updateTable("deploys")
    .set({ state: "done", ended_at_ms: change.nowMs })
    .where("id", "=", deployId)
    .execute();
  await change.record({ kind: "deploy.ended", deployId });
}

/** NaN: it names none. A number that no session can have would be written down, and SQLite's could not be read again. */
function sessionOf({ deployId }: Report): number {
  const session = Number(deployId ?? Number.NaN);
  return Number.isSafeInteger(session) ? session : Number.NaN;
}

function kindOf(kind: string): StandingOrder["kind"] {
  return kind === "capture" ? "capture" : "deploy";
}
