import type { Logger } from "pino";
import type { Users } from "../../server/access/users.ts";
import type { LiveConfig } from "../../server/config/live.ts";
import type { Database } from "../../server/db/database.ts";
import type { SeenServer } from "../../server/dhcp/settings.ts";
import { backupTimes } from "../../server/doctor/database.ts";
import { Doctor } from "../../server/doctor/doctor.ts";
import type { EventLog } from "../../server/events.ts";
import type { Membership } from "../../server/leases/membership.ts";
import { serversNow } from "../../server/leases/servers-now.ts";
import { servedInterfaces } from "../../server/network/interfaces.ts";
import type { ImageStore } from "../../server/store/store.ts";
import type { StreamHub } from "../../server/stream/hub.ts";
import { type LiveServer, siteChecks } from "../doctor/site-checks.ts";
import { readAccounts } from "../setup/accounts.ts";

type DoctorWiring = {
  readonly config: LiveConfig;
  readonly db: Database;
  readonly events: EventLog;
  readonly store: ImageStore;
  readonly hub: Pick<StreamHub, "list">;
  /** Of the servers of one database. */
  readonly membership: Membership | undefined;
  readonly users: Pick<Users, "list">;
  readonly otherServers: () => readonly SeenServer[] | undefined;
  readonly ports: LiveServer["ports"];
  readonly byItself: LiveServer["byItself"];
  readonly log: Logger;
  readonly now: () => number;
};

/** The doctor of the running server: it looks at itself from inside. */
export function doctorOf(options: DoctorWiring): Doctor {
  const { config, db, events, store, hub, membership, users, otherServers, ports, byItself, log, now } = options;
  const uid = process.getuid?.() ?? 0;
  const checks = siteChecks({
    config,
    interfaces: () => servedInterfaces(config.values["network.interfaces"]),
    store,
    user: { uid, name: readAccounts().find((account) => account.uid === uid)?.name ?? `user ${uid}` },
    live: {
      ports,
      byItself,
      otherServers,
      waiting: () => config.waiting,
      users: () => users.list(),
      backups: () => backupTimes(db),
      servers: () => serversNow(db, membership, now),
      isBusy: () => hub.list().some((stream) => stream.figures().state !== "ended"),
    },
    now,
  });
  return new Doctor({ checks, db, events, log, now });
}
