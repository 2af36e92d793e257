import type { Database } from "../db/database.ts";
import { captureEnded } from "./faults.ts";

/** A capture that a host is at work with. */
export type StandingCapture = {
  readonly deployId: number;
  readonly hostName: string;
  readonly image: string;
  /** 0 until it is made. */
  readonly imageVersion: number;
  readonly notes: string;
  /** The size of the disk that was there when it was ordered. */
  readonly mostDiskBytes: number;
};

/**
 * The capture with this number, when it is for this host and the host has begun it.
 *
 * @throws {Fault} CAPTURE_ENDED
 */
export async function standingCapture(
  db: Pick<Database, "selectFrom">,
  hostId: string,
  deployId: number,
): Promise<StandingCapture> {
  const row = await db
    .selectFrom("deploy_hosts")
    .innerJoin("deploys", "deploys.id", "deploy_hosts.deploy_id")
    .innerJoin("hosts", "hosts.id", "deploy_hosts.host_id")
    .select(["deploys.image", "deploys.image_version", "deploys.notes", "deploys.most_disk_bytes", "hosts.name"])
    .where("deploys.id", "=", deployId)
    .where("deploys.kind", "=", "capture")
    .where("deploys.state", "=", "active")
    .where("deploy_hosts.host_id", "=", hostId)
    .where("deploy_hosts.state", "=", "running")
    .executeTakeFirst();
  if (row === undefined) throw captureEnded(deployId);
  return {
    deployId,
    hostName: row.name,
    image: row.image,
    imageVersion: row.image_version,
    notes: row.notes ?? "",
    mostDiskBytes: row.most_disk_bytes ?? 0,
  };
}
