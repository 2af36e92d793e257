import type { Insertable, Selectable } from "kysely";
import type { BootPolicy } from "../../bsdp/policy.ts";
import type { Database } from "../db/database.ts";
import type { HostBootTable } from "../db/schema.ts";
import type { EventLog } from "../events.ts";
import { checkHostBoot, type HostBootChange, type ServedNetwork } from "./host-boot-rules.ts";

/** What is set for one host about how it boots. What is absent is as for every other host. */
export type HostBootSettings = {
  /** Whether it is given the loaders that Secure Boot trusts. */
  readonly secureBoot?: boolean;
  /** Path below the boot directory: its loader, instead of the one for its kind. */
  readonly loader?: string;
  /** A Mac that is bound to a NetBoot image: its DISCOVER is answered until then. */
  readonly netBootImage?: { readonly id: number; readonly untilMs: number };
  /** The address that our own DHCP server keeps for it. */
  readonly address?: string;
  readonly tftp?: { readonly blockBytes?: number; readonly windowBlocks?: number; readonly wrapsTo?: 0 | 1 };
};

const nothingSet: HostBootSettings = {};

type Known = {
  readonly byHost: ReadonlyMap<string, HostBootSettings>;
  readonly byMac: ReadonlyMap<string, HostBootSettings>;
  readonly addresses: ReadonlyMap<string, string>;
};

/** The boot settings of all hosts, kept in memory: they are asked for with every packet. */
export class HostBoot {
  readonly #db: Database;
  readonly #events: EventLog;
  readonly #networks: () => readonly ServedNetwork[];
  #known: Promise<Known> | undefined;

  /** @param options.networks the networks that addresses are given out in; none: no address is checked */
  constructor(options: { db: Database; events: EventLog; networks?: () => readonly ServedNetwork[] }) {
    this.#db = options.db;
    this.#events = options.events;
    this.#networks = options.networks ?? (() => []);
    // Hosts come and go, and their cards with them.
    this.#events.subscribe(({ kind }) => {
      if (kind.startsWith("host.") && kind !== "host.state") this.#known = undefined;
    });
  }

  /** What is set for the machine with this MAC address (lower case, colons). */
  async of(mac: string): Promise<HostBootSettings> {
    return (await this.#load()).byMac.get(mac) ?? nothingSet;
  }

  async ofHost(hostId: string): Promise<HostBootSettings> {
    return (await this.#load()).byHost.get(hostId) ?? nothingSet;
  }

  /** The addresses that are kept for somebody: every MAC address of a host to the host's address. */
  async addresses(): Promise<ReadonlyMap<string, string>> {
    return (await this.#load()).addresses;
  }

  /** A policy with what is set for this machine. */
  async applyTo(policy: BootPolicy, mac: string, otherwise: { readonly secureBoot: boolean }): Promise<BootPolicy> {
    if (policy.boot === "nothing") return policy;
    const { secureBoot = otherwise.secureBoot, loader } = await this.of(mac);
    return { ...policy, secureBoot, ...(loader === undefined ? {} : { loader }) };
  }

  /**
   * Changes what is set for a host: a value sets, null takes it back, what is absent stays.
   *
   * @throws {Fault} HOST_BOOT_INVALID, ADDRESS_TAKEN
   */
  async set(hostId: string, change: HostBootChange): Promise<HostBootSettings> {
    return this.#events.change(async ({ tables, nowMs, record }) => {
      const address = change.address ?? undefined;
      const taken =
        address === undefined
          ? undefined
          : await tables
              .selectFrom("host_boot")
              .innerJoin("hosts", "hosts.id", "host_boot.host_id")
              .select("hosts.name")
              .where("host_boot.address", "=", address)
              .where("host_id", "!=", hostId)
              .executeTakeFirst();
      checkHostBoot(change, { networks: this.#networks(), nowMs, addressOwner: taken?.name });
      const before = await tables.selectFrom("host_boot").selectAll().where("host_id", "=", hostId).executeTakeFirst();
      const row = rowOf(hostId, changed(before === undefined ? nothingSet : settingsOf(before), change));
      await tables
        .insertInto("host_boot")
        .values(row)
        .onConflict((conflict) => conflict.column("host_id").doUpdateSet(row))
        .execute();
      await record({ kind: "host.boot-settings", hostId, data: { change } });
      return settingsOf(row);
    });
  }

  #load(): Promise<Known> {
    if (this.#known !== undefined) return this.#known;
    const loading = this.#read();
    this.#known = loading;
    // A failure is the asker's; the next one tries again.
    loading.catch(() => {
      if (this.#known === loading) this.#known = undefined;
    });
    return loading;
  }

  async #read(): Promise<Known> {
    const rows = await this.#db.selectFrom("host_boot").selectAll().execute();
    const byHost = new Map(rows.map((row) => [row.host_id, settingsOf(row)]));
    const byMac = new Map<string, HostBootSettings>();
    const addresses = new Map<string, string>();
    const macs = rows.length === 0 ? [] : await this.#db.selectFrom("host_macs").selectAll().execute();
    for (const { mac, host_id } of macs) {
      const settings = byHost.get(host_id);
      if (settings === undefined) continue;
      byMac.set(mac, settings);
      if (settings.address !== undefined) addresses.set(mac, settings.address);
    }
    return { byHost, byMac, addresses };
  }
}

function changed(before: HostBootSettings, change: HostBootChange): HostBootSettings {
  const tftp = change.tftp === null ? {} : without({ ...before.tftp, ...change.tftp });
  const { tftp: _, ...rest } = without({ ...before, ...change });
  return { ...rest, ...(Object.keys(tftp).length === 0 ? {} : { tftp }) };
}

/** The same without what is null or undefined. */
function without<T extends object>(values: T): { [Key in keyof T]?: Exclude<T[Key], null | undefined> } {
  const kept = Object.entries(values).filter(([, value]) => value !== null && value !== undefined);
  return Object.fromEntries(kept) as { [Key in keyof T]?: Exclude<T[Key], null | undefined> };
}

function settingsOf(row: Selectable<HostBootTable> | Insertable<HostBootTable>): HostBootSettings {
  const { net_boot_image: id, net_boot_until_ms: untilMs } = row;
  const tftp = without({
    blockBytes: row.tftp_block_bytes,
    windowBlocks: row.tftp_window_blocks,
    wrapsTo: row.tftp_wraps_to as 0 | 1 | null,
  });
  return without({
    secureBoot: row.secure_boot === null ? undefined : row.secure_boot === 1,
    loader: row.loader,
    netBootImage: id === null || untilMs === null ? undefined : { id, untilMs },
    address: row.address,
    tftp: Object.keys(tftp).length === 0 ? undefined : tftp,
  }) as HostBootSettings;
}

function rowOf(hostId: string, settings: HostBootSettings): Insertable<HostBootTable> & Selectable<HostBootTable> {
  const { secureBoot, loader, netBootImage, address, tftp } = settings;
  return {
    host_id: hostId,
    secure_boot: secureBoot === undefined ? null : Number(secureBoot),
    loader: loader ?? null,
    net_boot_image: netBootImage?.id ?? null,
    net_boot_until_ms: netBootImage?.untilMs ?? null,
    address: address ?? null,
    tftp_block_bytes: tftp?.blockBytes ?? null,
    tftp_window_blocks: tftp?.windowBlocks ?? null,
    tftp_wraps_to: tftp?.wrapsTo ?? null,
  };
}
