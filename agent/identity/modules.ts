import { byHost } from "./byhost.ts";
import type { IdentityModule } from "./change.ts";
import { linuxAlive } from "./linux-alive.ts";
import { linuxHostname } from "./linux-hostname.ts";
import { linuxLeftovers } from "./linux-leftovers.ts";
import { linuxMachineId } from "./linux-machine-id.ts";
import { linuxNetworkNames } from "./linux-network-names.ts";
import { linuxSshHostKeys } from "./linux-ssh-host-keys.ts";
import { linuxUuids } from "./linux-uuids.ts";
import { macAlive } from "./mac-alive.ts";
import { macFirstBoot } from "./mac-first-boot.ts";
import { macHiddenList } from "./mac-hidden-list.ts";
import { macNames } from "./mac-names.ts";
import { macKerberos, macNetworkInterfaces, macSshHostKeys } from "./mac-traces.ts";
import { windowsDiskIds } from "./windows-disk-ids.ts";
import { windowsRegistry } from "./windows-registry.ts";
import { windowsUnattend } from "./windows-unattend.ts";

/**
 * All that is done to a restored system, in this order: the name first, so that a later failure leaves a host that is
 * known by its name; and the job of a Mac's first start before what it depends on is taken away.
 */
export const identityModules: readonly IdentityModule[] = [
  ...[linuxHostname, linuxMachineId, linuxSshHostKeys, linuxNetworkNames, linuxLeftovers, linuxUuids, linuxAlive],
  ...[macNames, macFirstBoot, byHost, macNetworkInterfaces, macKerberos, macSshHostKeys, macHiddenList, macAlive],
  ...[windowsUnattend, windowsRegistry, windowsDiskIds],
];
