import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";
import { access } from "./access.ts";
import { alive } from "./alive.ts";
import { diskFit } from "./disk-fit.ts";
import { enrolment } from "./enrolment.ts";
import { hostCards } from "./host-cards.ts";
import { hostDesk } from "./host-desk.ts";
import { hostLogs } from "./host-logs.ts";
import { orderScripts } from "./order-scripts.ts";
import { repeats } from "./repeats.ts";
import { resume } from "./resume.ts";
import { rollouts } from "./rollouts.ts";
import { scheduleMembers } from "./schedule-members.ts";
import { schedules } from "./schedules.ts";
import { servers } from "./servers.ts";

/**
 * The steps from an empty file to the tables of `schema.ts`, by name in their
 * order. Forward only: a step that was released never changes.
 */
export const migrations: Readonly<Record<string, Migration>> = {
  "0001-first": { up: first },
  "0002-host-boot": { up: hostBoot },
  "0003-events-by-kind": { up: eventsByKind },
  "0004-captures": { up: captures },
  "0005-stream-groups": { up: streamGroups },
  "0006-disk-terms": { up: diskTerms },
  "0007-scripts": { up: scripts },
  "0008-disk-fit": { up: diskFit },
  "0009-alive": { up: alive },
  "0010-resume": { up: resume },
  "0011-access": { up: access },
  "0012-repeats": { up: repeats },
  "0013-order-scripts": { up: orderScripts },
  "0014-host-desk": { up: hostDesk },
  "0015-rollouts": { up: rollouts },
  "0016-schedules": { up: schedules },
  "0017-schedule-members": { up: scheduleMembers },
  "0018-host-cards": { up: hostCards },
  "0019-servers": { up: servers },
  "0020-host-logs": { up: hostLogs },
  "0021-enrolment": { up: enrolment },
};

async function first(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("events")
    .addColumn("id", "integer", (column) => column.primaryKey().autoIncrement())
    .addColumn("at_ms", "integer", (column) => column.notNull())
    .addColumn("kind", "text", (column) => column.notNull())
    .addColumn("host_id", "text")
    .addColumn("deploy_id", "integer")
    .addColumn("data", "text", (column) => column.notNull())
    .execute();
  await db.schema.createIndex("events_of_host").on("events").columns(["host_id", "id"]).execute();
  await db.schema.createIndex("events_of_deploy").on("events").columns(["deploy_id", "id"]).execute();

  await db.schema
    .createTable("hosts")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("name", "text", (column) => column.notNull().unique())
    .addColumn("mac", "text", (column) => column.notNull())
    .addColumn("uuid", "text", (column) => column.notNull())
    .addColumn("serial", "text", (column) => column.notNull())
    .addColumn("vendor", "text", (column) => column.notNull())
    .addColumn("model", "text", (column) => column.notNull())
    .addColumn("inventory", "text", (column) => column.notNull())
    .addColumn("token_hash", "text", (column) => column.notNull())
    .addColumn("state", "text", (column) => column.notNull())
    .addColumn("state_since_ms", "integer", (column) => column.notNull())
    .addColumn("detail", "text", (column) => column.notNull())
    .addColumn("percent", "real")
    .addColumn("fault", "text")
    .addColumn("waiting_since_ms", "integer", (column) => column.notNull())
    .addColumn("first_seen_ms", "integer", (column) => column.notNull())
    .addColumn("last_seen_ms", "integer", (column) => column.notNull())
    .execute();
  await db.schema.createIndex("hosts_by_uuid").on("hosts").column("uuid").execute();

  await db.schema
    .createTable("host_macs")
    .addColumn("mac", "text", (column) => column.primaryKey())
    .addColumn("host_id", "text", (column) => column.notNull().references("hosts.id").onDelete("cascade"))
    .execute();

  await db.schema
    .createTable("deploys")
    .addColumn("id", "integer", (column) => column.primaryKey().autoIncrement())
    .addColumn("image", "text", (column) => column.notNull())
    .addColumn("image_version", "integer", (column) => column.notNull())
    .addColumn("to_any", "integer", (column) => column.notNull())
    .addColumn("wait_for", "integer", (column) => column.notNull())
    .addColumn("max_wait_ms", "integer", (column) => column.notNull())
    .addColumn("state", "text", (column) => column.notNull())
    .addColumn("created_at_ms", "integer", (column) => column.notNull())
    .addColumn("ended_at_ms", "integer")
    .addCheckConstraint("deploy_state", sql`state in ('active', 'done', 'cancelled')`)
    .execute();

  await db.schema
    .createTable("deploy_hosts")
    .addColumn("deploy_id", "integer", (column) => column.notNull().references("deploys.id"))
    .addColumn("host_id", "text", (column) => column.notNull().references("hosts.id").onDelete("cascade"))
    .addColumn("state", "text", (column) => column.notNull())
    .addColumn("attempts", "integer", (column) => column.notNull().defaultTo(0))
    .addColumn("started_at_ms", "integer")
    .addColumn("ended_at_ms", "integer")
    .addColumn("fault", "text")
    .addPrimaryKeyConstraint("deploy_hosts_key", ["deploy_id", "host_id"])
    .addCheckConstraint("deploy_host_state", sql`state in ('pending', 'running', 'done', 'failed', 'cancelled')`)
    .execute();
  await db.schema.createIndex("deploy_hosts_of_host").on("deploy_hosts").columns(["host_id", "state"]).execute();
  // A host can have only one order at a time, whatever the program thinks.
  await sql`create unique index one_order_a_host on deploy_hosts (host_id) where state in ('pending', 'running')`.execute(
    db,
  );

  await db.schema
    .createTable("deploy_streams")
    .addColumn("deploy_id", "integer", (column) => column.notNull().references("deploys.id"))
    .addColumn("interface_address", "text", (column) => column.notNull())
    .addColumn("stream_id", "text", (column) => column.notNull())
    .addPrimaryKeyConstraint("deploy_streams_key", ["deploy_id", "interface_address"])
    .execute();

  await db.schema
    .createTable("leases")
    .addColumn("address", "text", (column) => column.primaryKey())
    .addColumn("mac", "text", (column) => column.notNull())
    .addColumn("state", "text", (column) => column.notNull())
    .addColumn("until_ms", "integer", (column) => column.notNull())
    .execute();
}

