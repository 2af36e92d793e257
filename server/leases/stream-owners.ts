import { Fault } from "../../fault.ts";
import type { Database } from "../db/database.ts";
import type { EventLog } from "../events.ts";
import { networkOf } from "../network/own-network.ts";
import { type Orphan, orphanRows } from "./orphans.ts";

/**
 * What of an image's stream has to be the same when another server goes on with it, as one text.
 *
 * @throws {Fault} when this server has not got the image
 */
export type StreamTraits = (image: string, imageVersion: number) => Promise<string>;

/** An order's stream of an image, from our own address into its network. */
type WantedStream = {
  readonly deployId: number;
  readonly interfaceAddress: string;
  readonly image: string;
  readonly imageVersion: number;
};

type OwnersOptions = {
  readonly db: Database;
  readonly events: EventLog;
  readonly serverId: string;
  /** Our own addresses that are served. */
  readonly addresses: () => readonly string[];
  /** What the stream of an image would be here. @throws {Fault} when this server has not got it */
  readonly traitsOf: StreamTraits;
  /** The network of an own address; as the system has it unless given. */
  readonly networkOf?: (address: string) => string | undefined;
};

/**
 * Which server sends which stream, where several work on one database. A stream has at most one owner: whoever takes one
 * that is nobody's writes that down in the transaction that looked. It is nobody's when its server ended or is gone.
 */
export class StreamOwners {
  readonly #options: OwnersOptions;
  readonly #networkOf: (address: string) => string | undefined;
  /** Why streams could not be taken, so that it is told once. */
  readonly #refused = new Map<string, string>();

  constructor(options: OwnersOptions) {
    this.#options = options;
    this.#networkOf = options.networkOf ?? networkOf;
  }

  /** What stands beside a stream of ours. */
  async columns({ image, imageVersion, interfaceAddress }: WantedStream) {
    return {
      server_id: this.#options.serverId,
      network: this.#networkOf(interfaceAddress) ?? null,
      traits: await this.#options.traitsOf(image, imageVersion),
    };
  }

  /** The stream that another server sends into this network, of the same image; this order is one of its from now on. */
  async joinOther(wanted: WantedStream): Promise<string | undefined> {
    const { db, serverId } = this.#options;
    const network = this.#networkOf(wanted.interfaceAddress);
    if (network === undefined) return undefined;
    return db.transaction().execute(async (tables) => {
      const other = await tables
        .selectFrom("deploy_streams")
        .innerJoin("deploys", "deploys.id", "deploy_streams.deploy_id")
        .innerJoin("servers", "servers.id", "deploy_streams.server_id")
        .selectAll("deploy_streams")
        .where("image", "=", wanted.image)
        .where("image_version", "=", wanted.imageVersion)
        .where("network", "=", network)
        .where("server_id", "!=", serverId)
        .where("has_ended", "=", 0)
        .orderBy("deploy_streams.deploy_id")
        .executeTakeFirst();
      if (other === undefined) return undefined;
      const row = { ...other, deploy_id: wanted.deployId };
      await tables
        .insertInto("deploy_streams")
        .values(row)
        .onConflict((conflict) => conflict.columns(["deploy_id", "interface_address"]).doUpdateSet(row))
        .execute();
      return other.stream_id;
    });
  }

  /** Streams that hosts are in the middle of, and nobody sends. */
  async orphans(): Promise<Orphan[]> {
    const { db, serverId } = this.#options;
    return orphanRows(db)
      .where(({ or, eb }) =>
        or([eb("servers.id", "is", null), eb("has_ended", "=", 1), eb("server_id", "=", serverId)]),
      )
      .execute();
  }

