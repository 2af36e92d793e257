import { recentBoots } from "../../server/api/boot-routes.ts";
import type { StatusBody } from "../../server/api/schemas.ts";
import type { Config } from "../../server/config/config.ts";
import type { Database } from "../../server/db/database.ts";
import type { DhcpServer } from "../../server/dhcp/settings.ts";
import type { Membership } from "../../server/leases/membership.ts";
import { serversNow } from "../../server/leases/servers-now.ts";
import { VERSION } from "../version.ts";

/** What the server says of itself. */
export function statusOf(about: {
  readonly config: Config;
  readonly db: Database;
  readonly boots: Parameters<typeof recentBoots>[0];
  readonly access: { servers(): readonly string[]; readonly fingerprint: string };
  readonly dhcp: Pick<DhcpServer, "otherServers"> | undefined;
  /** Ours; the list changes in place. */
  readonly addresses: readonly string[];
  readonly httpPort: number;
  readonly tftpPort: number;
  readonly startedAtMs: number;
  readonly membership: Membership | undefined;
}): () => Promise<StatusBody> {
  const { config, db, boots, access, dhcp, addresses, httpPort, tftpPort, startedAtMs, membership } = about;
  return async () => {
    const active = await db.selectFrom("deploys").select("id").where("state", "=", "active").execute();
    const { hosts } = await db
      .selectFrom("hosts")
      .select(({ fn }) => fn.countAll().as("hosts"))
      .executeTakeFirstOrThrow();
    return {
      version: VERSION,
      pid: process.pid,
      startedAtMs,
      dataDir: config.dataDir,
      addresses: addresses.map((address) => `http://${address}:${httpPort}`),
      https: { servers: [...access.servers()], fingerprint: access.fingerprint },
      tftpPort,
      dhcp: config.values["network.dhcp"],
      otherServers: [...(dhcp?.otherServers ?? [])],
      servers: ((await serversNow(db, membership, Date.now))?.servers ?? []).map(({ addresses, ...server }) => ({
        ...server,
        addresses: [...addresses],
      })),
      hosts: Number(hosts),
      activeSessions: active.map(({ id }) => id),
      boots: recentBoots(boots),
    };
  };
}
