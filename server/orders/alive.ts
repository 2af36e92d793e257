import { createHash } from "node:crypto";
import type { Logger } from "pino";
import { type AgentState, aliveText, type OrderAlive } from "../../agent/contract.ts";
import { Fault } from "../../fault.ts";
import type { Database } from "../db/database.ts";
import type { Change, EventLog } from "../events.ts";
import { hashOfToken } from "../hosts/host-token.ts";
import { canBeUp, DEFAULT_ALIVE_MS, isNamedSo, notAliveFault } from "./alive-rules.ts";
import { endOrder } from "./reports.ts";

/** How often deadlines are looked at; nobody is told to the second. */
const LOOK_EVERY_MS = 5_000;

/** Restored systems try every five seconds; so soon after our own start each has had its turn. */
const GRACE_MS = 60_000;

type AliveOptions = {
  readonly db: Database;
  readonly events: EventLog;
  /** Signs with the site's key: Ed25519, base64. */
  readonly sign: (text: string) => string;
  /** How long a restored host has to say that it is up; the deadline itself is set when it restarts. */
  readonly withinMs?: number;
  readonly now: () => number;
  /** Where a host that reached us at this address of ours reaches us again, "http://10.0.0.1:8440". */
  readonly urlOf: (interfaceAddress: string) => string;
};

/**
 * Restored systems that say that they are up. Only where it was ordered: a small job of the first start calls home
 * once, and until then its host is "rebooting". An order that waits for this is "done" to everything that decides what
 * a machine boots, so nothing is ever erased again because a system did not call.
 */
export class Alive {
  readonly #options: AliveOptions;

  constructor(options: AliveOptions) {
    this.#options = options;
  }

  /** What the host's restored system is to say; undefined: this was not ordered. */
  async ofOrder(about: {
    readonly hostId: string;
    readonly deployId: number;
    readonly interfaceAddress: string;
  }): Promise<OrderAlive | undefined> {
    const { hostId, deployId, interfaceAddress } = about;
    const { db, events, sign, urlOf } = this.#options;
    const row = await db
      .selectFrom("deploys")
      .innerJoin("hosts", (join) => join.on("hosts.id", "=", hostId))
      .select(["alive", "mac", "hosts.name"])
      .where("deploys.id", "=", deployId)
      .executeTakeFirst();
    if (row?.alive !== 1) return undefined;
    // The same for each time this host is given this order, and known to nobody who has not the site's key.
    const secret = sign(`bootcast alive token 1\n${JSON.stringify([hostId, deployId])}`);
    const token = createHash("sha256").update(secret).digest("base64url");
    const url = `${urlOf(interfaceAddress)}/agent/v1/hosts/${hostId}/alive`;
    await events.change(({ tables }) =>
      tables
        .updateTable("deploy_hosts")
        .set({ alive_hash: hashOfToken(token), alive_name: row.name, alive_heard: null })
        .where("deploy_id", "=", deployId)
        .where("host_id", "=", hostId)
        .execute(),
    );
    return { url, token, permit: sign(aliveText({ mac: row.mac, deployId: String(deployId), url, token })) };
  }

