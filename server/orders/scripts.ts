import { type OrderScript, type OrderScripts, scriptsDigest, scriptsText } from "../../agent/contract.ts";
import { Fault } from "../../fault.ts";
import { nearest } from "../config/nearest.ts";
import type { Database } from "../db/database.ts";
import type { EventLog } from "../events.ts";

/** What a script belongs to: it runs on each host that is given this image, or that is in this group. */
export type ScriptOwner = { readonly kind: "image" | "group"; readonly name: string };

export type StoredScript = ScriptOwner & { readonly script: OrderScript };

const MOST_TEXT_BYTES = 32 * 1024;
/** As many as an order can carry. */
const MOST_SCRIPTS = 32;

/** Scripts of people that run when a disk is restored: one for an image, one for a group of hosts. */
export class Scripts {
  readonly #db: Database;
  readonly #events: EventLog;
  readonly #sign: (text: string) => string;

  /** @param options.sign signs with the site's key: Ed25519, base64 */
  constructor(options: { db: Database; events: EventLog; sign: (text: string) => string }) {
    this.#db = options.db;
    this.#events = options.events;
    this.#sign = options.sign;
  }

  /** Sets a script; one with the same name and owner is replaced. @throws {Fault} SCRIPT_INVALID */
  async set(owner: ScriptOwner, script: OrderScript): Promise<void> {
    if (Buffer.byteLength(script.text) > MOST_TEXT_BYTES) {
      throw invalid(`It is larger than ${MOST_TEXT_BYTES / 1024} KiB.`, "Let a short script fetch what is large.");
    }
    if (script.text.includes("\0")) throw invalid("It is no text.", "Scripts are for /bin/sh of the boot image.");
    await this.#events.change(async (change) => {
      const others = await change.tables
        .selectFrom("scripts")
        .select("name")
        .where("owner_kind", "=", owner.kind)
        .where("owner", "=", owner.name)
        .where("name", "!=", script.name)
        .execute();
      // An order carries those of the image and of the host's group.
      if (others.length >= MOST_SCRIPTS / 2) {
        throw invalid(`${words(owner)} has ${others.length} scripts already.`, "Put several into one.");
      }
      const values = { text: script.text, most_seconds: script.mostSeconds };
      await change.tables
        .insertInto("scripts")
        .values({ owner_kind: owner.kind, owner: owner.name, name: script.name, ...values })
        .onConflict((conflict) => conflict.columns(["owner_kind", "owner", "name"]).doUpdateSet(values))
        .execute();
      const data = { ...owner, script: script.name, mostSeconds: script.mostSeconds };
      await change.record({ kind: "script.set", data });
    });
  }

  /** @throws {Fault} SCRIPT_UNKNOWN */
  async remove(owner: ScriptOwner, name: string): Promise<void> {
    await this.#events.change(async (change) => {
      const { numDeletedRows } = await change.tables
        .deleteFrom("scripts")
        .where("owner_kind", "=", owner.kind)
        .where("owner", "=", owner.name)
        .where("name", "=", name)
        .executeTakeFirst();
      if (numDeletedRows === 0n) throw await this.#unknown(change.tables, owner, name);
      await change.record({ kind: "script.removed", data: { ...owner, script: name } });
    });
  }

  /** All, in the order in which they run: those of images first, by name. */
  async list(tables: Pick<Database, "selectFrom"> = this.#db): Promise<StoredScript[]> {
    const rows = await tables
      .selectFrom("scripts")
      .selectAll()
      .orderBy("owner_kind", "desc")
      .orderBy("owner")
      .orderBy("name")
      .execute();
    return rows.map((row) => ({
      kind: row.owner_kind === "image" ? "image" : "group",
      name: row.owner,
      script: { name: row.name, text: row.text, mostSeconds: row.most_seconds },
    }));
  }

  /**
   * What runs on a host when it is given an image; undefined: nothing. It is noted with the order what the host was
   * told, because its permit is signed later, and somebody may have changed a script since.
   */
  async ofOrder(about: {
    readonly hostId: string;
    readonly deployId: number;
    readonly image: string;
  }): Promise<OrderScripts | undefined> {
    const host = await this.#db
      .selectFrom("hosts")
      .select(["mac", "group_name"])
      .where("id", "=", about.hostId)
      .executeTakeFirst();
    if (host === undefined) return undefined;
    const all = await this.list();
    const list = all
      .filter(({ kind, name }) => name === (kind === "image" ? about.image : host.group_name))
      .map(({ script }) => script);
    const signed = { mac: host.mac, deployId: String(about.deployId), list };
    await this.#events.change(({ tables }) =>
      tables
        .updateTable("deploy_hosts")
        .set({ scripts_digest: list.length === 0 ? null : scriptsDigest(signed) })
        .where("deploy_id", "=", about.deployId)
        .where("host_id", "=", about.hostId)
        .execute(),
    );
    return list.length === 0 ? undefined : { list, permit: this.#sign(scriptsText(signed)) };
  }

  async #unknown(tables: Pick<Database, "selectFrom">, owner: ScriptOwner, name: string): Promise<Fault> {
    const names = (await this.list(tables))
      .filter((each) => each.kind === owner.kind && each.name === owner.name)
      .map(({ script }) => script.name);
    const suggestion = nearest(name, names);
    return new Fault("SCRIPT_UNKNOWN", {
      what: `${words(owner)} has no script "${name}".`,
      why: names.length === 0 ? "It has none at all." : `It has: ${names.join(", ")}.`,
      fix: `${suggestion === undefined ? "" : `Maybe "${suggestion}" was meant. `}"bootcast script list" shows all.`,
    });
  }
}

function words({ kind, name }: ScriptOwner): string {
  return kind === "image" ? `The image ${name}` : `The group ${name}`;
}

function invalid(why: string, fix: string): Fault {
  return new Fault("SCRIPT_INVALID", { what: "This cannot be set.", why, fix });
}
