import { DEFAULT_DISK_RULE, DISK_TERMS_SINCE, type Inventory, type OrderTerms } from "../agent/contract.ts";
import type { Database } from "./db/database.ts";

/** What an order says of one host's disk. */
export type HostTerms = {
  readonly terms: OrderTerms;
  /** Whether the host's agent reads them at all. */
  readonly isUnderstood: boolean;
  /** Whether they say no more than what every agent does by itself. */
  readonly isPlain: boolean;
};

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
    .select(["deploy_hosts.disk_rule", "confirmed", "known", "erase", "hosts.inventory"])
    .where("deploy_id", "=", deployId)
    .where("host_id", "=", hostId)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const terms: OrderTerms = {
    disk: row.disk_rule ?? DEFAULT_DISK_RULE,
    erase: (row.erase ?? "quick") as OrderTerms["erase"],
    confirmed: row.confirmed === null ? [] : (JSON.parse(row.confirmed) as string[]),
    known: row.known ?? "",
  };
  const { contract = 1 } = JSON.parse(row.inventory) as Inventory;
  return {
    terms,
    isUnderstood: contract >= DISK_TERMS_SINCE,
    isPlain: terms.disk === DEFAULT_DISK_RULE && terms.erase === "quick",
  };
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
