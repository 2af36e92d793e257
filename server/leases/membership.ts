import { randomUUID } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { uptime } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { Fault } from "../../fault.ts";
import type { PostgresPlace } from "../db/place.ts";
import type { EventLog } from "../events.ts";
import { monotonicMs, SendFence } from "../stream/send-fence.ts";
import { BeatLine } from "./beat-line.ts";
import { BEAT_EVERY_MS, LEASE_MS } from "./lease-rules.ts";
import { type KnownServer, Member } from "./member.ts";
import { checkSiteKeys, PostgresServerRows, type ServerSelf } from "./server-rows.ts";

/** How soon a machine that slept is noticed: the clock of the fence stands still then. */
const LOOK_EVERY_MS = 200;

type MembershipOptions = {
  readonly place: PostgresPlace;
  readonly events: EventLog;
  readonly self: Omit<ServerSelf, "incarnation" | "pid">;
  readonly dataDir: string;
  readonly log: Logger;
};

/** A clock that goes on while the machine sleeps, in milliseconds. */
function sleeplessMs(): number {
  return uptime() * 1_000;
}

/** This machine since it was switched on, and where its processes are counted: in a container they begin anew. */
function machineNow(): string {
  return `${readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()}/${readlinkSync("/proc/self/ns/pid")}`;
}

/** This server among those of its database: its beats, its fence, and what it hears of the others. */
export class Membership {
  /** Streams are sent only while it is open. */
  readonly fence = new SendFence();
  /** Another server has our work: this one has to end. */
  readonly lost: Promise<Fault>;
  readonly #id: string;
  readonly #line: BeatLine;
  readonly #rows: PostgresServerRows;
  readonly #member: Member;
  readonly #log: Logger;
  readonly #stopping = new AbortController();
  readonly #onGone = new Set<() => void>();
  readonly #onHeld = new Set<(isHeld: boolean) => void>();
  readonly #leads = Promise.withResolvers<void>();
  #working: Promise<unknown> = Promise.resolve();
  #looking: NodeJS.Timeout | undefined;
  #wasHeld = true;

  private constructor(options: MembershipOptions) {
    const { place, events, log } = options;
    const self = { ...options.self, incarnation: `${machineNow()} ${randomUUID()}`, pid: process.pid };
    this.#id = self.id;
    this.#log = log;
    this.#line = new BeatLine(place, `bootcast lease of ${self.name} ${process.pid}`);
    this.#rows = new PostgresServerRows(this.#line, events, self);
    const { promise, resolve } = Promise.withResolvers<Fault>();
    this.lost = promise;
    this.#member = new Member({
      id: self.id,
      rows: this.#rows,
      now: sleeplessMs,
      events: {
        onLease: (untilMs) => {
          this.fence.untilMs = monotonicMs() + untilMs - sleeplessMs();
        },
        onGone: (server) => {
          log.warn({ server: server.name, seenAtMs: server.seenAtMs }, "a server is gone");
          for (const tell of this.#onGone) tell();
        },
        onLead: () => this.#leads.resolve(),
        onLost: resolve,
      },
    });
  }

  /** @throws {Fault} SITE_KEY_DIFFERS, SERVER_RUNNING, DATABASE_UNREACHABLE */
  static async join(options: MembershipOptions): Promise<Membership> {
    const membership = new Membership(options);
    try {
      const { self, dataDir } = options;
      const others = await membership.#rows.list();
      checkSiteKeys({ ...self, incarnation: "", pid: 0 }, others, dataDir);
      await membership.#refuseTwin(others);
      await membership.#rows.enter();
      await membership.#member.beat();
      await membership.#member.look();
    } catch (error) {
      await membership.#line.close();
      throw error;
    }
    // Each for itself: whoever looks may wait for others' changes, and must not be taken for gone meanwhile.
    const beating = membership.#again(() => membership.#member.beat());
    const looking = membership.#again(() => membership.#member.look());
    membership.#working = Promise.all([beating, looking]);
    membership.#looking = setInterval(() => membership.#look(), LOOK_EVERY_MS).unref();
    return membership;
  }

  get id(): string {
    return this.#id;
  }

  /** The others that are there now. */
  get others(): readonly KnownServer[] {
    return this.#member.others;
  }

  get isLeading(): boolean {
    return this.#member.isLeading;
  }

  /** Resolves once this server does what one server alone does. */
  get leads(): Promise<void> {
    return this.#leads.promise;
  }

  /** Lets agents of the others be sent here. */
  announce(addresses: readonly string[]): Promise<void> {
    return this.#rows.announce(addresses);
  }

  /** Calls `tell` when what was another server's is nobody's. */
  onGone(tell: () => void): void {
    this.#onGone.add(tell);
  }

  /** Calls `tell` when nothing may be sent any more, because the database does not hear us, and when it does again. */
  onHeld(tell: (isHeld: boolean) => void): void {
    this.#onHeld.add(tell);
  }

  /** Ends by itself: its streams must be over by now. */
  async leave(): Promise<void> {
    this.#stopping.abort();
    clearInterval(this.#looking);
    await this.#working;
    this.fence.untilMs = Number.NEGATIVE_INFINITY;
    await this.#rows.leave().catch((error: unknown) => this.#log.warn({ err: error }, "the others are not told"));
    await this.#line.close();
  }

  async #again(work: () => Promise<void>): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await sleep(BEAT_EVERY_MS, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      await work().catch((error: unknown) => this.#log.warn({ err: error }, "the other servers are not reached"));
    }
  }

  #look(): void {
    this.#member.check();
    const { isHeld } = this.#member;
    if (!isHeld) this.fence.untilMs = Number.NEGATIVE_INFINITY;
    if (isHeld === this.#wasHeld) return;
    this.#wasHeld = isHeld;
    for (const tell of this.#onHeld) tell(isHeld);
  }

  /** A row of ours that goes on counting is that of a copy of this machine. One that was killed does not. */
  async #refuseTwin(seen: readonly KnownServer[]): Promise<void> {
    const before = seen.find(({ id }) => id === this.#id);
    if (before === undefined || (await this.#rows.isOfDeadProcess())) return;
    const waitMs = BEAT_EVERY_MS * 3;
    await sleep(Math.min(waitMs, LEASE_MS));
    const now = (await this.#rows.list()).find(({ id }) => id === this.#id);
    if (now === undefined || now.beat === before.beat) return;
    throw new Fault("SERVER_RUNNING", {
      what: `Another server calls itself as this one: ${now.name}.`,
      why: "Its machine has the same host name, and its data directory the same path; or this one runs already.",
      fix: "Give this machine another host name (hostnamectl set-hostname NAME), and start again.",
    });
  }
}
