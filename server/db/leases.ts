import type { Lease } from "../../bsdp/lease.ts";
import type { LeaseStore } from "../dhcp/settings.ts";
import type { Database } from "./database.ts";

/** A write waits so long for others: a room of machines takes hundreds of leases within a second. */
const GATHER_MS = 25;
/** SQLite takes 32 766 values in one statement, and a lease has four. */
const MOST_ROWS = 1_000;

/** The DHCP server's leases in the database; `settled` resolves when none is left to be written. */
export function databaseLeases(db: Database): LeaseStore & { settled(): Promise<void> } {
  let waiting = new Map<string, Lease>();
  /** The write that is not yet begun takes what is saved now. */
  let next: Promise<void> | undefined;
  const writes = new Set<Promise<void>>();

  async function gather(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, GATHER_MS));
    const leases = [...waiting.values()];
    waiting = new Map();
    next = undefined;
    // Each write waits for the disk, and everybody waits with it: one for all of them.
    await db.transaction().execute(async (tables) => {
      for (let at = 0; at < leases.length; at += MOST_ROWS) {
        await tables
          .insertInto("leases")
          .values(leases.slice(at, at + MOST_ROWS).map(rowOf))
          .onConflict((conflict) =>
            conflict.column("address").doUpdateSet(({ ref }) => ({
              mac: ref("excluded.mac"),
              state: ref("excluded.state"),
              until_ms: ref("excluded.until_ms"),
            })),
          )
          .execute();
      }
    });
  }

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
    save(lease) {
      waiting.set(lease.address, lease);
      if (next !== undefined) return next;
      const write = gather();
      next = write;
      writes.add(write);
      write.catch(() => {}).finally(() => writes.delete(write));
      return write;
    },
    async remove(addresses) {
      for (let at = 0; at < addresses.length; at += MOST_ROWS) {
        await db
          .deleteFrom("leases")
          .where("address", "in", addresses.slice(at, at + MOST_ROWS))
          .execute();
      }
    },
    async settled() {
      // Whoever saves hears of a failure.
      await Promise.allSettled(writes);
    },
  };
}

function rowOf({ address, mac, state, untilMs }: Lease) {
  return { address, mac, state, until_ms: Math.round(untilMs) };
}
