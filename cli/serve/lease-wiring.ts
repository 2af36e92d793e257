import { createHash } from "node:crypto";
import { realpathSync } from "node:fs";
import { hostname } from "node:os";
import type { Logger } from "pino";
import type { Fault } from "../../fault.ts";
import type { Config } from "../../server/config/config.ts";
import type { Database } from "../../server/db/database.ts";
import type { EventLog } from "../../server/events.ts";
import type { Membership } from "../../server/leases/membership.ts";
import { StreamOwners, type StreamTraits } from "../../server/leases/stream-owners.ts";
import { isInNetwork, networkOf } from "../../server/network/own-network.ts";
import { START_ASKED } from "../../server/orders/conductor.ts";
import type { DeployStreams } from "../../server/orders/deploy-streams.ts";
import type { SiteKey } from "../../server/store/keys.ts";
import type { StreamHub } from "../../server/stream/hub.ts";
import { placeOfConfig } from "../db/place.ts";
import { VERSION } from "../version.ts";

/** How soon what another server wrote is heard of. */
const FOLLOW_EVERY_MS = 400;
/** An image may be copied here after its server is gone. */
const RESUME_EVERY_MS = 5_000;

type LeaseWiring = {
  readonly config: Config;
  readonly db: Database;
  readonly events: EventLog;
  readonly key: SiteKey;
  readonly addresses: readonly string[];
  readonly traitsOf: StreamTraits;
  readonly log: Logger;
};

/** What a server does where others may work on the same database; with SQLite there are none. */
export type Leases = {
  readonly membership: Membership | undefined;
  readonly owners: StreamOwners | undefined;
  /** Somebody has our database or our work alone: this server has to end. */
  readonly lost: Promise<Fault>;
  /** Lets the others send their agents here, and takes over what they leave. */
  open(urls: readonly string[], streams: DeployStreams): Promise<void>;
  /** Holds streams while the database does not hear us. */
  holding(hub: StreamHub): void;
  /** Starts what one server alone does, when this is the one. */
  whenLeading(...watches: readonly (() => () => void | Promise<void>)[]): void;
  /** Where agents may go that reached us at this address: servers of the same network, where there are any. */
  othersFor(localAddress: string | undefined): readonly string[] | undefined;
};

/**
 * Joins the servers of a PostgreSQL database.
 *
 * @throws {Fault} SITE_KEY_DIFFERS, SERVER_RUNNING, DATABASE_UNREACHABLE
 */
export async function leasesOf(options: LeaseWiring, parts: AsyncDisposableStack): Promise<Leases> {
  const { config, db, events, key, addresses, traitsOf, log } = options;
  const place = placeOfConfig(config);
  if ("file" in place) {
    return {
      membership: undefined,
      owners: undefined,
      lost: new Promise(() => {}),
      open: async () => {},
      holding: () => {},
      whenLeading(...watches) {
        for (const watch of watches) parts.defer(watch());
      },
      othersFor: () => undefined,
    };
  }
  const { Membership } = await import("../../server/leases/membership.ts");
  const { dataDir } = config;
  const self = { id: serverId(dataDir), name: hostname(), version: VERSION, key: key.fingerprint };
  const membership = await Membership.join({ place, events, self, dataDir, log });
  parts.defer(() => membership.leave());
  const catchUp = await events.followOthers();
  const following = setInterval(() => void catchUp().catch(() => {}), FOLLOW_EVERY_MS).unref();
  parts.defer(() => clearInterval(following));
  const owners = new StreamOwners({ db, events, serverId: self.id, addresses: () => addresses, traitsOf });
  return {
    membership,
    owners,
    lost: membership.lost,
    async open(urls, streams) {
      // A host may have told another server that it is through.
      const unsubscribe = events.subscribe(({ kind, deployId }, isOurs) => {
        if (isOurs || deployId === null || !kind.startsWith("deploy.")) return;
        const work = kind === START_ASKED ? streams.startNow(deployId) : streams.closeIdle(deployId);
        work.catch((error: unknown) => log.warn({ err: error, deployId }, "another server's word was not followed"));
      });
      const resume = () =>
        void streams.resume().catch((error: unknown) => log.warn({ err: error }, "streams that nobody sends"));
      membership.onGone(resume);
      const resuming = setInterval(resume, RESUME_EVERY_MS).unref();
      parts.defer(() => {
        clearInterval(resuming);
        unsubscribe();
      });
      await membership.announce(urls);
    },
    holding(hub) {
      let releases: (() => void)[] = [];
      membership.onHeld((isHeld) => {
        log[isHeld ? "info" : "warn"](isHeld ? "the database hears us again" : "streams wait for the database");
        for (const release of releases) release();
        releases = isHeld ? [] : hub.list().map((stream) => stream.hold(HELD));
      });
    },
    whenLeading(...watches) {
      let stops: (() => void | Promise<void>)[] = [];
      let isOver = false;
      void membership.leads.then(() => {
        if (isOver) return;
        log.info("this server sees to schedules, waves and messages");
        stops = watches.map((watch) => watch());
      });
      parts.defer(async () => {
        isOver = true;
        await Promise.all(stops.map((stop) => stop()));
      });
    },
    othersFor(localAddress) {
      const all = membership.others.flatMap((other) => other.addresses);
      const network = localAddress === undefined ? undefined : networkOf(localAddress);
      const near = all.filter((url) => network !== undefined && isInNetwork(network, new URL(url).hostname));
      return near.length > 0 ? near : all;
    },
  };
}

const HELD = "the server's database does not hear it; another server may go on with the stream";

/** The same after each start, and another one for each data directory. */
function serverId(dataDir: string): string {
  return createHash("sha256")
    .update(`${hostname()}\n${realpathSync(dataDir)}`)
    .digest("hex")
    .slice(0, 16);
}
