import type { Selectable } from "kysely";
import type { AgentState, Report } from "../../agent/contract.ts";
import type { FaultText } from "../../fault.ts";
import type { Database } from "../db/database.ts";
import type { DeployTable } from "../db/schema.ts";
import type { HostProgress } from "../hosts/host-progress.ts";
import { hindranceColumns, hindranceOfRow } from "../hosts/host-record.ts";
import { unknownDeploy } from "./deploy-hosts.ts";
import type { OrderState } from "./deploy-rules.ts";
import type { DeployStreams, StreamNow } from "./deploy-streams.ts";
import { limitsOf } from "./facts.ts";
import type { Halt } from "./rollout.ts";
import {
  type ListedSession,
  leftOf,
  listedStream,
  longestOf,
  type SessionHead,
  standOfSessions,
} from "./session-list.ts";
import { linksOf } from "./slow-hosts.ts";
import { type StateStep, StateSteps } from "./state-steps.ts";

/** The hosts of one deploy at work, as the API and the command line show them. */
export type Session = SessionHead & {
  /** The streams that run for it now: one for each network with hosts of it. */
  readonly streams: readonly StreamNow[];
  readonly hosts: readonly SessionHost[];
};

export type SessionHost = {
  readonly id: string;
  readonly name: string;
  readonly order: OrderState;
  /** What the agent does now, or did last for this order. */
  readonly state: AgentState | "pending";
  readonly detail: string;
  readonly percent: number | null;
  readonly fault: (FaultText & { readonly code: string }) | null;
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
  /** Where the disk was looked at first (a restore of what differs, or one that went on): what was right, and what came. */
  readonly kept: NonNullable<Report["kept"]> | null;
  /** Milliseconds spent in each state so far, from the events. */
  readonly timings: Readonly<Record<string, number>>;
  /** Milliseconds from its first word about this order to its end, or until now. */
  readonly totalMs: number;
  /** With whom its turn comes: 0 is the canary's; null: all at once. */
  readonly wave: number | null;
  /** What it waits for while its turn has not come, or a person wants it left alone; empty when neither is so. */
  readonly heldBy: string;
  /** Of what the stream sent to it, the share that did not arrive; null: nothing is sent to it now. */
  readonly lossShare: number | null;
  /** Why it is slower than the others; empty when it is not. */
  readonly slow: string;
  /** Milliseconds until it has received, at its own pace; null: not known. */
  readonly leftMs: number | null;
};

/** Puts a session together from the tables, the events and the running stream. */
export class Sessions {
  readonly #db: Database;
  readonly #steps: StateSteps;
  readonly #streams: DeployStreams;
  readonly #progress: Pick<HostProgress, "newest">;
  readonly #now: () => number;

  constructor(options: {
    db: Database;
    streams: DeployStreams;
    progress: Pick<HostProgress, "newest">;
    now: () => number;
  }) {
    this.#db = options.db;
    this.#progress = options.progress;
    this.#steps = new StateSteps(options.db);
    this.#streams = options.streams;
    this.#now = options.now;
  }

