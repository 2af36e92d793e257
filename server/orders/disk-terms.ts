import {
  AFTERWARDS_SINCE,
  type Afterwards,
  DEFAULT_DISK_RULE,
  DISK_TERMS_SINCE,
  type DiskIds,
  FIT_SINCE,
  type Growth,
  type Inventory,
  NAME_SINCE,
  type OrderTerms,
  PARTS_SINCE,
  RESUME_SINCE,
} from "../../agent/contract.ts";
import type { Database } from "../db/database.ts";

/** What an order says of one host's disk. */
export type HostTerms = {
  /** As far as the host's agent reads them; absent: it reads none. */
  readonly terms?: OrderTerms;
  /** What was ordered in so many words and its agent cannot do, to go behind "cannot". */
  readonly cannot?: string;
};

/**
 * A larger disk is used to its end: what nobody can see of a disk is the first thing that people miss, and no file is
 * touched by it.
 */
export const DEFAULT_GROWTH: Growth = "last";
/** Boot loaders, fstab and Windows find their partitions by these numbers, and clones do not see each other's. */
export const DEFAULT_IDS: DiskIds = "keep";

/** As it was written down when the order was given to the host; what it signs is the same. */
export async function termsOf(
  db: Pick<Database, "selectFrom">,
  hostId: string,
  deployId: number,
): Promise<HostTerms | undefined> {
  const row = await db
    .selectFrom("deploy_hosts")
    .innerJoin("deploys", "deploys.id", "deploy_hosts.deploy_id")
    .innerJoin("hosts", "hosts.id", "deploy_hosts.host_id")
    .select([
      "deploy_hosts.disk_rule",
      "confirmed",
      "known",
      "begun_disk",
      "is_erased",
      "scripts_digest",
      "hosts.inventory",
      "hosts.name",
    ])
    .select(["erase", "grow", "ids", "afterwards", "verify", "alive"])
    .where("deploy_id", "=", deployId)
    .where("host_id", "=", hostId)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const { contract = 1 } = JSON.parse(row.inventory) as Inventory;
  const terms: OrderTerms = {
    disk: row.disk_rule ?? DEFAULT_DISK_RULE,
    erase: (row.erase ?? "quick") as OrderTerms["erase"],
    confirmed: row.confirmed === null ? [] : (JSON.parse(row.confirmed) as string[]),
    known: row.known ?? "",
    ...(contract < FIT_SINCE
      ? {}
      : { grow: (row.grow ?? DEFAULT_GROWTH) as Growth, ids: (row.ids ?? DEFAULT_IDS) as DiskIds }),
  };
  if (contract >= NAME_SINCE) terms.hostName = row.name;
  if (contract >= PARTS_SINCE && row.scripts_digest !== null) terms.scripts = row.scripts_digest;
  if (contract >= PARTS_SINCE && row.alive === 1) terms.alive = true;
  const { afterwards } = row;
  if (afterwards !== null && contract < AFTERWARDS_SINCE) {
    return { cannot: "do after the restore what was ordered" };
  }
  if (afterwards !== null) terms.afterwards = afterwards as Afterwards;
  if (row.verify !== null && contract < RESUME_SINCE) return { cannot: "read back as much of the disk as ordered" };
  if (row.verify !== null) terms.verify = row.verify;
  if (contract >= RESUME_SINCE && row.is_erased === 1 && row.begun_disk !== null) terms.resumes = row.begun_disk;
  const isPlain = terms.disk === DEFAULT_DISK_RULE && terms.erase === "quick";
  if (contract < DISK_TERMS_SINCE && !isPlain) return { cannot: "choose or erase a disk as ordered" };
  // What nobody asked for is not missed: an older agent leaves everything as large as it was.
  if (contract < FIT_SINCE && (row.grow === "last" || row.ids === "renew")) {
    return { cannot: "grow partitions or renew numbers as ordered" };
  }
  return contract < DISK_TERMS_SINCE ? {} : { terms };
}

/**
 * Which disk is meant: what the order says, else what is set for the host, else what is set for all.
 *
 * @param otherwise the setting hosts.disk
 */
export async function ruleOf(
  db: Pick<Database, "selectFrom">,
  hostId: string,
  ordered: string | null | undefined,
  otherwise: string,
): Promise<string> {
  if (ordered !== null && ordered !== undefined) return ordered;
  const host = await db.selectFrom("hosts").select("disk_rule").where("id", "=", hostId).executeTakeFirst();
  return host?.disk_rule ?? otherwise;
}
