import type { AgentState, Inventory } from "../../../agent/contract.ts";
import { ENROLMENT_SINCE } from "../../../agent/contract.ts";
import { Fault } from "../../../fault.ts";
import type { Change, EventLog } from "../../events.ts";
import type { HostProgress } from "../host-progress.ts";
import { hashOfToken } from "../host-token.ts";
import { type Admission, type Approval, admissionOf, type Lack, lackOf, type Refusal } from "./admission.ts";
import { SecondMachines } from "./second-machines.ts";
import type { ShownToken } from "./token.ts";

/** What a machine shows of itself when it registers, besides its inventory. */
export type ShownProof = {
  readonly shown: ShownToken;
  /** The key that it was given when it registered before, if it is the same agent still. */
  readonly key?: string | undefined;
  /** Where it spoke from. */
  readonly address?: string | undefined;
};

const CLOCKS_APART_MS = 10_000;

type LetIn = Extract<Admission, { isLetIn: true }>;

/** Who may take the place of a host: decides by `admissionOf`, and tells of two machines that say they are the same. */
export class HostClaims {
  readonly #events: EventLog;
  readonly #progress: Pick<HostProgress, "newest">;
  readonly #seconds = new SecondMachines();

  constructor(options: { events: EventLog; progress: Pick<HostProgress, "newest"> }) {
    this.#events = options.events;
    this.#progress = options.progress;
  }

  /**
   * @param hostId which host this machine is; undefined: a new one
   * @throws {Fault} HOST_TWICE, ENROLMENT_NEEDED
   */
  async admit(
    { tables, nowMs }: Change,
    hostId: string | undefined,
    policy: Approval,
    machine: Inventory,
    proof: ShownProof,
  ): Promise<LetIn> {
    const isTooOld = (machine.contract ?? 1) < ENROLMENT_SINCE;
    const { shown, key } = proof;
    const row =
      hostId === undefined
        ? undefined
        : await tables
            .selectFrom("hosts")
            .select(["id", "name", "is_approved", "is_enrolled", "lacks", "state", "last_seen_ms", "token_hash"])
            .where("id", "=", hostId)
            .executeTakeFirst();
    const isSameRun = row !== undefined && key !== undefined && hashOfToken(key) === row.token_hash;
    const arrival = { shown, isTooOld, isSameRun };
    if (row === undefined) return letIn(admissionOf(policy, arrival, undefined));
    const heardMs = this.#progress.newest(row.id, row.state, row.last_seen_ms)?.seenMs ?? row.last_seen_ms;
    const admission = admissionOf(policy, arrival, {
      isApproved: row.is_approved === 1,
      isEnrolled: row.is_enrolled === 1,
      state: row.state as AgentState,
      hasBegun: await hasBegun(tables, row.id),
      // A clock that was set back says nothing about what was heard. Another server's may be a little ahead.
      silentMs: nowMs < heardMs - CLOCKS_APART_MS ? Number.POSITIVE_INFINITY : Math.max(0, nowMs - heardMs),
    });
    if (admission.isLetIn) {
      if (!isSameRun) this.#seconds.replaced(row.id, row.token_hash, nowMs);
      return admission;
    }
    const { why } = admission;
    const lack = why === "unproved" ? lackOf(arrival) : undefined;
    const isNew = lack !== undefined && lack !== row.lacks;
    const isCertain = why !== "unproved" && this.#seconds.refused(row.id, heardMs, nowMs);
    if (isNew || isCertain) {
      const data = { name: row.name, mac: machine.mac, why, ...(proof.address && { from: proof.address }) };
      this.#tell(row.id, isCertain ? "host.twice" : "host.refused", data, lack);
    }
    throw why === "unproved" ? unproved(row.name) : twice(row.name, why);
  }

  /** Somebody speaks with this key, which is not the host's. */
  spoke(hostId: string, hash: string): void {
    if (!this.#seconds.isReplaced(hostId, hash)) return;
    const told = this.#events.change(async ({ nowMs, record }) => {
      if (!this.#seconds.spoke(hostId, hash, nowMs)) return;
      await record({ kind: "host.twice", hostId, data: { why: "replaced" } });
    });
    void told.catch(() => undefined);
  }

  /** Behind the change that is refused; whether it can be written is no matter of the machine's. */
  #tell(hostId: string, kind: string, data: Readonly<Record<string, unknown>>, lack?: Lack): void {
    const told = this.#events.change(async ({ tables, record }) => {
      if (lack !== undefined) await tables.updateTable("hosts").set({ lacks: lack }).where("id", "=", hostId).execute();
      await record({ kind, hostId, data });
    });
    void told.catch(() => undefined);
  }
}

async function hasBegun(tables: Change["tables"], hostId: string): Promise<boolean> {
  const order = await tables
    .selectFrom("deploy_hosts")
    .select("deploy_id")
    .where("host_id", "=", hostId)
    .where("state", "=", "running")
    .executeTakeFirst();
  return order !== undefined;
}

function letIn(admission: Admission): LetIn {
  if (admission.isLetIn) return admission;
  throw new TypeError("a machine that nobody knows was refused the place of a host");
}

function twice(name: string, why: Refusal): Fault {
  return new Fault("HOST_TWICE", {
    what: `This machine does not get the place of ${name}: another one has it and was heard a moment ago.`,
    why:
      why === "working"
        ? `${name} is at work, and no machine starts again so fast. Two machines show the same address and the same firmware data.`
        : `${name} has shown an enrolment token, and this machine with the same address has shown none.`,
    fix: `It asks again by itself, and gets the place when the other one is silent. If there are two machines: give one another MAC address, or start it by the server's own boot menu.`,
  });
}

function unproved(name: string): Fault {
  return new Fault("ENROLMENT_NEEDED", {
    what: `This machine does not get the place of ${name}: it has shown no enrolment token, and ${name} did.`,
    why: 'The setting hosts.approve is "token". What it was started with is not from this server, or was made before the tokens were renewed.',
    fix: `Start it over the network from this server, or make its stick anew (bootcast boot-image usb --enrol-file); or let it in by hand: bootcast host approve ${name}`,
  });
}