  /**
   * A restored system says that it is up. The same again changes nothing: its answer may have been lost.
   *
   * @returns whether it is up, and called what it was to be called
   * @throws {Fault} TOKEN_WRONG
   */
  async heard(hostId: string, token: string, said: string): Promise<boolean> {
    return this.#options.events.change(async (change) => {
      const row = await change.tables
        .selectFrom("deploy_hosts")
        .innerJoin("hosts", "hosts.id", "deploy_hosts.host_id")
        .select(["deploy_id", "deploy_hosts.state", "alive_name", "alive_until_ms", "deploy_hosts.fault", "hosts.name"])
        .select(["hosts.state as host_state", "last_seen_ms"])
        .where("host_id", "=", hostId)
        .where("alive_hash", "=", hashOfToken(token))
        .executeTakeFirst();
      if (row === undefined) throw tokenWrong();
      const deployId = row.deploy_id;
      const isLate = row.state === "failed" && isOfAlive(row.fault);
      // Its agent is at work, and would stop half-way at an order that is done.
      const host = { state: row.host_state, silentMs: change.nowMs - row.last_seen_ms };
      if (row.state === "running" && !canBeUp(host)) return false;
      // A restart that nobody heard of, a deadline that runs, and one that has passed.
      const isAwaited = row.state === "running" || row.alive_until_ms !== null || isLate;
      const isNamed = isNamedSo(said, row.alive_name ?? row.name);
      if (!isAwaited) return isNamed;
      if (!isNamed) {
        await setHost(change, hostId, deployId, { alive_heard: said });
        return false;
      }
      await setHost(change, hostId, deployId, {
        state: "done",
        alive_until_ms: null,
        alive_heard: said,
        ended_at_ms: change.nowMs,
        fault: null,
      });
      await change.record({ kind: "host.alive", hostId, deployId, data: { name: said, ...(isLate && { isLate }) } });
      await enterState(change, hostId, deployId, { state: "done", detail: `up as ${said}`, fault: null });
      await endOrder(change, hostId, deployId, "done");
      return true;
    });
  }

  /** Fails those whose deadline has passed. */
  async endLate(): Promise<void> {
    const { db, events, now, withinMs = DEFAULT_ALIVE_MS } = this.#options;
    const late = (tables: Pick<Database, "selectFrom">, nowMs: number) =>
      tables
        .selectFrom("deploy_hosts")
        .innerJoin("hosts", "hosts.id", "deploy_hosts.host_id")
        .select(["deploy_id", "host_id", "hosts.name", "alive_heard"])
        .where("alive_until_ms", "<=", nowMs)
        .execute();
    if ((await late(db, now())).length === 0) return;
    await events.change(async (change) => {
      for (const { deploy_id, host_id, name, alive_heard } of await late(change.tables, change.nowMs)) {
        const fault = notAliveFault({ deployId: deploy_id, name, heard: alive_heard, withinMs });
        await setHost(change, host_id, deploy_id, {
          state: "failed",
          alive_until_ms: null,
          ended_at_ms: change.nowMs,
          fault: JSON.stringify(fault),
        });
        await enterState(change, host_id, deploy_id, { state: "failed", detail: fault.what, fault });
        await endOrder(change, host_id, deploy_id, "failed");
      }
    });
  }

  /** After a start: nobody was heard while we were off, so no deadline has passed yet. */
  async resume(): Promise<void> {
    const { events } = this.#options;
    await events.change(({ tables, nowMs }) =>
      tables
        .updateTable("deploy_hosts")
        .set({ alive_until_ms: nowMs + GRACE_MS })
        .where("alive_until_ms", "<", nowMs + GRACE_MS)
        .execute(),
    );
  }

  /** Looks at the deadlines for ever. @returns what ends it */
  watch(log: Logger): () => void {
    const timer = setInterval(() => {
      this.endLate().catch((error: unknown) => log.error({ err: error }, "deadlines of restored systems"));
    }, LOOK_EVERY_MS);
    timer.unref();
    return () => clearInterval(timer);
  }
}

type HostOfOrder = Partial<{
  state: string;
  alive_until_ms: number | null;
  alive_heard: string;
  ended_at_ms: number;
  fault: string | null;
}>;

async function setHost(change: Change, hostId: string, deployId: number, values: HostOfOrder): Promise<void> {
  await change.tables
    .updateTable("deploy_hosts")
    .set(values)
    .where("deploy_id", "=", deployId)
    .where("host_id", "=", hostId)
    .execute();
}

/** The host's own state, unless it is in the middle of something newer. */
async function enterState(
  change: Change,
  hostId: string,
  deployId: number,
  next: { readonly state: AgentState; readonly detail: string; readonly fault: Fault | null },
): Promise<void> {
  const { state: from } = await change.tables
    .selectFrom("hosts")
    .select("state")
    .where("id", "=", hostId)
    .executeTakeFirstOrThrow();
  const isOver = ["rebooting", "finishing", "failed"].includes(from);
  if (!isOver) return;
  const { state, detail, fault } = next;
  const row = { state, detail, percent: null, fault: fault === null ? null : JSON.stringify(fault) };
  const seen = state === "done" ? { last_seen_ms: change.nowMs } : {};
  await change.tables
    .updateTable("hosts")
    .set({ ...row, ...seen, state_since_ms: change.nowMs })
    .where("id", "=", hostId)
    .execute();
  const told = fault === null ? {} : { fault: fault.toJSON() };
  await change.record({ kind: "host.state", hostId, deployId, data: { from, state, detail, ...told } });
}

function isOfAlive(fault: string | null): boolean {
  if (fault === null) return false;
  return ["HOST_NOT_ALIVE", "HOST_NAME_WRONG"].includes((JSON.parse(fault) as { code: string }).code);
}

function tokenWrong(): Fault {
  return new Fault("TOKEN_WRONG", {
    what: "Nothing is waited for from this host.",
    why: "The token of this request is not the one that its last restore was given.",
    fix: "Nothing needs to be done: the job that asked removes itself.",
  });
}
