import type { Kysely } from "kysely";

/** What the site's enrolment tokens are made of, and what hosts showed of them. */
export async function enrolment(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("enrolment")
    .addColumn("id", "bigint", (column) => column.primaryKey())
    .addColumn("secret", "text", (column) => column.notNull())
    .addColumn("made_at_ms", "bigint", (column) => column.notNull())
    .addColumn("until_ms", "bigint")
    .execute();
  await db.schema
    .alterTable("hosts")
    .addColumn("is_enrolled", "integer", (column) => column.notNull().defaultTo(0))
    .execute();
  await db.schema.alterTable("hosts").addColumn("lacks", "text").execute();
}
