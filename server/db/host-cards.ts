import { type Kysely, sql } from "kysely";

/**
 * The addresses of all cards that are in a machine, so that nobody has to look at every machine to find another one with
 * the same card. And how many hosts of a session are where is counted without a look at the hosts.
 */
export async function hostCards(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("host_cards")
    .addColumn("host_id", "text", (column) => column.notNull().references("hosts.id").onDelete("cascade"))
    .addColumn("mac", "text", (column) => column.notNull())
    .addPrimaryKeyConstraint("host_cards_key", ["host_id", "mac"])
    .execute();
  await db.schema.createIndex("host_cards_by_mac").on("host_cards").column("mac").execute();
  await db.schema.createIndex("deploy_hosts_by_state").on("deploy_hosts").columns(["deploy_id", "state"]).execute();
  const { rows } = await sql<{ id: string; mac: string; inventory: string }>`
    select id, mac, inventory from hosts`.execute(db);
  for (const { id, mac, inventory } of rows) {
    const { nics } = JSON.parse(inventory) as { nics: readonly { readonly mac: string }[] };
    for (const card of new Set([mac, ...nics.map((nic) => nic.mac)])) {
      await sql`insert into host_cards (host_id, mac) values (${id}, ${card})`.execute(db);
    }
  }
}
