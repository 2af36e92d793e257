import type { Database } from "../db/database.ts";

/** A stream of an order that hosts are at work for. */
export type Orphan = {
  readonly deployId: number;
  readonly image: string;
  readonly imageVersion: number;
  readonly maxWaitMs: number;
  readonly streamId: string;
  readonly group: string | null;
  readonly interfaceAddress: string;
  readonly network: string | null;
  readonly traits: string | null;
};

/** Streams of orders that hosts are at work for. */
export function orphanRows(db: Database) {
  return db
    .selectFrom("deploy_streams")
    .innerJoin("deploys", "deploys.id", "deploy_streams.deploy_id")
    .leftJoin("servers", "servers.id", "deploy_streams.server_id")
    .select(["deploys.id as deployId", "image", "image_version as imageVersion", "max_wait_ms as maxWaitMs"])
    .select(["stream_id as streamId", "group_address as group", "interface_address as interfaceAddress"])
    .select(["network", "traits"])
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
    .orderBy("deploys.id");
}
