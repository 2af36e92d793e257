import { Fault } from "../../fault.ts";
import { CUT_OFF_MS, OwnLease, type ServerBeat, Watch } from "./lease-rules.ts";

/** A server of this database, as people see it. */
export type KnownServer = ServerBeat & {
  readonly name: string;
  readonly version: string;
  /** Where its agents reach it: "http://10.77.0.1:8440". Empty until it listens. */
  readonly addresses: readonly string[];
  /** Fingerprint of its site key. */
  readonly key: string;
  /** Since when it runs, and when it showed itself last, by the database's clock. */
  readonly startedAtMs: number;
  readonly seenAtMs: number;
  /** It does what one server alone does: schedules, waves, messages. */
  readonly isLeading: boolean;
};

/** The table of servers, as one server sees it. Each call ends soon, also when the database does not answer. */
export type ServerRows = {
  /** Counts our number up. @returns whether our row is still ours */
  beat(): Promise<boolean>;
  /** All that are not known to be gone, ourselves too. */
  list(): Promise<readonly KnownServer[]>;
  /** Writes down that a server is gone. @returns false when it was there after all, or another was faster */
  end(server: ServerBeat): Promise<boolean>;
  /** Makes us the one that leads, where none does. @returns whether we lead now */
  lead(): Promise<boolean>;
};

/** What follows from what a member finds. */
export type MemberEvents = {
  /** We may send until then. */
  onLease(untilMs: number): void;
  /** A server is gone: what was its own is nobody's now. */
  onGone(server: KnownServer): void;
  onLead(): void;
  /** Another server has our work, or may have it without our hearing of it. */
  onLost(fault: Fault): void;
};

/** One of several servers on one database: shows itself, and looks after the others. */
export class Member {
  readonly #id: string;
  readonly #rows: ServerRows;
  readonly #events: MemberEvents;
  readonly #now: () => number;
  readonly #lease = new OwnLease();
  readonly #watch = new Watch();
  #others: readonly KnownServer[] = [];
  #isLeading = false;
  #isLost = false;
  #heldMs: number;

  /** @param options.now a clock that never runs backwards, and does not stand still while the machine sleeps */
  constructor(options: { id: string; rows: ServerRows; events: MemberEvents; now: () => number }) {
    this.#id = options.id;
    this.#rows = options.rows;
    this.#events = options.events;
    this.#now = options.now;
    this.#heldMs = this.#now();
  }

  /** The others that are there, as they were seen last. */
  get others(): readonly KnownServer[] {
    return this.#others;
  }

  /** Whether what is ours may be sent at this moment. */
  get isHeld(): boolean {
    return this.#lease.isHeld(this.#now());
  }

  get isLeading(): boolean {
    return this.#isLeading && this.isHeld;
  }

  /** Shows itself. Nothing else may hold this up. @throws {Fault} when the database does not answer */
  async beat(): Promise<void> {
    if (this.#isLost) return;
    const sentMs = this.#now();
    if (!(await this.#rows.beat())) {
      this.#lose(
        new Fault("SERVER_REPLACED", {
          what: "Another server has taken over the work of this one.",
          why: "The database did not hear of this server for several seconds: it stood still, or was cut off.",
          fix: "It ends, and goes on when it is started again; systemd does that. Look for what held it up.",
        }),
      );
      return;
    }
    this.#lease.onBeat(sentMs);
    this.#events.onLease(this.#lease.untilMs);
  }

  /** Looks at the others: who is gone, and whether one leads. @throws {Fault} when the database does not answer */
  async look(): Promise<void> {
    if (this.#isLost) return;
    const servers = await this.#rows.list();
    this.#others = servers.filter(({ id }) => id !== this.#id);
    for (const { id } of this.#watch.observe(this.#others, this.#now())) {
      const gone = this.#others.find((other) => other.id === id)!;
      if (!(await this.#rows.end(gone))) continue;
      this.#others = this.#others.filter((other) => other !== gone);
      this.#events.onGone(gone);
    }
    if (!this.#isLeading && this.#others.every((other) => !other.isLeading) && (await this.#rows.lead())) {
      this.#isLeading = true;
      this.#events.onLead();
    }
  }

  /** Looks at the own lease; often, and also while the database does not answer. */
  check(): void {
    const nowMs = this.#now();
    if (this.#lease.isHeld(nowMs)) this.#heldMs = nowMs;
    else if (!this.#isLost && this.#others.length > 0 && nowMs - this.#heldMs >= CUT_OFF_MS) {
      this.#lose(
        new Fault("SERVER_CUT_OFF", {
          what: `The database has not heard of this server for ${CUT_OFF_MS / 60_000} minutes.`,
          why: "It does not answer here. Another server may reach it, and have the work of this one.",
          fix: "It ends, so that its machines go on at another server, and is of use again once the database can be reached from here: bootcast doctor.",
        }),
      );
    }
  }

  #lose(fault: Fault): void {
    this.#isLost = true;
    this.#lease.lose();
    this.#events.onLease(this.#lease.untilMs);
    this.#events.onLost(fault);
  }
}
