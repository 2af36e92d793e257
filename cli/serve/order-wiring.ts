import { sign as signBytes } from "node:crypto";
import { statfs } from "node:fs/promises";
import type { Logger } from "pino";
import { CaptureOrders } from "../../server/capture/orders.ts";
import type { Config } from "../../server/config/config.ts";
import type { Database } from "../../server/db/database.ts";
import { readBsdpClients } from "../../server/dhcp/bsdp-clients.ts";
import type { EventLog } from "../../server/events.ts";
import type { Enrolment } from "../../server/hosts/enrolment/enrolment.ts";
import { Hosts } from "../../server/hosts/hosts.ts";
import { readNameList } from "../../server/hosts/name-list.ts";
import { reverseName } from "../../server/hosts/reverse-name.ts";
import type { StreamOwners } from "../../server/leases/stream-owners.ts";
import { Alive } from "../../server/orders/alive.ts";
import { Conductor } from "../../server/orders/conductor.ts";
import { DeployStreams, type StreamOpener } from "../../server/orders/deploy-streams.ts";
import { Deploys } from "../../server/orders/deploys.ts";
import { Orders } from "../../server/orders/orders.ts";
import { OrderReports } from "../../server/orders/reports.ts";
import { Scripts } from "../../server/orders/scripts.ts";
import type { Wake } from "../../server/orders/waking.ts";
import type { SiteKey } from "../../server/store/keys.ts";
import type { ImageStore } from "../../server/store/store.ts";
import { checkForUse } from "./reload.ts";

type WiringOptions = {
  readonly config: Config;
  readonly db: Database;
  readonly events: EventLog;
  readonly store: ImageStore;
  readonly key: SiteKey;
  readonly opener: StreamOpener;
  /** Where several servers work on the database. */
  readonly owners: StreamOwners | undefined;
  /** Known when the server listens. */
  readonly httpPort: () => number;
  readonly log: Logger;
  readonly now: () => number;
};

/** The hosts. Lists that they are named by are read once now, so that one that cannot be read is told at the start. */
export async function hostsOf(
  options: Pick<WiringOptions, "config" | "db" | "events"> & { readonly enrolment: Enrolment },
): Promise<Hosts> {
  const { config, db, events, enrolment } = options;
  const { values } = config;
  await checkForUse(config);
  return new Hosts({
    db,
    events,
    get names() {
      return values["hosts.names"];
    },
    get nameSources() {
      return values["hosts.name_sources"];
    },
    get approve() {
      return values["hosts.approve"];
    },
    get nameList() {
      const path = values["hosts.names_csv"];
      return path === undefined ? undefined : () => readNameList(path);
    },
    get bsdpNames() {
      const path = values["hosts.names_bsdp"];
      return path === undefined ? undefined : () => readBsdpClients(path);
    },
    reverseName,
    enrolment,
  });
}

/** All that is about orders: what people order, what hosts are told, and what they say. */
export function ordersOf(options: WiringOptions & { readonly hosts: Hosts; readonly wake: Wake }) {
  const { config, db, events, store, key, opener, httpPort, hosts, log, now } = options;
  const { values } = config;
  const streams = new DeployStreams({ db, opener, owners: options.owners, log });
  const sign = (text: string) => signBytes(null, Buffer.from(text), key.privateKey).toString("base64");
  const aliveMs = () => values["hosts.alive_minutes"] * 60_000;
  const { progress } = hosts;
  const reports = new OrderReports({
    db,
    events,
    streams,
    progress,
    sign,
    get aliveWithinMs() {
      return aliveMs();
    },
    now,
  });
  const urlOf = (address: string) => `http://${address}:${httpPort()}`;
  const alive = new Alive({
    db,
    events,
    sign,
    get withinMs() {
      return aliveMs();
    },
    now,
    urlOf,
  });
  const scripts = new Scripts({ db, events, sign });
  const orders = new Orders({
    scripts,
    alive,
    db,
    events,
    hosts,
    reports,
    streams,
    get isRegistering() {
      return values["network.register"];
    },
    hasMenu: values["boot.menu"],
    get diskRule() {
      return values["hosts.disk"];
    },
    get waitMs() {
      return values["hosts.wait_minutes"] * 60_000;
    },
    now,
  });
  const findImage = async (name: string, version: number | undefined) => {
    const { manifest } = await store.readManifest(name, version);
    const storedBytes = manifest.packs.reduce((sum, pack) => sum + pack.storedBytes, 0);
    const { tag, diskBytes, sectorBytes } = manifest;
    return { name: tag.name, version: tag.version, diskBytes, sectorBytes, storedBytes };
  };
  const deploys = new Deploys({
    db,
    events,
    hosts,
    findImage,
    get diskRule() {
      return values["hosts.disk"];
    },
    get isAlive() {
      return values["hosts.alive"];
    },
    get rateBytesPerSecond() {
      return values["multicast.rate"];
    },
    now,
  });
  const conductor = new Conductor({ db, events, streams, wake: options.wake, now });
  const freeBytes = async () => {
    const { bavail, bsize } = await statfs(store.directory);
    return bavail * bsize;
  };
  const versionsOf = (image: string) => store.versions(image);
  const captures = new CaptureOrders({ db, events, hosts, versionsOf, freeBytes });
  return { streams, reports, alive, scripts, orders, deploys, conductor, captures, findImage, freeBytes };
}
