import type { Logger } from "pino";
import type { Database } from "../db/database.ts";
import type { StreamFigures } from "../stream/figures.ts";
import { openHosts } from "./facts.ts";

/** What the stream of a deploy is to send, and how long it waits before it starts. */
export type StreamWanted = {
  readonly deployId: number;
  /** Our own IPv4 address in the network of the hosts; its interface sends the stream. */
  readonly interfaceAddress: string;
  readonly image: string;
  readonly imageVersion: number;
  readonly waitFor: number;
  readonly maxWaitMs: number;
  /** The id to go on under; a new one unless given. */
  readonly streamId?: string;
  /** Where its receivers listen already; the configuration's, or the next free one, unless given. */
  readonly group?: string;
};

/** A running stream, as the lists show it. */
export type StreamNow = {
  readonly streamId: string;
  readonly interfaceAddress: string;
  readonly state: "open" | "streaming" | "ended";
  /** "1 of 2 hosts ready"; empty while streaming. */
  readonly waitingFor: string;
  readonly receivers: number;
  readonly group: string;
  readonly port: number;
  /** The most that is sent. */
  readonly rateBytesPerSecond: number;
  /** What it does now: the rate, and loss and map of each receiver. */
  readonly figures: StreamFigures;
};

/** The hub of running streams, as far as deploys need it. */
export type StreamOpener = {
  /** Opens a stream and answers its id. @throws {Fault} when the image cannot be read */
  open(wanted: StreamWanted): Promise<string>;
  /** Undefined when it is over, or was never there. */
  now(streamId: string): StreamNow | undefined;
  /** Waits for no more hosts than are there. @returns whether it waited for any */
  start(streamId: string, reason: string): boolean;
  close(streamId: string): Promise<void>;
};

/** One running stream, and the deploys whose hosts it is for. */
type Shared = { readonly deploys: Set<number>; opening: Promise<string> };

/**
 * The streams of deploys whose hosts are at work: one for each version of an image and network, whatever deploys want
 * it. It is opened for the first host that asks, joined by the others, and closed when nobody has an open order for it.
 * The ids are stored, so that hosts in the middle of it find their stream again after a restart of the server.
 */
export class DeployStreams {
  readonly #db: Database;
  readonly #opener: StreamOpener;
  readonly #log: Logger;
  readonly #streams = new Map<string, Shared>();

  constructor(options: { db: Database; opener: StreamOpener; log: Logger }) {
    this.#db = options.db;
    this.#opener = options.opener;
    this.#log = options.log;
  }

  /** The id of the stream that carries this image into this network. @throws {Fault} when it cannot be opened */
  async open(wanted: StreamWanted): Promise<string> {
    const key = `${wanted.image}:${wanted.imageVersion} ${wanted.interfaceAddress}`;
    const before = this.#streams.get(key);
    const running = await before?.opening.catch(() => undefined);
    if (before !== undefined && running !== undefined && this.#opener.now(running) !== undefined) {
      if (before.deploys.has(wanted.deployId)) return running;
      before.deploys.add(wanted.deployId);
      await this.#note(wanted, running);
      return running;
    }
    // Two hosts that ask at the same moment wait for the same stream.
    const now = this.#streams.get(key);
    if (now !== undefined && now !== before) return this.open(wanted);
    const opening = this.#open(wanted);
    this.#streams.set(key, { deploys: new Set([wanted.deployId]), opening });
    opening.then(
      (streamId) => this.#log.info({ ...wanted, streamId }, "stream of a session opened"),
      (error) => this.#log.error({ ...wanted, err: error }, "stream of a session cannot be opened"),
    );
    return opening;
  }

  /** After a start: opens the streams again that hosts may be in the middle of. */
  async resume(): Promise<void> {
    const rows = await this.#db
      .selectFrom("deploy_streams")
      .innerJoin("deploys", "deploys.id", "deploy_streams.deploy_id")
      .selectAll("deploys")
      .select(["interface_address", "stream_id", "group_address"])
      .where("deploys.state", "=", "active")
      .where("deploys.kind", "=", "deploy")
      .where(({ exists, selectFrom }) =>
        exists(
          selectFrom("deploy_hosts")
            .select("host_id")
            .whereRef("deploy_hosts.deploy_id", "=", "deploys.id")
            .where("deploy_hosts.state", "=", "running"),
        ),
      )
      .orderBy("deploys.id")
      .execute();
    for (const row of rows) {
      const wanted = {
        deployId: row.id,
        interfaceAddress: row.interface_address,
        image: row.image,
        imageVersion: row.image_version,
        // Whoever was in the middle of it does not wait for others a second time.
        waitFor: 1,
        maxWaitMs: row.max_wait_ms,
        streamId: row.stream_id,
        ...(row.group_address === null ? {} : { group: row.group_address }),
      };
      // One that cannot be opened is tried again, with its reason shown, when a host asks.
      await this.open(wanted).catch(() => undefined);
    }
  }

  /** The streams of a deploy that run now. */
  async nowOf(deployId: number): Promise<StreamNow[]> {
    const opened = await Promise.allSettled(this.#of(deployId).map(([, { opening }]) => opening));
    return opened.flatMap((result) => {
      const now = result.status === "fulfilled" ? this.#opener.now(result.value) : undefined;
      return now === undefined ? [] : [now];
    });
  }

  /** Its streams wait for no more hosts. @returns how many of them did */
  async startNow(deployId: number): Promise<number> {
    const running = await this.nowOf(deployId);
    return running.filter(({ streamId }) => this.#opener.start(streamId, "a person started it")).length;
  }

  /** Leaves the streams of a deploy with no open order whose turn has come. */
  async closeIdle(deployId: number): Promise<void> {
    if (this.#of(deployId).length > 0 && (await openHosts(this.#db, deployId)) === 0) await this.close(deployId);
  }

  /** Leaves the streams of a deploy; those that are for no other end. */
  async close(deployId: number): Promise<void> {
    for (const [key, shared] of this.#of(deployId)) {
      shared.deploys.delete(deployId);
      if (shared.deploys.size > 0) continue;
      this.#streams.delete(key);
      const streamId = await shared.opening.catch(() => undefined);
      if (streamId !== undefined) await this.#opener.close(streamId);
    }
  }

  #of(deployId: number): [string, Shared][] {
    return [...this.#streams].filter(([, { deploys }]) => deploys.has(deployId));
  }

  async #open(wanted: StreamWanted): Promise<string> {
    const streamId = await this.#opener.open(wanted);
    await this.#note(wanted, streamId);
    return streamId;
  }

  async #note(wanted: StreamWanted, streamId: string): Promise<void> {
    const group_address = this.#opener.now(streamId)?.group ?? null;
    await this.#db
      .insertInto("deploy_streams")
      .values({
        deploy_id: wanted.deployId,
        interface_address: wanted.interfaceAddress,
        stream_id: streamId,
        group_address,
      })
      .onConflict((conflict) =>
        conflict.columns(["deploy_id", "interface_address"]).doUpdateSet({ stream_id: streamId, group_address }),
      )
      .execute();
  }
}
