import { parsePool } from "../../bsdp/address-pool.ts";
import { networkOfText } from "../../bsdp/wake.ts";
import type { HostRouteOptions } from "../../server/api/host-routes.ts";
import type { ConfigValues } from "../../server/config/config.ts";
import type { Database } from "../../server/db/database.ts";
import type { EventLog } from "../../server/events.ts";
import { HostDesk } from "../../server/hosts/host-desk.ts";
import { HostImports } from "../../server/hosts/host-import.ts";
import { HostOverview } from "../../server/hosts/host-overview.ts";
import type { Hosts } from "../../server/hosts/hosts.ts";
import { type WakeNetwork, Waker } from "../../server/hosts/wake.ts";
import type { ServedInterface } from "../../server/network/interfaces.ts";

/** What people see of hosts, and what they do with them. */
export function hostPartsOf(options: {
  readonly values: ConfigValues;
  readonly db: Database;
  readonly events: EventLog;
  readonly hosts: Hosts;
  /** Those that are served now; the list changes in place. */
  readonly interfaces: readonly ServedInterface[];
  /** When the firmware behind an address last asked for something to boot. */
  readonly askedMsOf: (mac: string) => number | undefined;
  readonly now: () => number;
}): HostRouteOptions & { readonly waker: Waker } {
  const { values, db, events, hosts, interfaces, askedMsOf, now } = options;
  return {
    db,
    hosts,
    desk: new HostDesk({ events, hosts }),
    imports: new HostImports({ events, hosts, names: values["hosts.names"] }),
    overview: new HostOverview({ db, now, askedMsOf }),
    waker: new Waker({ db, events, networks: () => wakeNetworksOf(values, interfaces) }),
  };
}

/** Our own networks, those behind relays whose addresses we give out, and those that the settings name. */
export function wakeNetworksOf(
  values: Pick<ConfigValues, "network.pool" | "hosts.wake_networks">,
  interfaces: readonly ServedInterface[],
): WakeNetwork[] {
  const ours = interfaces.map(({ name, address, netmask }) => ({ interface: name, address, netmask }));
  const behindRelays = (values["network.pool"] ?? []).flatMap((text) => {
    const pool = parsePool(text);
    return pool?.netmask === undefined ? [] : [{ address: pool.first, netmask: pool.netmask }];
  });
  return [...ours, ...behindRelays, ...values["hosts.wake_networks"].map(networkOfText)];
}