  /**
   * Takes a stream that is nobody's. Why it cannot be sent from here is told once, in the events of its order.
   *
   * @returns our own address in its network; undefined: it stays as it is
   */
  async take(orphan: Orphan): Promise<string | undefined> {
    const { events, serverId } = this.#options;
    const { streamId, deployId } = orphan;
    let here: Place;
    try {
      here = await this.#placeFor(orphan);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      await this.#refuse(orphan, error);
      return undefined;
    }
    this.#refused.delete(streamId);
    const isTaken = await events.change(async ({ tables, record }) => {
      const row = await tables
        .selectFrom("deploy_streams")
        .leftJoin("servers", "servers.id", "deploy_streams.server_id")
        .select(["server_id", "has_ended", "servers.name"])
        .where("deploy_id", "=", deployId)
        .where("stream_id", "=", streamId)
        .executeTakeFirst();
      if (row === undefined) return false;
      const isOurs = row.server_id === serverId;
      if (!isOurs && row.server_id !== null && row.has_ended === 0) return false;
      const orders = tables.selectFrom("deploy_streams as same").select("deploy_id").where("stream_id", "=", streamId);
      // Former streams of its orders in our place of the network.
      await tables
        .deleteFrom("deploy_streams")
        .where("interface_address", "=", here.interfaceAddress)
        .where("stream_id", "!=", streamId)
        .where("deploy_id", "in", orders)
        .execute();
      await tables
        .updateTable("deploy_streams")
        .set({ server_id: serverId, interface_address: here.interfaceAddress, traits: here.traits })
        .where("stream_id", "=", streamId)
        .execute();
      if (!isOurs) {
        const { name: self } = await tables
          .selectFrom("servers")
          .select("name")
          .where("id", "=", serverId)
          .executeTakeFirstOrThrow();
        await record({ kind: "stream.taken-over", deployId, data: { streamId, from: row.name, by: self } });
      }
      return true;
    });
    return isTaken ? here.interfaceAddress : undefined;
  }

  /** A stream of ours is over, or could not be sent: it is nobody's. */
  async release(streamId: string): Promise<void> {
    await this.#options.db
      .updateTable("deploy_streams")
      .set({ server_id: null })
      .where("stream_id", "=", streamId)
      .where("server_id", "=", this.#options.serverId)
      .execute();
  }

  /** The active orders that a stream is for, some of which other servers have added. */
  async ordersOf(streamId: string): Promise<number[]> {
    const rows = await this.#options.db
      .selectFrom("deploy_streams")
      .innerJoin("deploys", "deploys.id", "deploy_streams.deploy_id")
      .select("deploy_id")
      .where("stream_id", "=", streamId)
      .where("state", "=", "active")
      .execute();
    return rows.map(({ deploy_id }) => deploy_id);
  }

  /** Whether a stream that this server does not send goes on, at another one or soon at one. */
  async goesOn(streamId: string): Promise<boolean> {
    return (await this.ordersOf(streamId)).length > 0;
  }

  /** The servers that send streams of an order, other than this one. */
  async othersOf(deployId: number): Promise<string[]> {
    const rows = await this.#options.db
      .selectFrom("deploy_streams")
      .innerJoin("servers", "servers.id", "deploy_streams.server_id")
      .select("name")
      .where("deploy_id", "=", deployId)
      .where("server_id", "!=", this.#options.serverId)
      .where("has_ended", "=", 0)
      .execute();
    return rows.map(({ name }) => name);
  }

  async #placeFor({ network, interfaceAddress, image, imageVersion, traits }: Orphan): Promise<Place> {
    const { addresses, traitsOf } = this.#options;
    const own = addresses();
    const address = own.find((one) => one === interfaceAddress) ?? own.find((one) => this.#networkOf(one) === network);
    if (address === undefined) throw noWayThere(network ?? interfaceAddress);
    const here = await traitsOf(image, imageVersion);
    if (traits !== null && traits !== here) throw otherTraits(`${image}:${imageVersion}`, traits, here);
    return { interfaceAddress: address, traits: here };
  }

  async #refuse({ streamId, deployId, image, imageVersion }: Orphan, fault: Fault): Promise<void> {
    const why = `${fault.what} ${fault.why}`;
    if (this.#refused.get(streamId) === why) return;
    this.#refused.set(streamId, why);
    const about = { streamId, image: `${image}:${imageVersion}`, fault };
    await this.#options.events.change(({ record }) => record({ kind: "stream.not-taken", deployId, data: about }));
  }
}

type Place = { readonly interfaceAddress: string; readonly traits: string };

function noWayThere(network: string): Fault {
  return new Fault("NETWORK_ELSEWHERE", {
    what: "This server cannot go on with the stream.",
    why: `It has no address in the network ${network}, where the hosts are.`,
    fix: "Give a second server an address in each network that is to survive the first one.",
  });
}

function otherTraits(image: string, wanted: string, here: string): Fault {
  return new Fault("STREAM_DIFFERS", {
    what: `This server cannot go on with the stream of ${image}.`,
    why: `It would be another one here: ${here} instead of ${wanted}.`,
    fix: "Let all servers of a database have the same image versions (copy the store, do not import twice) and the same settings of [multicast].",
  });
}
