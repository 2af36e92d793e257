import type { Logger } from "pino";
import type { Database } from "../db/database.ts";
import { type Orphan, orphanRows } from "../leases/orphans.ts";
import type { StreamOwners } from "../leases/stream-owners.ts";
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
  /** True: for a host that knows no other server than this one. */
  readonly isHere?: boolean;
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
  /** No more hosts than these can come: a stream that waits to start waits for no others. */
  expectAtMost(streamId: string, hosts: number): void;
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
  /** Where several servers work on one database. */
  readonly #owners: StreamOwners | undefined;
  readonly #streams = new Map<string, Shared>();
  #resuming: Promise<void> | undefined;

  constructor(options: { db: Database; opener: StreamOpener; owners?: StreamOwners | undefined; log: Logger }) {
    this.#db = options.db;
    this.#opener = options.opener;
    this.#owners = options.owners;
    this.#log = options.log;
  }

  /** The id of the stream that carries this image into this network. @throws {Fault} when it cannot be opened */
  async open(wanted: StreamWanted): Promise<string> {
    const key = await this.#keyOf(wanted);
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

  /** After a start, and when another server is gone: opens the streams again that hosts may be in the middle of. */
  resume(): Promise<void> {
    this.#resuming ??= this.#resume().finally(() => {
      this.#resuming = undefined;
    });
    return this.#resuming;
  }

  async #resume(): Promise<void> {
    for (const orphan of await (this.#owners?.orphans() ?? this.#interrupted())) {
      // One alone joins each order to the stream that it shares; of several, `close` asks the database for the others.
      if (this.#owners !== undefined && this.#opener.now(orphan.streamId) !== undefined) continue;
      const interfaceAddress = this.#owners === undefined ? orphan.interfaceAddress : await this.#owners.take(orphan);
      if (interfaceAddress === undefined) continue;
      const { deployId, image, imageVersion, maxWaitMs, streamId, group } = orphan;
      const wanted = {
        deployId,
        interfaceAddress,
        image,
        imageVersion,
        // Whoever was in the middle of it does not wait for others a second time.
        waitFor: 1,
        maxWaitMs,
        streamId,
        ...(group === null ? {} : { group }),
      };
      // One that cannot be opened is tried again, with its reason shown, when a host asks.
      await this.open(wanted).catch(() => this.#owners?.release(streamId));
      // Its last host may have ended since it was looked up: nobody else would close it.
      await this.closeIdle(deployId);
    }
  }

  async #interrupted(): Promise<Orphan[]> {
    return orphanRows(this.#db).execute();
  }

  /** The streams of a deploy that run now. */
  async nowOf(deployId: number): Promise<StreamNow[]> {
    const opened = await Promise.allSettled(this.#of(deployId).map(([, { opening }]) => opening));
    return opened.flatMap((result) => {
      const now = result.status === "fulfilled" ? this.#opener.now(result.value) : undefined;
      return now === undefined ? [] : [now];
    });
  }

  /** The names of other servers that send streams of a deploy. */
  async othersOf(deployId: number): Promise<string[]> {
    return (await this.#owners?.othersOf(deployId)) ?? [];
  }

  /** Its streams wait for no more hosts. @returns how many of them did */
  async startNow(deployId: number): Promise<number> {
    const running = await this.nowOf(deployId);
    return running.filter(({ streamId }) => this.#opener.start(streamId, "a person started it")).length;
  }

  /**
   * Leaves the streams of a deploy with no open order whose turn has come. Those that go on wait for nobody who failed or
   * was called back: a broken machine does not hold up the room.
   */
  async closeIdle(deployId: number): Promise<void> {
    const shared = this.#of(deployId).map(([, each]) => each);
    if (shared.length === 0) return;
    if ((await openHosts(this.#db, deployId)) === 0) await this.close(deployId);
    else for (const each of shared) await this.#expect(each);
  }

  async #expect({ deploys, opening }: Shared): Promise<void> {
    const streamId = await opening.catch(() => undefined);
    // Whom an order to any host meets, nobody knows.
    if (streamId === undefined || (await anyOf(this.#db, [...deploys]))) return;
    const open = await Promise.all([...deploys].map((deployId) => openHosts(this.#db, deployId)));
    this.#opener.expectAtMost(
      streamId,
      open.reduce((sum, hosts) => sum + hosts, 0),
    );
  }

  /** Leaves the streams of a deploy; those that are for no other end. */
  async close(deployId: number): Promise<void> {
    for (const [key, shared] of this.#of(deployId)) {
      const streamId = await shared.opening.catch(() => undefined);
      // Another server may have sent hosts of another order here.
      const others = streamId === undefined ? [] : ((await this.#owners?.ordersOf(streamId)) ?? []);
      for (const other of others) if ((await openHosts(this.#db, other)) > 0) shared.deploys.add(other);
      shared.deploys.delete(deployId);
      if (shared.deploys.size > 0) continue;
      this.#streams.delete(key);
      if (streamId === undefined) continue;
      await this.#opener.close(streamId);
      await this.#owners?.release(streamId);
    }
  }

  /** One that was another server's goes on under its id, also beside one of ours. */
  async #keyOf({ image, imageVersion, interfaceAddress, streamId }: StreamWanted): Promise<string> {
    const key = `${image}:${imageVersion} ${interfaceAddress}`;
    const running = await this.#streams.get(key)?.opening.catch(() => undefined);
    return streamId === undefined || running === undefined || running === streamId ? key : `${key} ${streamId}`;
  }

  #of(deployId: number): [string, Shared][] {
    return [...this.#streams].filter(([, { deploys }]) => deploys.has(deployId));
  }

  async #open(wanted: StreamWanted): Promise<string> {
    const isFree = wanted.streamId === undefined && wanted.isHere !== true;
    const other = isFree ? await this.#owners?.joinOther(wanted) : undefined;
    if (other !== undefined) return other;
    const streamId = await this.#opener.open(wanted);
    await this.#note(wanted, streamId);
    return streamId;
  }

  async #note(wanted: StreamWanted, streamId: string): Promise<void> {
    const row = {
      stream_id: streamId,
      group_address: this.#opener.now(streamId)?.group ?? null,
      ...(await this.#owners?.columns(wanted)),
    };
    await this.#db
      .insertInto("deploy_streams")
      .values({ deploy_id: wanted.deployId, interface_address: wanted.interfaceAddress, ...row })
      .onConflict((conflict) => conflict.columns(["deploy_id", "interface_address"]).doUpdateSet(row))
      .execute();
  }
}

/** Whether one of these deploys is for any host that appears. */
async function anyOf(db: Pick<Database, "selectFrom">, deployIds: readonly number[]): Promise<boolean> {
  const row = await db
    .selectFrom("deploys")
    .select("id")
    .where("id", "in", [...deployIds])
    .where("to_any", "=", 1)
    .executeTakeFirst();
  return row !== undefined;
}
