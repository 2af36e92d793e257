import type { Logger } from "pino";
import { Fault } from "../../fault.ts";
import type { Database } from "../db/database.ts";
import type { EventLog } from "../events.ts";
import { unknownDeploy } from "./deploy-hosts.ts";
import type { DeployStreams } from "./deploy-streams.ts";
import { advance, nextLookMs, resumeHalted, startBefore } from "./rollout.ts";
import { type Wake, wakeReleased } from "./waking.ts";

/** To the servers that send the streams of an order: they are to wait for no more hosts. */
export const START_ASKED = "deploy.start-asked";

/** Nobody is told to the second, and whoever changes something wakes us. */
const LOOK_EVERY_MS = 5_000;

/**
 * Sees to it that orders begin at their time, that waves follow each other, and that an order stops when too many of
 * its hosts fail. All of it stands in the tables: a server that starts again goes on where they are.
 */
export class Conductor {
  readonly #db: Database;
  readonly #events: EventLog;
  readonly #streams: DeployStreams;
  readonly #wake: Wake | undefined;
  readonly #now: () => number;

  /** @param options.wake starts machines that are switched off; nobody is woken unless given */
  constructor(options: { db: Database; events: EventLog; streams: DeployStreams; wake?: Wake; now: () => number }) {
    this.#db = options.db;
    this.#events = options.events;
    this.#streams = options.streams;
    this.#wake = options.wake;
    this.#now = options.now;
  }

  /** Carries out what is to be done now. @returns when there may be more, if nothing happens before; null: never */
  async look(): Promise<number | null> {
    let nextMs: number | null = null;
    for (const deployId of await this.#watched()) {
      let atMs = await nextLookMs(this.#db, deployId, this.#now());
      if (atMs !== null && atMs <= this.#now()) {
        atMs = await this.#events.change((change) => advance(change, deployId));
      }
      if (atMs !== null) nextMs = Math.min(nextMs ?? atMs, atMs);
      // A wave that is over needs its stream no more; the next one gets one that waits for its hosts.
      await this.#streams.closeIdle(deployId);
    }
    if (this.#wake !== undefined) await wakeReleased({ db: this.#db, events: this.#events, wake: this.#wake });
    return nextMs;
  }

  /**
   * A person does not want to wait: an order begins before its time, goes on after it has stopped, or its streams start
   * with the hosts that are there.
   *
   * @throws {Fault} DEPLOY_UNKNOWN, DEPLOY_ENDED, DEPLOY_RUNS when it waits for nothing
   */
  async start(deployId: number): Promise<void> {
    const isChanged = await this.#events.change(async (change) => {
      const deploy = await change.tables
        .selectFrom("deploys")
        .select(["state", "kind", "begun_at_ms", "halted_at_ms"])
        .where("id", "=", deployId)
        .executeTakeFirst();
      if (deploy === undefined) throw unknownDeploy(deployId);
      if (deploy.state !== "active") throw hasEnded(deployId, deploy.state);
      if (deploy.halted_at_ms !== null) await resumeHalted(change, deployId);
      else if (deploy.begun_at_ms === null) await startBefore(change, deployId);
      else return false;
      await advance(change, deployId);
      return true;
    });
    const started = await this.#streams.startNow(deployId);
    if (!isChanged && started === 0) {
      if ((await this.#streams.othersOf(deployId)).length === 0) throw runs(deployId);
      await this.#events.change(({ record }) => record({ kind: START_ASKED, deployId }));
    } else if (!isChanged) {
      await this.#events.change(({ record }) =>
        record({ kind: "deploy.stream-started", deployId, data: { streams: started } }),
      );
    }
  }

  /** Looks for ever: at once when something happened, and at its time. @returns what ends it */
  watch(log: Logger): () => Promise<void> {
    let wake = () => {};
    let isAwake = true;
    let isStopped = false;
    const rouse = () => {
      isAwake = true;
      wake();
    };
    // Who made the change that wakes us is not who begins the next wave: that is done in our own name.
    const unsubscribe = this.#events.subscribe(({ kind }) => {
      if (kind.startsWith("deploy.") || kind === "host.alive" || kind === "host.forgotten") rouse();
    });
    const run = async () => {
      while (!isStopped) {
        isAwake = false;
        await this.look().catch((error: unknown) => log.error({ err: error }, "what comes next of the orders"));
        if (isAwake || isStopped) continue;
        const { promise, resolve } = Promise.withResolvers<void>();
        const timer = setTimeout(resolve, LOOK_EVERY_MS);
        timer.unref();
        wake = resolve;
        await promise;
        clearTimeout(timer);
      }
    };
    const running = run();
    return async () => {
      isStopped = true;
      unsubscribe();
      rouse();
      await running;
    };
  }

  /** Orders that something may be next of: not begun, with hosts whose turn has not come, or to so many that appear. */
  async #watched(): Promise<number[]> {
    const rows = await this.#db
      .selectFrom("deploys")
      .select("id")
      .where("state", "=", "active")
      .where("kind", "=", "deploy")
      .where((where) =>
        where.or([
          where("begun_at_ms", "is", null),
          where("any_limits", "is not", null),
          where.exists(
            where
              .selectFrom("deploy_hosts")
              .select("host_id")
              .whereRef("deploy_hosts.deploy_id", "=", "deploys.id")
              .where("deploy_hosts.state", "=", "pending")
              .where("released_at_ms", "is", null),
          ),
        ]),
      )
      .orderBy("id")
      .execute();
    return rows.map(({ id }) => id);
  }
}

function hasEnded(deployId: number, state: string): Fault {
  return new Fault("DEPLOY_ENDED", {
    what: `Session ${deployId} cannot be started.`,
    why: `It is ${state} already.`,
    fix: `Order the image again; those that failed: bootcast session retry ${deployId}`,
  });
}

function runs(deployId: number): Fault {
  return new Fault("DEPLOY_RUNS", {
    what: `Session ${deployId} waits for nothing that could be started.`,
    why: "It has begun, and no stream of it waits for more hosts.",
    fix: `"bootcast session show ${deployId}" shows what its hosts do. Hosts that have not booted are waited for by nobody.`,
  });
}
