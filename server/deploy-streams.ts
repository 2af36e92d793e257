import type { Logger } from "pino";
import type { Database } from "./db/database.ts";

/** What the stream of a deploy is to send, and how long it waits before it starts. */
export type StreamWanted = {
  readonly deployId: number;
  readonly image: string;
  readonly imageVersion: number;
  readonly waitFor: number;
  readonly maxWaitMs: number;
};

/** A running stream, as the lists show it. */
export type StreamNow = {
  readonly streamId: string;
  readonly state: "open" | "streaming" | "ended";
  /** "1 of 2 hosts ready"; empty while streaming. */
  readonly waitingFor: string;
  readonly receivers: number;
  readonly group: string;
  readonly port: number;
  readonly rateBytesPerSecond: number;
};

/** The hub of running streams, as far as deploys need it. */
export type StreamOpener = {
  /** Opens a stream and answers its id. @throws {Fault} when the image cannot be read */
  open(wanted: StreamWanted): Promise<string>;
  /** Undefined when it is over, or was never there. */
  now(streamId: string): StreamNow | undefined;
  close(streamId: string): Promise<void>;
};

/**
 * One stream for each deploy whose hosts are at work: opened for the first that
 * asks, joined by the others, closed when none is left. Nothing of this is
 * stored: after a restart the next host that asks opens a new one.
 */
export class DeployStreams {
  readonly #db: Database;
  readonly #opener: StreamOpener;
  readonly #log: Logger;
  readonly #streams = new Map<number, Promise<string>>();

  constructor(options: { db: Database; opener: StreamOpener; log: Logger }) {
    this.#db = options.db;
    this.#opener = options.opener;
    this.#log = options.log;
  }

  async open(wanted: StreamWanted): Promise<string> {
    const running = await this.#running(wanted.deployId);
    if (running !== undefined) return running;
    // Two hosts that ask at the same moment wait for the same stream.
    const opening = this.#streams.get(wanted.deployId) ?? this.#opener.open(wanted);
    this.#streams.set(wanted.deployId, opening);
    try {
      const streamId = await opening;
      this.#log.info({ deployId: wanted.deployId, streamId, image: wanted.image }, "stream of the session");
      return streamId;
    } catch (error) {
      this.#streams.delete(wanted.deployId);
      this.#log.error({ err: error, deployId: wanted.deployId }, "stream cannot be opened");
      throw error;
    }
  }

  /** The stream of a deploy, when one is running. */
  async nowOf(deployId: number): Promise<StreamNow | undefined> {
    const streamId = await this.#running(deployId);
    return streamId === undefined ? undefined : this.#opener.now(streamId);
  }

  /** Closes the stream of a deploy with no host at work. */
  async closeIdle(deployId: number): Promise<void> {
    if (!this.#streams.has(deployId)) return;
    const busy = await this.#db
      .selectFrom("deploy_hosts")
      .select("host_id")
      .where("deploy_id", "=", deployId)
      .where("state", "in", ["pending", "running"])
      .executeTakeFirst();
    if (busy === undefined) await this.close(deployId);
  }

  async close(deployId: number): Promise<void> {
    const streamId = await this.#running(deployId);
    this.#streams.delete(deployId);
    if (streamId !== undefined) await this.#opener.close(streamId);
  }

  async closeAll(): Promise<void> {
    await Promise.allSettled([...this.#streams.keys()].map((deployId) => this.close(deployId)));
  }

  async #running(deployId: number): Promise<string | undefined> {
    const opening = this.#streams.get(deployId);
    if (opening === undefined) return undefined;
    const streamId = await opening.catch(() => undefined);
    if (streamId !== undefined && this.#opener.now(streamId) !== undefined) return streamId;
    if (this.#streams.get(deployId) === opening) this.#streams.delete(deployId);
    return undefined;
  }
}