async function hostBoot(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("host_boot")
    .addColumn("host_id", "text", (column) => column.primaryKey().references("hosts.id").onDelete("cascade"))
    .addColumn("secure_boot", "integer")
    .addColumn("loader", "text")
    .addColumn("net_boot_image", "integer")
    .addColumn("net_boot_until_ms", "integer")
    // Two machines with one address would disturb each other, whatever the program thinks.
    .addColumn("address", "text", (column) => column.unique())
    .addColumn("tftp_block_bytes", "integer")
    .addColumn("tftp_window_blocks", "integer")
    .addColumn("tftp_wraps_to", "integer")
    .execute();
}

// The boot trace is read, and its old entries are removed, without a look at all other events.
async function eventsByKind(db: Kysely<unknown>): Promise<void> {
  await db.schema.createIndex("events_by_kind").on("events").columns(["kind", "at_ms"]).execute();
}

async function captures(db: Kysely<unknown>): Promise<void> {
  // Whatever the program thinks, an order is one or the other: only one of them erases.
  await sql`alter table deploys add column kind text not null default 'deploy' check (kind in ('deploy', 'capture'))`.execute(
    db,
  );
  await db.schema.alterTable("deploys").addColumn("notes", "text").execute();
  await db.schema.alterTable("deploys").addColumn("keep_free_blocks", "integer").execute();
  await db.schema.alterTable("deploys").addColumn("most_disk_bytes", "integer").execute();
}

// Where receivers of a stream listen that a restart interrupted; null: the group of the configuration.
async function streamGroups(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable("deploy_streams").addColumn("group_address", "text").execute();
}

// Null in old rows: the only disk that fits, erased the quick way, and nothing known of what was restored.
async function diskTerms(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable("hosts").addColumn("disk_rule", "text").execute();
  await db.schema.alterTable("hosts").addColumn("restored", "text").execute();
  await db.schema.alterTable("deploys").addColumn("disk_rule", "text").execute();
  await db.schema.alterTable("deploys").addColumn("erase", "text").execute();
  await db.schema.alterTable("deploy_hosts").addColumn("disk_rule", "text").execute();
  await db.schema.alterTable("deploy_hosts").addColumn("confirmed", "text").execute();
  await db.schema.alterTable("deploy_hosts").addColumn("known", "text").execute();
}

async function scripts(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable("hosts").addColumn("group_name", "text").execute();
  await db.schema
    .createTable("scripts")
    .addColumn("owner_kind", "text", (column) => column.notNull())
    .addColumn("owner", "text", (column) => column.notNull())
    .addColumn("name", "text", (column) => column.notNull())
    .addColumn("text", "text", (column) => column.notNull())
    .addColumn("most_seconds", "integer", (column) => column.notNull())
    .addPrimaryKeyConstraint("scripts_key", ["owner_kind", "owner", "name"])
    .execute();
}