  /** Newest first, without their hosts; `before` is the number of one that only older ones are wanted of. */
  async list({
    limit = 50,
    before,
  }: {
    readonly limit?: number;
    readonly before?: number;
  } = {}): Promise<ListedSession[]> {
    let query = this.#db.selectFrom("deploys").selectAll().orderBy("id", "desc").limit(limit);
    if (before !== undefined) query = query.where("id", "<", before);
    const rows = await query.execute();
    const parts = { db: this.#db, progress: this.#progress, nowMs: this.#now() };
    const standOf = await standOfSessions(parts, rows);
    return Promise.all(
      rows.map(async (row) => {
        const { leftMs, ...stand } = standOf(row.id);
        const streams = await this.#streams.nowOf(row.id);
        return { ...headOf(row, leftMs), ...stand, streams: streams.map(listedStream) };
      }),
    );
  }

  /** @throws {Fault} DEPLOY_UNKNOWN */
  async show(deployId: number): Promise<Session> {
    const deploy = await this.#db.selectFrom("deploys").selectAll().where("id", "=", deployId).executeTakeFirst();
    if (deploy === undefined) throw unknownDeploy(deployId);
    const rows = await this.#db
      .selectFrom("deploy_hosts")
      .innerJoin("hosts", "hosts.id", "deploy_hosts.host_id")
      .select(["hosts.id", "hosts.name", "hosts.state as agent_state", "hosts.detail", "hosts.percent"])
      .select(["deploy_hosts.state", "deploy_hosts.fault", "started_at_ms", "ended_at_ms", "alive_until_ms"])
      .select(["wave", "released_at_ms", "hosts.state_since_ms", "hosts.last_seen_ms"])
      .select(hindranceColumns)
      .where("deploy_id", "=", deployId)
      .orderBy("hosts.name")
      .execute();
    const stepsOf = await this.#steps.of(deployId);
    const streams = await this.#streams.nowOf(deployId);
    const links = linksOf(streams.flatMap(({ figures }) => figures.receivers));
    const waits = heldBy(deploy);
    const heldOf = (row: (typeof rows)[number]): string => {
      const hindrance = deploy.kind === "capture" ? undefined : hindranceOfRow(row, this.#now());
      return hindrance?.why ?? (row.released_at_ms === null ? waits : "");
    };
    const hosts = rows.map((row): SessionHost => {
      const { detail, percent } = this.#progress.newest(row.id, row.agent_state, row.last_seen_ms) ?? row;
      const own = stepsOf.get(row.id) ?? [];
      // Restored, and its system is waited for: to people that is not the end.
      const isAwaited = row.alive_until_ms !== null;
      const endMs =
        (isAwaited ? null : row.ended_at_ms) ?? (deploy.state === "active" ? this.#now() : deploy.ended_at_ms);
      const isAtWork = row.state === "running" || isAwaited;
      const link = isAtWork ? links.get(row.id) : undefined;
      const isReceiving = isAtWork && row.agent_state === "receiving";
      return {
        id: row.id,
        name: row.name,
        order: isAwaited ? "running" : (row.state as OrderState),
        state: isAtWork ? (row.agent_state as AgentState) : lastStateOf(own),
        detail: isAtWork ? detail : "",
        percent: isAtWork ? percent : null,
        fault: row.fault === null ? null : JSON.parse(row.fault),
        startedAtMs: row.started_at_ms,
        endedAtMs: isAwaited ? null : row.ended_at_ms,
        kept: keptOf(own),
        timings: timingsOf(own, endMs ?? this.#now()),
        totalMs: row.started_at_ms === null ? 0 : (endMs ?? this.#now()) - row.started_at_ms,
        wave: row.wave,
        heldBy: row.state === "pending" ? heldOf(row) : "",
        lossShare: link?.lossShare ?? null,
        slow: link?.slow ?? "",
        leftMs: isReceiving ? leftOf(percent, this.#now() - row.state_since_ms) : null,
      };
    });
    return { ...headOf(deploy, longestOf(hosts.map(({ leftMs }) => leftMs))), streams, hosts };
  }
}

function headOf(deploy: Selectable<DeployTable>, leftMs: number | null): SessionHead {
  return {
    id: deploy.id,
    kind: deploy.kind === "capture" ? "capture" : "deploy",
    image: deploy.image,
    imageVersion: deploy.image_version,
    to: deploy.to_any === 1 ? "any" : "named",
    target: deploy.target,
    state: deploy.state as Session["state"],
    createdAtMs: deploy.created_at_ms,
    endedAtMs: deploy.ended_at_ms,
    startAtMs: deploy.start_at_ms,
    startedAtMs: deploy.begun_at_ms,
    halted: deploy.halted_at_ms === null ? null : { ...haltOf(deploy.halt_fault), atMs: deploy.halted_at_ms },
    mostFailed: deploy.most_failed,
    limits: deploy.any_limits === null ? null : limitsOf(deploy.any_limits),
    retryOf: deploy.retry_of,
    leftMs,
  };
}

/** Why hosts whose turn has not come are given nothing. */
function heldBy(deploy: { readonly begun_at_ms: number | null; readonly halted_at_ms: number | null }): string {
  if (deploy.halted_at_ms !== null) return "the session has stopped; a person goes on with it, or ends it";
  return deploy.begun_at_ms === null ? "the session has not begun" : "others go first";
}

function haltOf(text: string | null): Halt {
  return JSON.parse(text ?? "{}") as Halt;
}

/** How long a host was in each state: from the event that entered it to the next, or to `endMs`. */
function timingsOf(steps: readonly StateStep[], endMs: number): Record<string, number> {
  const timings: Record<string, number> = {};
  for (const [at, { state, atMs }] of steps.entries()) {
    const untilMs = Math.min(steps[at + 1]?.atMs ?? endMs, endMs);
    if (state === "done" || state === "failed" || untilMs <= atMs) continue;
    timings[state] = (timings[state] ?? 0) + untilMs - atMs;
  }
  return timings;
}

/** Of the last time that its disk was compared with the image; what came before a power cut was counted then. */
function keptOf(steps: readonly StateStep[]): NonNullable<Report["kept"]> | null {
  return steps.findLast(({ state }) => state === "verifying")?.kept ?? null;
}

function lastStateOf(steps: readonly StateStep[]): AgentState | "pending" {
  return steps.at(-1)?.state ?? "pending";
}
