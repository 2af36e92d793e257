import type { Logger } from "pino";
import type { Database } from "../db/database.ts";
import type { StreamFigures } from "../stream/figures.ts";

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
  close(streamId: string): Promise<void>;
};

/**
 * The streams of deploys whose hosts are at work: one for each deploy and
 * network, opened for the first host that asks, joined by the others, closed
 * when no order of the deploy is open. The ids are stored, so that hosts in the
 * middle of it find their stream again after a restart of the server.
 */
export class DeployStreams {
  readonly #db: Database;
  readonly #opener: StreamOpener;
  readonly #log: Logger;
  /** By deploy, then by interface address. */
  readonly #streams = new Map<number, Map<string, Promise<string>>>();

  constructor(options: { db: Database; opener: StreamOpener; log: Logger }) {
    this.#db = options.db;
    this.#opener = options.opener;
    this.#log = options.log;
  }

  /** The id of the stream that carries this deploy into this network. @throws {Fault} when it cannot be opened */
  async open(wanted: StreamWanted): Promise<string> {
    const ofDeploy = this.#streams.get(wanted.deployId) ?? new Map<string, Promise<string>>();
    this.#streams.set(wanted.deployId, ofDeploy);
    const before = ofDeploy.get(wanted.interfaceAddress);
    const running = await before?.catch(() => undefined);
    if (running !== undefined && this.#opener.now(running) !== undefined) return running;
    // Two hosts that ask at the same moment wait for the same stream.
    let opening = ofDeploy.get(wanted.interfaceAddress);
    if (opening === before || opening === undefined) {
      opening = this.#open(wanted);
      ofDeploy.set(wanted.interfaceAddress, opening);
      opening.then(
        (streamId) => this.#log.info({ ...wanted, streamId }, "stream of a session opened"),
        (error) => this.#log.error({ ...wanted, err: error }, "stream of a session cannot be opened"),
      );
    }
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
      await this.open(wanted).catch(() => this.#streams.get(row.id)?.delete(row.interface_address));
    }
  }

  /** The streams of a deploy that run now. */
  async nowOf(deployId: number): Promise<StreamNow[]> {
    const opened = await Promise.allSettled(this.#streams.get(deployId)?.values() ?? []);
    return opened.flatMap((result) => {
      const now = result.status === "fulfilled" ? this.#opener.now(result.value) : undefined;
      return now === undefined ? [] : [now];
    });
  }

  async #open(wanted: StreamWanted): Promise<string> {
    const streamId = await this.#opener.open(wanted);
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
    return streamId;
  }

  /** Closes the streams of a deploy with no open order. */
  async closeIdle(deployId: number): Promise<void> {
    if (!this.#streams.has(deployId)) return;
    const open = await this.#db
      .selectFrom("deploy_hosts")
      .select("host_id")
      .where("deploy_id", "=", deployId)
      .where("state", "in", ["pending", "running"])
      .executeTakeFirst();
    if (open === undefined) await this.close(deployId);
  }

  async close(deployId: number): Promise<void> {
    const running = await this.nowOf(deployId);
    this.#streams.delete(deployId);
    await Promise.all(running.map(({ streamId }) => this.#opener.close(streamId)));
  }
}
