import type { Lease } from "../../bsdp/lease.ts";
import type { LeaseStore } from "../dhcp-settings.ts";
import type { Database } from "./database.ts";

/** The DHCP server's leases in the database. */
export function databaseLeases(db: Database): LeaseStore {
  return {
    async load() {
      const rows = await db.selectFrom("leases").selectAll().execute();
      return rows.map((row) => ({
        address: row.address,
        mac: row.mac,
        state: row.state as Lease["state"],
        untilMs: row.until_ms,
      }));
    },
    async save({ address, mac, state, untilMs }) {
      const lease = { mac, state, until_ms: Math.round(untilMs) };
      await db
        .insertInto("leases")
        .values({ address, ...lease })
        .onConflict((conflict) => conflict.column("address").doUpdateSet(lease))
        .execute();
    },
    async remove(addresses) {
      await db
        .deleteFrom("leases")
        .where("address", "in", [...addresses])
        .execute();
    },
  };
}
